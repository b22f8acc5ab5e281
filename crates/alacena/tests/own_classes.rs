//! An application's own classes beside everything else: counted, guarded and invalidated like what is declared.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use alacena::{
    Alacena, BreakerSettings, BulkheadSettings, Class, ClassSettings, GuardSettings, ReadFigures, Status,
    class::Policy,
    error::{Error, Kind, Retry, catalogue},
    ledger::Target,
};
use alacena_testkit::FakeRuntime;

fn alacena() -> (Alacena, FakeRuntime) {
    let runtime = FakeRuntime::new(1);
    (Alacena::builder().runtime(Arc::new(runtime.clone())).build(), runtime)
}

fn guarded(source: &str) -> ClassSettings {
    ClassSettings::new(Policy::default()).guarded(source, GuardSettings::default())
}

async fn down() -> Result<Option<u64>, Error> {
    Err(Error::new(&catalogue::SOURCE_UNREACHABLE, "no connection"))
}

/// Opens the breaker of the source that the loads of `class` ask.
async fn fail_until_open(class: &Class<u64>) {
    for key in 0..5 {
        class.get_or_fetch([format!("failing {key}")], &[], down).await.unwrap_err();
    }
}

#[tokio::test]
async fn handles_of_one_name_are_one_class() {
    let (alacena, _) = alacena();
    let minute = || Policy { ttl: Duration::from_secs(60), ..Policy::default() };
    let one: Class<u64> = alacena.class("kpis", minute()).unwrap();
    let other: Class<u64> = alacena.class("kpis", minute()).unwrap();
    one.get_or_fetch(["1"], &[], || async { Ok(Some(7)) }).await.unwrap();
    assert_eq!(other.get(["1"]).unwrap().unwrap().value(), Some(&7));
    let rows = alacena.figures().classes;
    let [ReadFigures { read, class, source, hits: 1, loads: 1, .. }] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((read.as_str(), class.as_str(), source.as_str()), ("", "kpis", ""));
    assert_eq!(alacena.figures().rows().map(|row| row.hits).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_class_that_is_said_to_be_two_things_is_refused() {
    let (alacena, _) = alacena();
    let _kpis: Class<u64> = alacena.class("kpis", Policy::default()).unwrap();
    let refused = |name: &str, settings: ClassSettings| {
        let error = alacena.class::<u64>(name, settings).unwrap_err();
        assert_eq!(error.code(), &catalogue::CLASS_REFUSED);
        error.detail().to_owned()
    };
    let other = Policy { ttl: Duration::from_secs(1), unordered: true, ..Policy::default() };
    assert!(refused("kpis", other.into()).contains("with other settings (ttl, unordered)"));
    assert!(refused("kpis", guarded("db")).contains("(guarded)"));
    let _orders: Class<u64> = alacena.class("orders", guarded("db")).unwrap();
    let breaker = BreakerSettings { failures: 1, ..BreakerSettings::default() };
    let limits = GuardSettings { breaker, ..GuardSettings::default() };
    let stricter = ClassSettings::default().guarded("db", limits);
    assert_eq!(refused("stock", stricter), "the source `db` is guarded already, with other limits");
    assert_eq!(refused("stock", guarded("")), "the name of a source has 1 to 128 bytes");
    assert_eq!(alacena.figures().classes.len(), 2, "what was refused is not there");
    let shared = alacena.shared_class::<u64>("kpis", Policy::default()).unwrap_err();
    assert!(shared.detail().contains("shared in one place and not in the other"), "{shared}");
    let of_form = |form: &str| alacena.shared_class::<u64>("prices", ClassSettings::default().form(form));
    let _prices = of_form("in cents").unwrap();
    assert!(of_form("in euros").unwrap_err().detail().contains("with other settings (form)"));
    let is_shared = |key: &str| alacena.explain(key).unwrap()[0].shared;
    assert!(is_shared("prices:7") && !is_shared("kpis:7"));
    let _stock: Class<u64> = alacena.class("stock", guarded("db")).unwrap();
}

#[tokio::test]
async fn a_source_that_fails_is_left_alone_by_every_class_that_asks_it() {
    let (alacena, runtime) = alacena();
    let kpis: Class<u64> = alacena.class("kpis", guarded("db")).unwrap();
    let orders: Class<u64> = alacena.class("orders", guarded("db")).unwrap();
    let menus: Class<u64> = alacena.class("menus", guarded("files")).unwrap();
    fail_until_open(&kpis).await;
    assert_eq!(kpis.get_or_fetch(["new"], &[], down).await.unwrap_err().code(), &catalogue::BREAKER_OPEN);

    let error = orders.get_or_fetch(["1"], &[], || async { Ok(Some(1)) }).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::BREAKER_OPEN);
    let Retry::After(pause) = error.retry() else { panic!("it is worth another try: {error}") };
    let other = menus.get_or_fetch(["1"], &[], || async { Ok(Some(1)) }).await;
    assert!(other.is_ok(), "another source is another matter");

    let figures = alacena.figures();
    let states = figures.sources.iter().map(|row| (row.source.as_str(), row.breaker.state));
    assert_eq!(states.collect::<Vec<_>>(), [("db", "OPEN"), ("files", "CLOSED")]);
    let sources: Vec<&str> = figures.classes.iter().map(|row| row.source.as_str()).collect();
    assert_eq!(sources, ["db", "files", "db"], "kpis, menus, orders");
    let health = alacena.health();
    assert_eq!((health.status, health.missing), (Status::Degraded, vec!["source db".to_owned()]));

    runtime.advance(pause).await;
    orders.get_or_fetch(["2"], &[], || async { Ok(Some(1)) }).await.unwrap();
}

#[tokio::test]
async fn no_more_loads_run_at_once_than_the_source_can_bear() {
    let (alacena, _) = alacena();
    let bulkhead = BulkheadSettings { concurrency: 1, queue: 0, ..BulkheadSettings::default() };
    let limits = GuardSettings { bulkhead, ..GuardSettings::default() };
    let kpis: Class<u64> = alacena.class("kpis", ClassSettings::default().guarded("db", limits)).unwrap();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let slow = kpis.get_or_fetch(["slow"], &[], move || async move {
        released.await.unwrap();
        Ok(Some(1))
    });
    let quick = async {
        alacena_testkit::settle().await;
        let error = kpis.get_or_fetch(["quick"], &[], || async { Ok(Some(1)) }).await.unwrap_err();
        release.send(()).unwrap();
        error
    };
    let (slow, error) = tokio::join!(slow, quick);
    assert_eq!((slow.unwrap().value(), error.code()), (Some(&1), &catalogue::BULKHEAD_FULL));
    assert!(matches!(error.retry(), Retry::After(_)));
    assert_eq!(alacena.figures().sources[0].shed, 1);
}

/// Two classes, and how often the values of key `42` were loaded.
struct Shop {
    alacena: Alacena,
    kpis: Class<u64>,
    menus: Class<u64>,
    loads: Arc<AtomicU64>,
}

impl Shop {
    fn open() -> Self {
        let (alacena, _) = alacena();
        let kpis = alacena.class("kpis", Policy::default()).unwrap();
        let menus = alacena.class("menus:2026", Policy::default()).unwrap();
        Self { kpis, menus, alacena, loads: Arc::default() }
    }

    /// Whether each of the two is answered out of the memory.
    async fn hits(&self) -> [bool; 2] {
        let load = || {
            let loads = Arc::clone(&self.loads);
            move || async move { Ok(Some(loads.fetch_add(1, SeqCst))) }
        };
        let kpis = self.kpis.get_or_fetch(["42", "2026:11"], &[], load()).await.unwrap();
        let menus = self.menus.get_or_fetch(["42"], &[], load()).await.unwrap();
        [kpis.is_hit(), menus.is_hit()]
    }

    async fn after(&self, target: Target) -> [bool; 2] {
        self.hits().await;
        let reach = self.alacena.reach(std::slice::from_ref(&target)).unwrap();
        self.alacena.invalidate(&[target], "test").await.unwrap();
        let hits = self.hits().await;
        assert_eq!(reach.entries, hits.iter().filter(|hit| !**hit).count() as u64, "as was foretold");
        hits
    }

    async fn refused(&self, target: Target) -> String {
        let error = self.alacena.invalidate(&[target], "test").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        error.detail().to_owned()
    }
}

#[tokio::test]
async fn targets_reach_the_classes_of_an_application() {
    let shop = Shop::open();
    for (target, hits) in [
        (Target::Class("kpis".into()), [false, true]),
        (Target::Class("menus:2026".into()), [true, false]),
        (Target::Prefix("kpis".into()), [false, true]),
        (Target::Prefix("menus%3A2026".into()), [true, false]),
        (Target::Key("kpis:42:2026%3A11".into()), [false, true]),
        (Target::Key("kpis:42".into()), [true, true]),
        (Target::Key("menus%3A2026:42".into()), [true, false]),
        (Target::Pattern("kpis:*".into()), [false, true]),
        (Target::Pattern("kpis:*:*".into()), [false, true]),
        (Target::Pattern("kpis:42:2026%3A11".into()), [false, true]),
        (Target::Pattern("*".into()), [false, false]),
        (Target::Namespace("default".into()), [false, false]),
    ] {
        assert_eq!(shop.after(target.clone()).await, hits, "{target}");
    }
}

#[tokio::test]
async fn a_target_that_reaches_nothing_says_what_there_is() {
    let shop = Shop::open();
    assert!(shop.refused(Target::Class("kpi".into())).await.contains("did you mean `kpis`?"));
    assert!(shop.refused(Target::Prefix("kpis:42".into())).await.contains("nothing depends on this prefix"));
    assert!(shop.refused(Target::Key("orders:42".into())).await.contains("kpis:…"));
    let telling = shop.refused(Target::Pattern("kpis:42:*".into())).await;
    assert!(telling.contains("give its values a tag"), "{telling}");
    assert!(shop.refused(Target::Pattern("orders:*".into())).await.contains("nothing has a key"));
}

#[tokio::test]
async fn a_key_of_a_class_is_explained_like_any_other() {
    let (alacena, _) = alacena();
    let kpis: Class<u64> = alacena.class("kpis", guarded("db")).unwrap();
    kpis.get_or_fetch(["42"], &["company:42"], || async { Ok(Some(7)) }).await.unwrap();
    let known = alacena.explain("kpis:42").unwrap();
    assert_eq!((known.len(), known[0].entries.len()), (1, 1));
    assert_eq!(
        (&known[0].read, known[0].class.as_str(), known[0].source.as_deref()),
        (&None, "kpis", Some("db"))
    );
    assert!(known[0].entries[0].deps.iter().any(|(dep, stands)| dep.text() == "company:42" && *stands));
    assert!(alacena.explain("kpis:43").unwrap()[0].entries.is_empty());
    assert!(alacena.explain("orders:43").unwrap_err().detail().ends_with("there are: kpis:…"));
}
