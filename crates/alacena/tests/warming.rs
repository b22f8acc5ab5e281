//! Answers that are there before anybody asks: at the start, after an invalidation, by the clock, on demand.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; peers are tasks"
)]

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
    error::{Error, catalogue},
    ledger::Target,
};
use alacena_testkit::FakeRuntime;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// The reads of a CRM, the first of them as a later profile wants it.
const READS: &str = r#"
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
struct Crm {
    base: String,
    /// What it was asked, in order.
    asked: Arc<Mutex<Vec<String>>>,
    /// The most questions that it had at once.
    at_once_max: Arc<AtomicUsize>,
    /// A permit an answer.
    gate: Arc<Semaphore>,
    status: Arc<Mutex<&'static str>>,
}

impl Crm {
    async fn start() -> Self {
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

    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock());
        asked.sort();
        asked
    }

    /// Lets nothing out from now on but what `let_out` says.
    fn hold(&self) {
        let all = self.gate.available_permits();
        assert_eq!(self.gate.forget_permits(all), all);
    }

    fn let_out(&self, answers: usize) {
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
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]");
    // A load that was given up does not mind.
    let _ = socket.write_all(answer.as_bytes()).await;
}

struct World {
    crm: Crm,
    alacena: Alacena,
    runtime: FakeRuntime,
    folder: tempfile::TempDir,
}

impl World {
    async fn open(reads: &str) -> Self {
        let (crm, folder, runtime) = (Crm::start().await, tempfile::tempdir().unwrap(), FakeRuntime::new(1));
        let config = configuration(folder.path(), &crm.base, reads);
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        Self { crm, alacena, runtime, folder }
    }

    /// One that is kept warm, once its start is over.
    async fn started(reads: &str) -> Self {
        let world = Self::open(reads).await;
        world.alacena.keep_warm();
        world.until(|runs| ended(runs, WarmingTrigger::Start) == 1).await;
        world
    }

    /// Waits until `holds` of the warmings, newest first. No time passes.
    async fn until(&self, holds: impl Fn(&[WarmingRun]) -> bool) {
        let waiting = async {
            while !holds(&self.alacena.warmings()) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "{:#?}", self.alacena.warmings());
    }

    async fn after(&self, millis: u64) {
        self.runtime.advance(Duration::from_millis(millis)).await;
    }

    async fn invalidate(&self, tag: &str) {
        self.alacena.invalidate(&[Target::Tag(tag.to_owned())], "test").await.unwrap();
    }

    fn parameters(&self, read: &str, given: &[(&str, &str)]) -> Parameters {
        let read = self.alacena.declared_read(read).unwrap();
        Parameters::from_text(&read.parameters, given.iter().copied()).unwrap()
    }

    async fn is_hit(&self, read: &str, given: &[(&str, &str)]) -> bool {
        self.alacena.ask(read, self.parameters(read, given), Ask::default()).await.unwrap().is_hit()
    }

    fn warm(&self, read: &str, given: Option<&[(&str, &str)]>) -> Result<WarmingRun, Error> {
        let parameters = given.map(|given| self.parameters(read, given));
        self.alacena.warm(&[WarmCall { read: read.to_owned(), parameters }], "test")
    }
}

fn configuration(folder: &std::path::Path, base: &str, reads: &str) -> Config {
    let text = format!(
        "[embedded]\npath = \"{}/store\"\n\
         [sources.crm]\nkind = \"http\"\nbase_url = \"{base}\"\nretries = 0\n\
         [sources.personal]\nkind = \"http\"\nbase_url = \"{base}\"\ncredentials = [\"authorization\"]\n{reads}",
        folder.display()
    );
    Config::parse(&text, "alacena.toml", &Layers::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// How many warmings of a trigger have ended.
fn ended(runs: &[WarmingRun], trigger: WarmingTrigger) -> usize {
    runs.iter().filter(|run| run.trigger == trigger && run.ended_at.is_some()).count()
}

const JOBS: [&str; 3] =
    ["/jobs?from=0&size=100", "/jobs?from=0&size=50", "/jobs?from=0&size=50&status=active"];

#[tokio::test]
async fn what_is_declared_is_there_before_anybody_asks() {
    let world = World::started(READS).await;
    assert_eq!(world.crm.asked(), JOBS);
    assert!(world.is_hit("get_jobs", &[("size", "50"), ("status", "active")]).await);
    assert!(world.is_hit("get_jobs", &[]).await, "size 100 is the default");
    assert_eq!(world.crm.asked(), [""; 0]);
    let figures = world.alacena.figures();
    assert_eq!((figures.reads[2].hits, &figures.reads[2].read[..]), (2, "get_jobs"), "warming is no hit");
    assert_eq!(figures.warming.questions_by_result[0], ("loaded", 3));
}

#[tokio::test]
async fn a_burst_of_invalidations_warms_once_and_only_what_it_touched() {
    let world = World::started(READS).await;
    world.crm.asked();
    for _ in 0..100 {
        world.invalidate("jobs").await;
        world.after(10).await;
    }
    assert_eq!(world.crm.asked(), [""; 0], "it is not quiet yet");
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
    assert_eq!(world.crm.asked(), JOBS);
    assert!(world.is_hit("get_jobs", &[]).await);

    world.invalidate("account:2").await;
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 2).await;
    assert_eq!(world.crm.asked(), ["/accounts/2"]);

    world.alacena.invalidate(&[Target::Key("jobs:list:all:0:50".to_owned())], "test").await.unwrap();
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 3).await;
    assert_eq!(world.crm.asked(), ["/jobs?from=0&size=50"]);

    world.invalidate("elsewhere").await;
    world.after(60_000).await;
    assert_eq!(world.crm.asked(), [""; 0]);
    assert_eq!(world.alacena.warmings().len(), 4);
}

#[tokio::test]
async fn invalidations_that_never_stop_are_not_waited_for_for_ever() {
    let world = World::started(READS).await;
    for _ in 0..55 {
        world.invalidate("jobs").await;
        world.after(100).await;
    }
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
}

#[tokio::test]
async fn what_is_invalidated_while_it_is_warmed_is_warmed_again_one_after_the_other() {
    let world = World::started(READS).await;
    world.crm.asked();
    world.crm.hold();
    world.invalidate("account:1").await;
    world.after(500).await;
    world.until(|_| world.crm.asked.lock().len() == 1).await;
    // The answer under way is out of date, and so is asked for again at once; then the schedule looks, too.
    world.invalidate("account:1").await;
    world.after(5000).await;
    assert_eq!(world.alacena.warmings().len(), 2, "one at a time");
    world.crm.let_out(10);
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 2).await;
    let runs = world.alacena.warmings();
    let counts: Vec<_> = runs.iter().map(|run| (run.reads[0].loaded, run.reads[0].fresh)).collect();
    assert_eq!(counts[..2], [(0, 1), (1, 0)]);
    assert_eq!(world.crm.asked(), ["/accounts/1", "/accounts/1"]);
    assert!(world.is_hit("account", &[("id", "1")]).await);
}

#[tokio::test]
async fn the_clock_on_the_wall_warms_too() {
    let reads = READS.replace("at_start = false", "at_start = false, cron = \"0 6 * * mon-fri\"");
    let world = World::started(&reads).await;
    world.crm.asked();
    // The fake clock begins on Friday, 2026-11-20, at midnight.
    let hours = |hours: u64| hours * 3_600_000;
    world.after(hours(6) - 1).await;
    assert_eq!(ended(&world.alacena.warmings(), WarmingTrigger::Cron), 0);
    world.after(1).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 1).await;
    assert_eq!(world.crm.asked(), ["/accounts/1", "/accounts/2"]);
    world.after(hours(48)).await;
    assert_eq!(ended(&world.alacena.warmings(), WarmingTrigger::Cron), 1, "not on a weekend");
    world.after(hours(24)).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 2).await;
}

#[tokio::test]
async fn a_source_that_is_switched_off_is_sent_nothing() {
    let world = World::open(READS).await;
    *world.crm.status.lock() = "500 Oops";
    for id in 1..=5 {
        let asked = world.parameters("account", &[("id", &id.to_string())]);
        world.alacena.ask("account", asked, Ask::default()).await.unwrap_err();
    }
    assert_eq!(world.crm.asked().len(), 5);
    *world.crm.status.lock() = "200 OK";
    // The source may be tried out again, but not for this.
    world.after(2000).await;
    let run = world.alacena.warm_all("test").unwrap();
    let run = world.alacena.warmed(run.id).await.unwrap();
    assert_eq!(world.crm.asked(), [""; 0]);
    assert!(!run.is_complete() && run.who == "test");
    let jobs = run.reads.iter().find(|read| read.read == "get_jobs").unwrap();
    assert_eq!((jobs.total, jobs.done, jobs.loaded), (3, 3, 0));
    assert_eq!(jobs.skipped_by_reason, [("breaker-open", 3)].into());
    assert!(jobs.last_problem.as_ref().unwrap().starts_with("source switched off"));
}

#[tokio::test]
async fn a_demand_asks_what_it_names_and_says_what_became_of_it() {
    let world = World::open(READS).await;
    assert_eq!(world.crm.asked(), [""; 0], "nobody said to keep anything warm");
    let run = world.warm("account", Some(&[("id", "7")])).unwrap();
    assert_eq!((run.reads[0].total, run.ended_at), (1, None));
    assert!(world.alacena.warmed(run.id).await.unwrap().is_complete());
    let calls = [
        WarmCall { read: "account".to_owned(), parameters: None },
        WarmCall { read: "cold".to_owned(), parameters: None },
        WarmCall {
            read: "account".to_owned(),
            parameters: Some(world.parameters("account", &[("id", "7")])),
        },
        WarmCall {
            read: "account".to_owned(),
            parameters: Some(world.parameters("account", &[("id", "1")])),
        },
    ];
    let run = world.alacena.warm(&calls, "test").unwrap();
    let run = world.alacena.warmed(run.id).await.unwrap();
    let counts: Vec<_> = run.reads.iter().map(|read| (&read.read[..], read.loaded, read.fresh)).collect();
    assert_eq!(counts, [("account", 2, 1), ("cold", 1, 0)]);
    assert_eq!(world.crm.asked(), ["/accounts/1", "/accounts/2", "/accounts/7", "/cold"]);
    assert!(world.alacena.warming(run.id + 1).is_none() && world.alacena.warmings().len() == 2);

    *world.crm.status.lock() = "404 Not Found";
    world.after(3_600_001).await;
    *world.crm.status.lock() = "503 Busy";
    let run = world.warm("cold", None).unwrap();
    let run = world.alacena.warmed(run.id).await.unwrap();
    assert_eq!(run.reads[0].failed_by_reason, [("source-failed", 1)].into());
}

#[tokio::test]
async fn what_cannot_be_warmed_is_refused_before_anything_is_sent() {
    let world = World::open(READS).await;
    let code = |calls: &[WarmCall]| world.alacena.warm(calls, "test").unwrap_err().code().slug;
    let call = |read: &str| WarmCall { read: read.to_owned(), parameters: None };
    assert_eq!(code(&[call("cold"), call("mine")]), "parameter-invalid");
    assert_eq!(code(&[call("cold"), call("colt")]), "not-declared");
    let refused = world.warm("mine", Some(&[])).unwrap_err();
    assert!(refused.detail().contains("`authorization`"), "{refused}");
    let without =
        World::open("[reads.a]\nsource = \"crm\"\nhttp = \"GET /{id}\"\nparams.id = { type = \"integer\" }")
            .await;
    assert_eq!(without.warm("a", None).unwrap_err().code(), &catalogue::PARAMETER_INVALID);
    assert_eq!(without.alacena.warm_all("test").unwrap_err().code(), &catalogue::NOT_DECLARED);
    assert_eq!(world.crm.asked(), [""; 0]);
    assert_eq!(world.alacena.warmings().len(), 0);
}

#[tokio::test]
async fn a_source_has_one_read_at_a_time_and_few_calls_at_once() {
    let numbers = (1..=20).map(|id| format!("{{ id = {id} }}")).collect::<Vec<_>>().join(", ");
    let reads = READS.replace("{ id = 1 }, { id = 2 }", &numbers);
    let world = World::open(&reads).await;
    world.crm.hold();
    let run = world.alacena.warm_all("test").unwrap();
    let again = world.alacena.warm_all("test").unwrap();
    for answers in 1..=23 {
        world.until(|_| world.crm.asked.lock().len() >= answers).await;
        world.crm.let_out(1);
    }
    let run = world.alacena.warmed(run.id).await.unwrap();
    assert!(run.is_complete() && run.reads[0].total == 20);
    assert_eq!(world.crm.at_once_max.load(Ordering::SeqCst), 2);
    let again = world.alacena.warmed(again.id).await.unwrap();
    let loads = |run: &WarmingRun| run.reads.iter().map(|read| read.loaded).sum::<u64>();
    assert_eq!(loads(&run) + loads(&again), 23, "nothing twice");
}

#[tokio::test]
async fn warmings_under_way_are_few() {
    let world = World::open(READS).await;
    world.crm.hold();
    for _ in 0..16 {
        world.warm("cold", None).unwrap();
    }
    assert_eq!(world.warm("cold", None).unwrap_err().code(), &catalogue::WARMING_BUSY);
    world.crm.let_out(16);
    world.until(|runs| ended(runs, WarmingTrigger::Demand) == 16).await;
    for _ in 0..60 {
        let id = world.warm("cold", None).unwrap().id;
        world.alacena.warmed(id).await.unwrap();
    }
    assert!(world.alacena.warmings().len() <= 51 && world.alacena.warming(1).is_none());
}

#[tokio::test]
async fn another_configuration_is_followed() {
    let world = World::started(READS).await;
    world.crm.asked();
    let reads = READS.replace("at_start = false", "cron = \"*/5 * * * *\"").replace("{ size = 50 }, ", "");
    let config = configuration(world.folder.path(), &world.crm.base, &reads);
    world.alacena.reload(&config).await.unwrap();
    world.until(|runs| ended(runs, WarmingTrigger::Start) == 2).await;
    let asked = world.crm.asked();
    assert!(asked.contains(&"/accounts/1".to_owned()) && !asked.contains(&JOBS[1].to_owned()), "{asked:?}");
    world.after(300_000).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 1).await;
    world.invalidate("jobs").await;
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
    assert_eq!(world.crm.asked(), [JOBS[0], JOBS[2]]);
}

#[tokio::test]
async fn close_stops_what_has_not_begun() {
    let world = World::open(READS).await;
    world.crm.hold();
    let run = world.warm("get_jobs", None).unwrap();
    world.until(|_| world.crm.asked.lock().len() == 2).await;
    let mut closing = Box::pin(world.alacena.close(Duration::from_secs(60)));
    assert!((&mut closing).now_or_never().is_none(), "two loads are under way");
    world.crm.let_out(2);
    closing.await;
    let run = world.alacena.warmed(run.id).await.unwrap();
    let jobs = &run.reads[0];
    assert_eq!((jobs.loaded, &jobs.skipped_by_reason), (2, &[("closed", 1)].into()));
    assert_eq!(world.alacena.warm_all("test").unwrap_err().code(), &catalogue::CLOSED);
    assert_eq!(world.crm.asked().len(), 2);
}
