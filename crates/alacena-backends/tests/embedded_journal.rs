//! The journal of the embedded store: what is owed to a shard survives a kill, a full disk is said, and whoever has the
//! file learns nothing from it.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use alacena_backends::embedded::{EmbeddedLedger, Owner};
use alacena_core::{
    dep::Dep,
    envelope::{SealKey, SealKeys},
    journal::{Deferred, Drain, DrainSettings, Journal, Limits, Record, Removal, ShardName},
    ledger::Target,
    tier::{HashKey, MarkerId, Nonce, Shard},
};
use alacena_testkit::{
    FakeRuntime, exercise_journal, settle,
    tier::{FakeShard, FakeTier, Faults},
};
use redb::{Database, ReadableTable, TableDefinition};

/// Where the test that a child process runs finds its store.
const CHILD_STORE: &str = "ALACENA_TEST_STORE";
const JOURNAL: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("journal");
const WHOLE: MarkerId = MarkerId::Dep(1);

fn open(folder: &Path, keys: Option<SealKeys>) -> Arc<EmbeddedLedger> {
    let owner = Owner { pid: std::process::id(), listen: None, started_at: 7 };
    EmbeddedLedger::open(folder, owner, keys, Arc::new(FakeRuntime::new(1))).unwrap()
}

fn key(seed: u8) -> SealKey {
    SealKey::new(&[seed; 32])
}

fn name() -> ShardName {
    ShardName::new("redis")
}

fn company(number: u64) -> (BTreeSet<Removal>, [Target; 1]) {
    let tag = format!("company:{number}");
    let marker = HashKey::derive(b"secret").marker(&Dep::tag("shop", &tag).unwrap());
    (BTreeSet::from([Removal::Marker(marker)]), [Target::Tag(tag)])
}

fn drain(runtime: &FakeRuntime, shard: FakeShard, store: &Arc<EmbeddedLedger>) -> Drain {
    let settings = DrainSettings { shard: name(), whole: vec![WHOLE], limits: Limits::default() };
    Drain::new(settings, Arc::new(shard), Arc::<EmbeddedLedger>::clone(store), Arc::new(runtime.clone()))
}

/// A node whose shard refuses everything.
fn cut_off(folder: &Path) -> Drain {
    let runtime = FakeRuntime::new(1);
    let shard = FakeTier::new(Arc::new(runtime.clone())).shard();
    shard.set_faults(Faults { refused: true, ..Faults::default() });
    let drain = drain(&runtime, shard, &open(folder, None));
    drain.start();
    drain
}

async fn remaining(store: &EmbeddedLedger) -> Vec<Record> {
    store.remaining(&name()).await.unwrap().into_iter().map(|(_, record)| record).collect()
}

#[tokio::test]
async fn it_does_what_every_journal_does() {
    for keys in [None, Some(SealKeys::new(key(1), None))] {
        let folder = tempfile::tempdir().unwrap();
        exercise_journal(async || open(folder.path(), keys.clone())).await;
    }
}

/// This very test binary, to run one test in a process of its own.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD_STORE, folder);
    command
}

/// The part of [`what_was_deferred_survives_a_kill`] that is killed; on its own it does nothing.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(folder) = env::var_os(CHILD_STORE) else { return };
    let drain = cut_off(Path::new(&folder));
    for number in [42, 43] {
        let (removals, targets) = company(number);
        assert_eq!(drain.defer(removals, "api", &targets).await, Deferred::Durable);
    }
    println!("\ndeferred");
    std::future::pending().await
}

#[tokio::test]
async fn what_was_deferred_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("child_that_is_killed", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "deferred"));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();

    // On the shard, everything is as before; the next process comes to it, and waits.
    let runtime = FakeRuntime::new(1);
    let shard = FakeTier::new(Arc::new(runtime.clone())).shard();
    let (era, minted) = (shard.era().unwrap(), |random| Nonce { era: shard.era().unwrap(), random });
    let markers = [42, 43, 44].map(|number| match company(number).0.pop_first() {
        Some(Removal::Marker(marker)) => marker,
        _ => unreachable!("a tag has one marker"),
    });
    let nonces = [(markers[0], minted(1)), (markers[1], minted(2)), (markers[2], minted(3))];
    shard.mint(era, &nonces, Duration::from_secs(60)).await.unwrap();
    let store = open(folder.path(), None);
    let owed = remaining(&store).await;
    assert_eq!(
        owed.iter().map(|record| &record.targets[0]).collect::<Vec<_>>(),
        [&company(42).1[0], &company(43).1[0]]
    );
    let drain = drain(&runtime, shard.clone(), &store);
    assert!(!drain.is_open());
    drain.start();
    drain.opened().await;
    let left = shard.check(&markers).await.unwrap().markers;
    assert_eq!(left, [None, None, Some(minted(3))], "before anything was read, and nothing else");
    drain.close().await;
    assert_eq!(remaining(&store).await, []);
}

#[tokio::test]
async fn a_store_of_an_earlier_version_has_an_empty_journal_and_is_sealed_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), None));
    let database = Database::open(folder.path().join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.delete_table(JOURNAL).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let store = open(folder.path(), Some(SealKeys::new(key(1), None)));
    assert_eq!(remaining(&store).await, []);
}

#[tokio::test]
async fn nothing_of_a_record_can_be_read_in_a_sealed_store_and_it_is_sealed_anew_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (removals, targets) = company(4711);
    let record = Record::new(name(), removals, 1, "write close_ticket", &targets);
    let words = ["company:4711", "close_ticket", "alc:m:", "targets"];
    let readable = |folder: &Path| {
        let bytes = fs::read(folder.join("store.redb")).unwrap();
        let holds = |word: &&&str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        words.iter().filter(holds).count()
    };

    let store = open(folder.path(), None);
    store.append(record.clone()).await.unwrap();
    drop(store);
    assert_eq!(readable(folder.path()), words.len(), "the search finds what is there");
    let all_keys =
        [SealKeys::new(key(1), None), SealKeys::new(key(2), Some(key(1))), SealKeys::new(key(2), None)];
    for keys in all_keys {
        let store = open(folder.path(), Some(keys));
        assert_eq!(remaining(&store).await, std::slice::from_ref(&record));
        drop(store);
        assert_eq!(readable(folder.path()), 0);
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_or_was_moved_stands_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Some(SealKeys::new(key(1), None));
    let store = open(folder.path(), keys.clone());
    let (removals, targets) = company(42);
    let record = Record::new(name(), removals, 1, "api", &targets);
    store.append(record.clone()).await.unwrap();
    let elsewhere = Record { shard: ShardName::new("other"), ..record.clone() };
    let moved = store.append(elsewhere.clone()).await.unwrap();
    drop(store);

    let database = Database::open(folder.path().join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut journal = transaction.open_table(JOURNAL).unwrap();
        let sealed = journal.get((elsewhere.shard.digest(), moved)).unwrap().unwrap().value().to_vec();
        let digest = name().digest();
        journal.insert((digest, 5), b"{}".as_slice()).unwrap();
        journal.insert((digest, 6), sealed.as_slice()).unwrap();
        journal.insert((digest, 7), serde_json::to_vec(&record).unwrap().as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);

    let store = open(folder.path(), keys);
    let unreadable = Record::unreadable(name());
    assert_eq!(remaining(&store).await, [unreadable.clone(), unreadable.clone(), unreadable, record]);
    let runtime = FakeRuntime::new(1);
    let shard = FakeTier::new(Arc::new(runtime.clone())).shard();
    let era = shard.era().unwrap();
    shard.mint(era, &[(WHOLE, Nonce { era, random: 1 })], Duration::from_secs(60)).await.unwrap();
    let drain = drain(&runtime, shard.clone(), &store);
    drain.start();
    drain.opened().await;
    assert_eq!(shard.check(&[WHOLE]).await.unwrap().markers, [None]);
    drain.close().await;
    assert_eq!(remaining(&store).await, [], "once");
    assert_eq!(store.remaining(&elsewhere.shard).await.unwrap().len(), 1);
}

/// The part of [`a_full_disk_is_said`] with the limit; on its own it does nothing.
#[tokio::test]
async fn child_on_a_full_disk() {
    let Some(folder) = env::var_os(CHILD_STORE) else { return };
    let drain = cut_off(Path::new(&folder));
    let mut durable = 0_u64;
    loop {
        // Long enough that the disk is full before the journal is.
        let removals =
            (0..90).map(|number| Removal::Marker(MarkerId::Dep(u128::from(durable * 90 + number))));
        let targets = vec![Target::Key("x".repeat(10_000)); 64];
        match drain.defer(removals.collect(), "api", &targets).await {
            Deferred::Durable => durable += 1,
            Deferred::Volatile => break,
        }
        assert!(durable < 1_000, "the limit does not hold");
    }
    let figures = drain.figures();
    assert_eq!((figures.records, figures.volatile), (durable, 90));
    assert!(!figures.is_open);
    drain.close().await;
    drop(drain);
    settle().await;
    println!("\nkept {durable} {}", remaining(&open(Path::new(&folder), None)).await.len());
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let child = child("child_on_a_full_disk", folder.path());
    // A limit on the size of files, with its signal ignored, stands in for the disk: 8 or 16 MiB, as the shell counts.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .env(CHILD_STORE, folder.path())
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
