//! A table in a database of the application: what is owed survives with the database, and what the application's own
//! transactions invalidate is applied once they are committed.

#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "Tokio runs the tests, so they give it their tasks")]

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use alacena_backends::sqlite::{SqliteOutbox, SqliteSettings, SqliteSource};
use alacena_core::{
    envelope::{SealKey, SealKeys},
    error::{Error, Kind, Retry, catalogue},
    journal::{
        Deferred, Drain, DrainSettings, Invalidator, Journal, Limits, Outbox, Poller, Record, Removal,
        ShardName,
    },
    ledger::Target,
    runtime::BoxFuture,
    tier::{MarkerId, Nonce, Shard},
};
use alacena_testkit::{
    FakeRuntime, exercise_journal, settle,
    tier::{FakeShard, FakeTier, Faults},
};
use parking_lot::Mutex;
use rusqlite::Connection;
use tempfile::TempDir;

/// Where the test that a child process runs finds its database.
const CHILD_DATABASE: &str = "ALACENA_TEST_DATABASE";
const TABLE: &str = "alacena_outbox";

/// A database that an application uses as well.
struct Shop {
    _folder: TempDir,
    path: PathBuf,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let schema = "create table items (id integer primary key, price); insert into items values (7, 1);";
        Connection::open(&path).unwrap().execute_batch(schema).unwrap();
        Self { _folder: folder, path }
    }

    /// The application.
    fn application(&self) -> Connection {
        let connection = Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    fn outbox(&self) -> Arc<SqliteOutbox> {
        open(&self.path, TABLE, None).unwrap()
    }
}

fn open(path: &Path, table: &str, keys: Option<SealKeys>) -> Result<Arc<SqliteOutbox>, Error> {
    open_waiting(Duration::from_millis(250), path, table, keys)
}

/// An outbox that waits so long for its turn to write.
fn open_waiting(
    statement_timeout: Duration,
    path: &Path,
    table: &str,
    keys: Option<SealKeys>,
) -> Result<Arc<SqliteOutbox>, Error> {
    let settings = SqliteSettings { statement_timeout, ..SqliteSettings::new("shop", path) };
    SqliteSource::open(settings, Arc::new(FakeRuntime::new(1)))?.outbox(table, keys)
}

fn key(seed: u8) -> SealKey {
    SealKey::new(&[seed; 32])
}

fn name() -> ShardName {
    ShardName::new("redis")
}

fn marker(number: u128) -> BTreeSet<Removal> {
    BTreeSet::from([Removal::Marker(MarkerId::Dep(number))])
}

fn record(number: u128) -> Record {
    Record::new(name(), marker(number), 5, "write close_ticket", &[tag(&format!("company:{number}"))])
}

fn tag(tag: &str) -> Target {
    Target::Tag(tag.to_owned())
}

async fn remaining(journal: &SqliteOutbox) -> Vec<Record> {
    journal.remaining(&name()).await.unwrap().into_iter().map(|(_, record)| record).collect()
}

fn drain(shard: FakeShard, journal: &Arc<SqliteOutbox>) -> Drain {
    let settings = DrainSettings { shard: name(), whole: vec![MarkerId::Dep(0)], limits: Limits::default() };
    let drain = Drain::new(
        settings,
        Arc::new(shard),
        Arc::<SqliteOutbox>::clone(journal),
        Arc::new(FakeRuntime::new(1)),
    );
    drain.start();
    drain
}

/// A shard, which refuses everything where it is cut off.
fn shard(is_cut_off: bool) -> FakeShard {
    let shard = FakeTier::new(Arc::new(FakeRuntime::new(1))).shard();
    shard.set_faults(Faults { refused: is_cut_off, ..Faults::default() });
    shard
}

/// Remembers what it was asked.
#[derive(Default)]
struct Asked(Mutex<Vec<Target>>);

impl Invalidator for Asked {
    fn invalidate(&self, targets: Vec<Target>) -> BoxFuture<'_, Result<(), Error>> {
        self.0.lock().extend(targets);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn it_does_what_every_journal_does() {
    for keys in [None, Some(SealKeys::new(key(1), None))] {
        let shop = Shop::new();
        exercise_journal(async || open(&shop.path, TABLE, keys.clone()).unwrap()).await;
    }
}

#[tokio::test]
async fn what_an_application_commits_is_applied_and_what_it_takes_back_is_not() {
    let shop = Shop::new();
    let (outbox, runtime) = (shop.outbox(), FakeRuntime::new(1));
    outbox.append(record(1)).await.unwrap();
    let asked = Arc::<Asked>::default();
    let invalidator = Arc::<Asked>::clone(&asked);
    let every = Duration::from_millis(250);
    let poller =
        Poller::new(Arc::<SqliteOutbox>::clone(&outbox), invalidator, every, Arc::new(runtime.clone()));

    let application = shop.application();
    application.execute_batch("pragma journal_mode = wal").unwrap();
    let change = r#"begin; update items set price = 2 where id = 7;
        insert into alacena_outbox (targets) values ('[{"tag": "item:7"}]');"#;
    application.execute_batch(change).unwrap();
    assert_eq!(outbox.rows(10).await.unwrap(), [], "it is not committed");
    application.execute_batch("rollback").unwrap();
    assert_eq!(outbox.rows(10).await.unwrap(), []);
    application.execute_batch(change).unwrap();
    application.execute_batch("commit").unwrap();
    let at: i64 = application
        .query_row("select at from alacena_outbox where shard is null", [], |row| row.get(0))
        .unwrap();
    assert!(at > 1_700_000_000_000, "{at} is no time in milliseconds");

    poller.start();
    while poller.figures().applied == 0 {
        tokio::task::yield_now().await;
    }
    poller.close().await;
    assert_eq!(*asked.0.lock(), [tag("item:7")]);
    assert_eq!(outbox.rows(10).await.unwrap(), []);
    assert_eq!(remaining(&outbox).await, [record(1)], "what is owed to the shard is another matter");
}

#[tokio::test]
async fn a_row_that_is_no_list_of_targets_is_about_everything_and_no_number_comes_twice() {
    let shop = Shop::new();
    let outbox = shop.outbox();
    let application = shop.application();
    let long = format!("[{{\"tag\": \"{}\"}}]", "x".repeat(100_000));
    let texts: [&dyn rusqlite::ToSql; 5] = [&"company:42", &7, &b"[]".as_slice(), &long, &"[]"];
    for text in texts {
        application.execute("insert into alacena_outbox (targets) values (?1)", [text]).unwrap();
    }
    let rows = outbox.rows(4).await.unwrap();
    assert_eq!(rows.len(), 4, "as many as were asked for");
    assert!(rows.iter().all(|row| row.targets == [Target::Everything]), "{rows:?}");
    let rows = outbox.rows(10).await.unwrap();
    assert_eq!(rows[4].targets, [], "nothing is nothing");

    let ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
    outbox.remove_rows(ids.clone()).await.unwrap();
    outbox.remove_rows(ids.clone()).await.unwrap();
    application.execute("insert into alacena_outbox (targets) values ('[]')", []).unwrap();
    assert!(
        !ids.contains(&outbox.rows(10).await.unwrap()[0].id),
        "a late removal would take it for another one"
    );
    let both = "insert into alacena_outbox (targets, shard, record) values ('[]', 'redis', '{}')";
    assert!(
        application.execute(both, []).is_err()
            && application.execute("insert into alacena_outbox default values", []).is_err()
    );
}

#[tokio::test]
async fn many_rows_are_removed_a_few_at_a_time() {
    let shop = Shop::new();
    let outbox = shop.outbox();
    let sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1800)
        insert into alacena_outbox (targets) select '[]' from n";
    shop.application().execute(sql, []).unwrap();
    let ids = outbox.rows(5_000).await.unwrap().iter().map(|row| row.id).collect();
    outbox.remove_rows(ids).await.unwrap();
    assert_eq!(outbox.rows(10).await.unwrap(), []);
}

#[test]
fn only_a_plain_name_of_an_outbox_is_taken() {
    let shop = Shop::new();
    let schema = "create view a_view as select * from items;
        create table by_hand (id integer primary key, targets, at, shard, record);
        create table older (id integer primary key autoincrement, targets, at, shard);
        CREATE TABLE Wider (ID INTEGER PRIMARY KEY AUTOINCREMENT, Targets, At default 0, Shard, Record, note text);";
    shop.application().execute_batch(schema).unwrap();
    let refused = |table: &str| open(&shop.path, table, None).unwrap_err();
    for table in ["", "7items", "a b", "a\"b", "main.items", "sqlite_x", "x".repeat(64).as_str()] {
        let error = refused(table);
        assert_eq!(error.code(), &catalogue::CONFIGURATION_INVALID, "{table}");
    }
    for (table, lacks) in [
        ("items", "autoincrement"),
        ("by_hand", "autoincrement"),
        ("older", "column `record`"),
        ("a_view", "rows of its own"),
    ] {
        let error = refused(table);
        assert_eq!(error.code(), &catalogue::CONFIGURATION_INVALID);
        let said = error.to_string();
        assert!(said.contains(lacks) && said.contains(table) && said.contains("source=shop"), "{said}");
    }
    let names: i64 =
        shop.application().query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(names, 6, "nothing was made beside the tables, their view and the numbers given");
    for table in ["wider", "Outbox_2"] {
        open(&shop.path, table, None).unwrap();
        open(&shop.path, table, None).unwrap();
    }
    let absent = open(&shop.path.with_extension("absent"), TABLE, None).unwrap_err();
    assert_eq!(absent.kind(), Kind::Unavailable, "no database is made");
}

#[tokio::test]
async fn records_are_sealed_where_a_key_is_configured_and_what_cannot_be_read_stands_for_everything() {
    let shop = Shop::new();
    let sealed = |keys| open(&shop.path, TABLE, keys).unwrap();
    let outbox = sealed(Some(SealKeys::new(key(1), None)));
    outbox.append(record(42)).await.unwrap();
    let kept: Vec<u8> =
        shop.application().query_row("select record from alacena_outbox", [], |row| row.get(0)).unwrap();
    for word in ["company", "close_ticket", "alc:m:"] {
        assert!(!kept.windows(word.len()).any(|window| window == word.as_bytes()), "{word} can be read");
    }
    assert_eq!(remaining(&sealed(Some(SealKeys::new(key(2), Some(key(1)))))).await, [record(42)]);
    for keys in [None, Some(SealKeys::new(key(2), None))] {
        assert_eq!(remaining(&sealed(keys)).await, [Record::unreadable(name())]);
    }

    let words = serde_json::to_string(&record(43)).unwrap();
    let sql = "insert into alacena_outbox (shard, record) values ('redis', ?1), ('redis', 7), ('other', ?2)";
    shop.application().execute(sql, (words, kept)).unwrap();
    let unreadable = Record::unreadable(name());
    assert_eq!(
        remaining(&outbox).await,
        [record(42), unreadable.clone(), unreadable],
        "never sealed, never ours"
    );
    let other = ShardName::new("other");
    assert_eq!(
        outbox.remaining(&other).await.unwrap()[0].1,
        Record::unreadable(other),
        "and of another shard"
    );
}

/// This very test binary, to run one test in a process of its own.
fn child(test: &str, database: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD_DATABASE, database);
    command
}

/// The part of [`what_is_owed_outlives_the_machine_that_owes_it`] that is killed; on its own it does nothing.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(database) = env::var_os(CHILD_DATABASE) else { return };
    let drain = drain(shard(true), &open(Path::new(&database), TABLE, None).unwrap());
    assert_eq!(drain.defer(marker(42), "api", &[tag("company:42")]).await, Deferred::Durable);
    println!("\ndeferred");
    std::future::pending().await
}

#[tokio::test]
async fn what_is_owed_outlives_the_machine_that_owes_it() {
    let shop = Shop::new();
    let mut child = child("child_that_is_killed", &shop.path).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "deferred"));
    child.kill().unwrap(); // SIGKILL, and its disk goes with it: only the database is left.
    child.wait().unwrap();

    let shard = shard(false);
    let era = shard.era().unwrap();
    let nonces = [1, 2].map(|random| (MarkerId::Dep(41 + u128::from(random)), Nonce { era, random }));
    shard.mint(era, &nonces, Duration::from_secs(60)).await.unwrap();
    let journal = shop.outbox();
    let drain = drain(shard.clone(), &journal);
    drain.opened().await;
    let left = shard.check(&[MarkerId::Dep(42), MarkerId::Dep(43)]).await.unwrap().markers;
    assert_eq!(left, [None, Some(nonces[1].1)]);
    drain.close().await;
    assert_eq!(remaining(&journal).await, []);
}

#[tokio::test]
async fn a_database_that_is_locked_for_long_is_said() {
    let shop = Shop::new();
    let journal = shop.outbox();
    let drain = drain(shard(true), &journal);
    let application = shop.application();
    application.execute_batch("begin immediate").unwrap();
    assert_eq!(drain.defer(marker(1), "api", &[]).await, Deferred::Volatile);
    let error = journal.append(record(1)).await.unwrap_err();
    assert!(
        matches!(error.retry(), Retry::After(_)) && error.to_string().contains("table=alacena_outbox"),
        "{error}"
    );
    application.execute_batch("commit").unwrap();
    assert_eq!(drain.defer(marker(2), "api", &[]).await, Deferred::Durable);
    drain.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_and_the_application_write_at_once_and_lose_nothing() {
    let shop = Shop::new();
    // SQLite gives nobody their turn in order; nothing is to fail here because the machine is slow.
    let patient = || open_waiting(Duration::from_secs(60), &shop.path, TABLE, None).unwrap();
    let nodes = [patient(), patient()];
    shop.application().execute_batch("pragma journal_mode = wal").unwrap();
    let application = shop.application();
    application.busy_timeout(Duration::from_secs(60)).unwrap();
    let writes = std::thread::spawn(move || {
        for number in 0..100 {
            let text = format!("[{{\"tag\": \"{number}\"}}]");
            application.execute("insert into alacena_outbox (targets) values (?1)", [text]).unwrap();
        }
    });
    let appends = nodes.iter().flat_map(|node| (0..50).map(move |number| node.append(record(number))));
    let ids: Vec<u64> = futures_util::future::try_join_all(appends).await.unwrap();
    writes.join().unwrap();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(remaining(&nodes[0]).await.len(), 100);
    assert_eq!(nodes[1].rows(1_000).await.unwrap().len(), 100);
}

/// The part of [`a_full_disk_is_said`] with the limit; on its own it does nothing.
#[tokio::test]
async fn child_on_a_full_disk() {
    let Some(database) = env::var_os(CHILD_DATABASE) else { return };
    let journal = open(Path::new(&database), TABLE, None).unwrap();
    let drain = drain(shard(true), &journal);
    let mut durable = 0;
    let targets = vec![Target::Key("x".repeat(10_000)); 64];
    while drain.defer(marker(durable), "api", &targets).await == Deferred::Durable {
        durable += 1;
        assert!(durable < 1_000, "the limit does not hold");
    }
    drain.close().await;
    settle().await;
    println!("\nkept {durable} {}", remaining(&journal).await.len());
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_said() {
    let shop = Shop::new();
    let child = child("child_on_a_full_disk", &shop.path);
    // A limit on the size of files, with its signal ignored, stands in for the disk: 8 or 16 MiB, as the shell counts.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .env(CHILD_DATABASE, &shop.path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let kept = text.lines().find_map(|line| line.strip_prefix("kept "));
    let kept = kept.and_then(|counts| counts.split_once(' '));
    assert!(
        output.status.success() && kept.is_some_and(|(said, on_disk)| said == on_disk && said != "0"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn the_guide_shows_what_works() {
    let guide = include_str!("../../../docs/guide/outbox.md");
    let shown: Vec<&str> =
        guide.split("```sql\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    let [insert, trigger, table] = shown[..] else { panic!("three examples, not {}", shown.len()) };
    let shop = Shop::new();
    shop.application().execute_batch(table).unwrap();
    let sql = |shop: &Shop| -> String {
        let made = "select sql from sqlite_schema where name = 'alacena_outbox'";
        let sql: String = shop.application().query_row(made, [], |row| row.get(0)).unwrap();
        sql.replace('"', "").split_whitespace().collect()
    };
    let made = Shop::new();
    made.outbox();
    assert_eq!(sql(&shop), sql(&made), "the guide shows another table than the one that is made");

    let outbox = shop.outbox();
    shop.application().execute_batch(insert).unwrap();
    shop.application().execute_batch(trigger).unwrap();
    shop.application().execute("update items set price = 4", []).unwrap();
    let rows = outbox.rows(10).await.unwrap();
    let targets: Vec<_> = rows.iter().map(|row| row.targets.clone()).collect();
    let item = tag("item:7");
    assert_eq!(targets, [vec![item.clone(), Target::Prefix("items:list".to_owned())], vec![item]]);
}
