//! A child ends with its parent, whichever clock the parent's hit was read on.

use std::{sync::Arc, time::Duration};

use alacena::{
    Alacena, Ask,
    config::{Config, Layers},
    declared::Parameters,
    outcome::Outcome,
    runtime::{BoxFuture, Moment, Runtime},
    value::Body,
};
use alacena_testkit::FakeRuntime;

const DESK: &str = r#"
    [sources.desk]
    kind = "sqlite"
    path = "{folder}/desk.db"

    [embedded]
    path = "{folder}/store"

    [classes.short]
    ttl = "10s"
    jitter = 0
    refresh_ahead = false

    [classes.long]
    ttl = "10m"
    jitter = 0

    [reads.job]
    source = "desk"
    class = "short"
    sql = "select 7 as customer"
    result = "row"

    [reads.customer]
    source = "desk"
    class = "long"
    sql = "select :id as id"
    result = "row"
    parent = { read = "job", take = { id = "/customer" } }
"#;

/// Its coarse clock is as far behind as one may be.
struct Lagging(FakeRuntime);

impl Runtime for Lagging {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn coarse(&self) -> Moment {
        Moment::from_nanos(self.0.now().nanos().saturating_sub(100_000_000))
    }

    fn unix_millis(&self) -> u64 {
        self.0.unix_millis()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    fn random(&self) -> u64 {
        self.0.random()
    }
}

#[tokio::test]
async fn a_child_ends_with_its_parent_whichever_clock_says_how_old_that_is() {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("desk.db"))
        .unwrap()
        .execute_batch("create table t (a)")
        .unwrap();
    let text = DESK.replace("{folder}", &folder.path().display().to_string());
    let config = Config::parse(&text, "test", &Layers::default()).unwrap();
    let runtime = FakeRuntime::new(1);
    let alacena = Alacena::open(&config, Arc::new(Lagging(runtime.clone()))).await.unwrap();
    let ask = async |read: &str| -> Outcome<Body> {
        alacena.declared_read(read).unwrap().ask(Parameters::default(), Ask::default()).await.unwrap()
    };
    ask("job").await;
    runtime.advance(Duration::from_secs(4)).await;
    assert!(ask("job").await.is_hit());
    let child = ask("customer").await;
    assert_eq!(child.value().unwrap().bytes().as_ref(), b"{\"id\":7}");
    assert_eq!(child.fresh_for(), Duration::from_secs(6));
}
