//! Many callers at once, and a source that dies under them and comes back.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{body::Body, http};
use hyper_util::{
    client::legacy::{Client, ResponseFuture, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::watch,
    task::{JoinHandle, yield_now},
};

use crate::support::{Running, get};

const CALLERS: usize = 1000;
/// As many requests as one HTTP/2 connection carries at once.
const STREAMS: usize = 100;

/// Requests of one path, a hundred over each connection: no machine runs out of files.
fn requests(server: &Running, path: &str) -> Vec<ResponseFuture> {
    let clients: Vec<Client<HttpConnector, Body>> = (0..CALLERS / STREAMS)
        .map(|_| Client::builder(TokioExecutor::new()).http2_only(true).build_http())
        .collect();
    let uri: http::Uri = format!("http://{}{path}", server.address).parse().unwrap();
    (0..CALLERS).map(|at| clients[at / STREAMS].get(uri.clone())).collect()
}

fn started(requests: impl IntoIterator<Item = ResponseFuture>) -> Vec<JoinHandle<u16>> {
    requests
        .into_iter()
        .map(|request| tokio::spawn(async { request.await.unwrap().status().as_u16() }))
        .collect()
}

/// Lets the clock stand until so many callers wait for the load of another.
pub(crate) async fn waiting(server: &Running, callers: u64) {
    while server.alacena.figures().reads.iter().map(|read| read.collapsed).sum::<u64>() < callers {
        yield_now().await;
    }
}

async fn statuses(callers: Vec<JoinHandle<u16>>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for caller in callers {
        statuses.push(caller.await.unwrap());
    }
    statuses
}

#[tokio::test]
async fn a_thousand_callers_of_one_cold_key_cost_one_call() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let callers = started(requests(&server, "/reads/item?id=7"));
    waiting(&server, CALLERS as u64 - 1).await;
    server.upstream.hold(false);
    assert_eq!(statuses(callers).await, [200; CALLERS]);
    assert_eq!(server.upstream.calls(), 1);
}

#[tokio::test]
async fn a_thousand_callers_of_a_load_that_fails_share_its_one_failure() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    server.upstream.fail_with(500);
    let callers = started(requests(&server, "/reads/item?id=7"));
    waiting(&server, CALLERS as u64 - 1).await;
    server.upstream.hold(false);
    assert_eq!(statuses(callers).await, [502; CALLERS]);
    assert_eq!(server.upstream.calls(), 1);
}

#[tokio::test]
async fn a_thousand_callers_of_a_load_that_fails_share_the_answer_before() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    server.pass(301).await;
    server.upstream.hold(true);
    server.upstream.fail_with(500);
    let callers = started(requests(&server, "/reads/item?id=7"));
    waiting(&server, CALLERS as u64 - 1).await;
    server.upstream.hold(false);
    assert_eq!(statuses(callers).await, [200; CALLERS]);
    assert_eq!(server.upstream.calls(), 2);
}

#[tokio::test]
async fn a_first_caller_that_goes_away_takes_nothing_from_the_others() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let first = tokio::spawn(get("/reads/item?id=7").send(server.address));
    server.upstream.begun(1).await;
    let callers = started(requests(&server, "/reads/item?id=7"));
    waiting(&server, CALLERS as u64).await;
    first.abort();
    server.pass(0).await;
    server.upstream.hold(false);
    assert_eq!(statuses(callers).await, [200; CALLERS]);
    assert_eq!(server.upstream.calls(), 1);
}

const SHOP: &str = r#"
[sources.shop]
kind = "http"
base_url = "http://{upstream}"
retries = 0
breaker = { failures = 5, window = "120s", reset_max = "60s" }

[classes.short]
ttl = "10s"
jitter = 0
stale_if_error = "1h"

[reads.ware]
source = "shop"
class = "short"
http = "GET /items/{id}"
params.id = { type = "integer" }
"#;
const WARES: u64 = 20;

/// What callers do at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    On,
    /// While the clock moves: callers who never pause would keep it busy for ever.
    Paused,
    Over,
}

/// Callers who ask for one ware after the other.
struct Shoppers {
    load: watch::Sender<Load>,
    answered: Arc<AtomicU64>,
    /// Each tells in the end how many of its requests failed.
    callers: Vec<JoinHandle<u64>>,
}

impl Shoppers {
    fn start(server: &Running) -> Self {
        let (load, answered) = (watch::Sender::new(Load::On), Arc::new(AtomicU64::new(0)));
        let shop = |first: u64| {
            let (address, mut load, answered) = (server.address, load.subscribe(), Arc::clone(&answered));
            async move {
                let (mut failed, mut ware) = (0, first);
                while *load.wait_for(|load| *load != Load::Paused).await.unwrap() == Load::On {
                    ware = ware % WARES + 1;
                    let answer = get(&format!("/reads/ware?id={ware}")).send(address).await;
                    failed += u64::from(answer.status != 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                failed
            }
        };
        let callers = (0..10).map(|caller| tokio::spawn(shop(caller * 2))).collect();
        Self { load, answered, callers }
    }

    /// Waits until so many more requests are answered.
    async fn go_on(&self, requests: u64) {
        let enough = self.answered.load(Ordering::Relaxed) + requests;
        while self.answered.load(Ordering::Relaxed) < enough {
            yield_now().await;
        }
    }

    /// Moves the clock, and lets them go on from there.
    async fn pass(&self, server: &Running, seconds: u64) {
        self.load.send_replace(Load::Paused);
        server.pass(seconds).await;
        self.load.send_replace(Load::On);
    }

    async fn failed(self) -> u64 {
        self.load.send_replace(Load::Over);
        let mut failed = 0;
        for caller in self.callers {
            failed += caller.await.unwrap();
        }
        failed
    }
}

fn breaker(server: &Running) -> &'static str {
    let figures = server.alacena.figures();
    let shop = figures.sources.iter().find(|source| source.source == "shop").unwrap();
    shop.breaker.state
}

#[tokio::test]
async fn a_source_that_dies_under_load_is_not_missed_and_its_return_is_noticed() {
    let server = Running::start(SHOP).await;
    for ware in 1..=WARES {
        assert_eq!(server.get(&format!("/reads/ware?id={ware}")).await.json()["version"], 1);
    }
    let shoppers = Shoppers::start(&server);
    shoppers.go_on(100).await;
    server.upstream.kill();
    shoppers.pass(&server, 11).await;
    while breaker(&server) != "OPEN" {
        shoppers.go_on(1).await;
    }
    assert_eq!(server.get("/reads/ware?id=999").await.status, 503, "without an entry there is no answer");
    for _ in 0..5 {
        shoppers.pass(&server, 60).await;
        shoppers.go_on(200).await;
    }
    let stale = server.get("/reads/ware?id=1").await;
    assert_eq!((stale.status, &stale.json()["version"]), (200, &1.into()));
    assert!(stale.cache_status().contains("fwd=stale"), "{}", stale.cache_status());

    server.upstream.change();
    server.upstream.revive().await;
    for ware in 1..=WARES {
        while server.get(&format!("/reads/ware?id={ware}")).await.json()["version"] != 2 {
            shoppers.pass(&server, 10).await;
        }
    }
    assert_eq!(breaker(&server), "CLOSED");
    assert_eq!(shoppers.failed().await, 0, "requests that had an entry failed");
}
