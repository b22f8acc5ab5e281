//! A CRM that answers when the test lets it, and an Alacena in front of it whose clock the test holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alacena::{
    Alacena, Ask, WarmCall, WarmingRun, WarmingTrigger,
    config::{Config, Layers},
    declared::Parameters,
    error::Error,
    ledger::Target,
};
use alacena_testkit::FakeRuntime;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// The reads of a CRM, the first of them as a later profile wants it.
pub(crate) const READS: &str = r#"
    [classes.crm]
    ttl = "1h"
    jitter = 0

    [reads.get_jobs]
    source = "crm"
    class = "crm"
    http = "GET /jobs?from={from}&size={size}&status={status?}"
    params.from = { type = "integer", default = 0 }
    params.size = { type = "integer", default = 100, max = 1000 }
    params.status = { type = "string", required = false, choices = ["active", "closed"] }
    key = "jobs:list:{status|all}:{from}:{size}"
    tags = ["jobs"]
    warm = { params = [{ size = 50 }, { size = 100 }, { status = "active", size = 50 }] }

    [reads.account]
    source = "crm"
    class = "crm"
    http = "GET /accounts/{id}"
    params.id = { type = "integer" }
    tags = ["account:{id}"]
    warm = { params = [{ id = 1 }, { id = 2 }], at_start = false }

    [reads.cold]
    source = "crm"
    class = "crm"
    http = "GET /cold"

    [reads.mine]
    source = "personal"
    http = "GET /mine"
"#;

/// A CRM that answers when the test lets it.
pub(crate) struct Crm {
    pub(crate) base: String,
    /// What it was asked, in order.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// The most questions that it had at once.
    pub(crate) at_once_max: Arc<AtomicUsize>,
    /// A permit an answer.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) status: Arc<Mutex<&'static str>>,
}

impl Crm {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let crm = Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            at_once_max: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            status: Arc::new(Mutex::new("200 OK")),
        };
        let (asked, most) = (Arc::clone(&crm.asked), Arc::clone(&crm.at_once_max));
        let (gate, status) = (Arc::clone(&crm.gate), Arc::clone(&crm.status));
        let at_once = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (asked, most, at_once) = (Arc::clone(&asked), Arc::clone(&most), Arc::clone(&at_once));
                let (gate, status) = (Arc::clone(&gate), Arc::clone(&status));
                tokio::spawn(async move {
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    answer(socket, &asked, &gate, &status).await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        crm
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock());
        asked.sort();
        asked
    }

    /// Lets nothing out from now on but what `let_out` says.
    pub(crate) fn hold(&self) {
        let all = self.gate.available_permits();
        assert_eq!(self.gate.forget_permits(all), all);
    }

    pub(crate) fn let_out(&self, answers: usize) {
        self.gate.add_permits(answers);
    }
}

async fn answer(mut socket: TcpStream, asked: &Mutex<Vec<String>>, gate: &Semaphore, status: &Mutex<&str>) {
    let mut head = vec![0; 4096];
    let length = socket.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    asked.lock().push(head.split(' ').nth(1).unwrap().to_owned());
    gate.acquire().await.unwrap().forget();
    let status = *status.lock();
    let body = r#"{"owner":7}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    // A load that was given up does not mind.
    let _ = socket.write_all(answer.as_bytes()).await;
}

pub(crate) struct World {
    pub(crate) crm: Crm,
    pub(crate) alacena: Alacena,
    pub(crate) runtime: FakeRuntime,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn open(reads: &str) -> Self {
        let (crm, folder, runtime) = (Crm::start().await, tempfile::tempdir().unwrap(), FakeRuntime::new(1));
        let config = configuration(folder.path(), &crm.base, reads);
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        Self { crm, alacena, runtime, folder }
    }

    /// One that is kept warm, once its start is over.
    pub(crate) async fn started(reads: &str) -> Self {
        let world = Self::open(reads).await;
        world.alacena.keep_warm();
        world.until(|runs| ended(runs, WarmingTrigger::Start) == 1).await;
        world
    }

    /// Waits until `holds` of the warmings, newest first. No time passes.
    pub(crate) async fn until(&self, holds: impl Fn(&[WarmingRun]) -> bool) {
        let waiting = async {
            while !holds(&self.alacena.warmings()) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "{:#?}", self.alacena.warmings());
    }

    pub(crate) async fn after(&self, millis: u64) {
        self.runtime.advance(Duration::from_millis(millis)).await;
    }

    pub(crate) async fn invalidate(&self, tag: &str) {
        self.alacena.invalidate(&[Target::Tag(tag.to_owned())], "test").await.unwrap();
    }

    pub(crate) fn parameters(&self, read: &str, given: &[(&str, &str)]) -> Parameters {
        let read = self.alacena.declared_read(read).unwrap();
        Parameters::from_text(&read.parameters, given.iter().copied()).unwrap()
    }

    pub(crate) async fn is_hit(&self, read: &str, given: &[(&str, &str)]) -> bool {
        self.alacena.ask(read, self.parameters(read, given), Ask::default()).await.unwrap().is_hit()
    }

    pub(crate) fn warm(&self, read: &str, given: Option<&[(&str, &str)]>) -> Result<WarmingRun, Error> {
        let parameters = given.map(|given| self.parameters(read, given));
        self.alacena.warm(&[WarmCall { read: read.to_owned(), parameters }], "test")
    }
}

pub(crate) fn configuration(folder: &std::path::Path, base: &str, reads: &str) -> Config {
    let text = format!(
        "[embedded]\npath = \"{}/store\"\n\
         [sources.crm]\nkind = \"http\"\nbase_url = \"{base}\"\nretries = 0\n\
         [sources.personal]\nkind = \"http\"\nbase_url = \"{base}\"\ncredentials = [\"authorization\"]\n{}",
        folder.display(),
        reads.replace("{base}", base)
    );
    Config::parse(&text, "alacena.toml", &Layers::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// How many warmings of a trigger have ended.
pub(crate) fn ended(runs: &[WarmingRun], trigger: WarmingTrigger) -> usize {
    runs.iter().filter(|run| run.trigger == trigger && run.ended_at.is_some()).count()
}

pub(crate) const JOBS: [&str; 3] =
    ["/jobs?from=0&size=100", "/jobs?from=0&size=50", "/jobs?from=0&size=50&status=active"];
