//! What the tests of the server share: a server on a free port over a real store, a scripted upstream, and a client
//! that sends exactly what a test says.

mod client;
mod upstream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use alacena::{
    Alacena,
    config::{Config, Layers},
    error::Error,
};
use alacena_server::{Reloader, Server, ServerSettings, bind};
use alacena_testkit::FakeRuntime;
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::JoinHandle};

pub(crate) use client::{Answer, Request, get, post};
pub(crate) use upstream::Upstream;

/// A secret that must never be seen; [`Answer`] looks for it in everything that comes back.
pub(crate) const CANARY: &str = "canary-5f0c-never-to-be-seen";

/// A running server with everything below it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) runtime: FakeRuntime,
    pub(crate) alacena: Alacena,
    pub(crate) upstream: Upstream,
    pub(crate) reloader: Reloader,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Result<(), Error>>>,
    /// What the server reads when it reloads its configuration.
    configuration: Arc<Mutex<String>>,
    folder: tempfile::TempDir,
}

impl Running {
    /// A server with the usual reads and whatever `extra` adds to the configuration.
    pub(crate) async fn start(extra: &str) -> Self {
        Self::start_with(extra, |_| {}).await
    }

    pub(crate) async fn start_with(extra: &str, change: impl FnOnce(&mut ServerSettings)) -> Self {
        Self::start_as(&format!("{CONFIGURATION}\n{extra}"), change).await
    }

    /// A server with this configuration and a store, but none of the usual reads.
    pub(crate) async fn start_only(configuration: &str) -> Self {
        Self::start_as(&format!("{STORE}{configuration}"), |_| {}).await
    }

    async fn start_as(configuration: &str, change: impl FnOnce(&mut ServerSettings)) -> Self {
        let upstream = Upstream::start().await;
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection
            .execute_batch(
                "create table orders (company integer, amount integer); insert into orders values (42, 5);",
            )
            .unwrap();
        drop(connection);
        let configuration = Arc::new(Mutex::new(filled(configuration, &upstream, &folder)));
        let written = Arc::clone(&configuration);
        let environment = [("CRM_SECRET".to_owned(), CANARY.to_owned())].into();
        let layers = Layers { environment, ..Layers::default() };
        let read = move || Config::parse(&written.lock(), "test.toml", &layers);
        let config = read().unwrap_or_else(|problems| panic!("{problems}"));
        let runtime = FakeRuntime::new(1);
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        let mut settings = ServerSettings::of(&config, "1.2.3");
        change(&mut settings);
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(listener, alacena.clone(), settings).unwrap().reading(read);
        let reloader = server.reloader();
        let serving = server.serve(async {
            // A test that ends without stopping is over, too.
            let _ = stopped.await;
        });
        let served = tokio::spawn(serving);
        let (stop, served) = (Some(stop), Some(served));
        Self { address, runtime, alacena, upstream, reloader, stop, served, configuration, folder }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(path).send(self.address).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        post(path, body).send(self.address).await
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.send(self.address).await
    }

    /// Writes this configuration, with a store and nothing else, where the server reads it.
    pub(crate) fn configure_only(&self, configuration: &str) {
        let text = format!("{STORE}{configuration}");
        *self.configuration.lock() = filled(&text, &self.upstream, &self.folder);
    }

    /// Moves the clock of the cache.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.runtime.advance(Duration::from_secs(seconds)).await;
    }

    /// Asks the server to stop and returns what it says once it has.
    pub(crate) fn stop(&mut self) -> JoinHandle<Result<(), Error>> {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.take().unwrap()
    }
}

fn filled(configuration: &str, upstream: &Upstream, folder: &tempfile::TempDir) -> String {
    configuration
        .replace("{upstream}", &upstream.address.to_string())
        .replace("{folder}", folder.path().to_str().unwrap())
}

const STORE: &str = "[embedded]\npath = \"{folder}/store\"\n";

const CONFIGURATION: &str = r#"
[embedded]
path = "{folder}/store"

[sources.crm]
kind = "http"
base_url = "http://{upstream}"
headers = { x-secret = "${CRM_SECRET}" }
retries = 0
breaker = { failures = 1000 }

[sources.personal]
kind = "http"
base_url = "http://{upstream}"
credentials = ["authorization"]
retries = 0

[sources.keyed]
kind = "http"
base_url = "http://{upstream}"
credentials = ["x-api-key"]
retries = 0

[sources.db]
kind = "sqlite"
path = "{folder}/app.db"

[classes.plain]
ttl = "300s"
jitter = 0

[classes.swr]
ttl = "60s"
jitter = 0
stale_while_revalidate = "60s"

[classes.small]
item_max = "8B"

[reads.item]
title = "One item"
description = "The item of this number"
source = "crm"
class = "plain"
http = "GET /items/{id}?mode={mode}"
params.id = { type = "integer", min = 1, max = 1000, description = "Its number" }
params.mode = { type = "string", default = "full", choices = ["full", "brief"] }
tags = ["item:{id}"]
key = "items:one:{id}:{mode}"

[reads.open_item]
description = "An item for everybody"
source = "crm"
class = "plain"
http = "GET /items/{id}"
params.id = { type = "integer" }
public = true

[reads.fresh]
source = "crm"
class = "swr"
http = "GET /items/7"

[reads.large]
source = "crm"
class = "small"
http = "GET /items/8"

[reads.mine]
source = "personal"
class = "plain"
http = "GET /mine"

[reads.keyed]
source = "keyed"
class = "plain"
http = "GET /mine"

[reads.total]
source = "db"
class = "plain"
sql = "select sum(amount) as total from orders where company = :company"
params.company = { type = "integer" }
tags = ["company:{company}"]
result = "row"

[reads.list]
source = "db"
class = "plain"
sql = "select amount from orders where company = :company"
params.company = { type = "integer" }

[writes.order]
description = "Adds an order"
source = "db"
sql = "insert into orders values (:company, :amount)"
params.company = { type = "integer" }
params.amount = { type = "integer" }
invalidates = ["company:{company}"]
"#;
