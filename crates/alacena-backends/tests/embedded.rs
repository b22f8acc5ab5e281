//! What the embedded store keeps, and what it refuses, on real files and with real processes.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "Tokio runs the tests, so they give it their tasks")]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use alacena_backends::embedded::{EmbeddedLedger, Owner, read_owner};
use alacena_core::{
    error::{Error, catalogue},
    ledger::{Intent, Invalidation, Ledger, Target},
    runtime::Runtime,
};
use alacena_testkit::FakeRuntime;
use redb::{Database, TableDefinition};

/// Where the test that a child process runs finds its store.
const CHILD_STORE: &str = "ALACENA_TEST_STORE";

fn owner() -> Owner {
    Owner { pid: std::process::id(), listen: Some("127.0.0.1:8080".to_owned()), started_at: 7 }
}

fn open(folder: &Path) -> Result<Arc<EmbeddedLedger>, Error> {
    EmbeddedLedger::open(folder, owner(), None, Arc::new(FakeRuntime::new(1)))
}

fn intent(write: impl ToString) -> Intent {
    Intent { write: write.to_string(), targets: vec![Target::Tag("jobs".to_owned())], at: 1 }
}

fn invalidation(at: u64) -> Invalidation {
    let targets = vec![Target::Key(format!("jobs:{at}"))];
    Invalidation { at, who: "api".to_owned(), targets, level: "applied".to_owned() }
}

async fn intents(ledger: &EmbeddedLedger) -> Vec<String> {
    ledger.open_intents().await.unwrap().into_iter().map(|(_, intent)| intent.write).collect()
}

/// This very test binary, to run one test in a process of its own.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD_STORE, folder);
    command
}

/// The part of [`what_was_acknowledged_survives_a_kill`] that is killed; on its own it does nothing.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(folder) = env::var_os(CHILD_STORE) else { return };
    let ledger = open(Path::new(&folder)).unwrap();
    let closed = ledger.open_intent(intent("closed")).await.unwrap();
    ledger.open_intent(intent("first")).await.unwrap();
    ledger.open_intent(intent("second")).await.unwrap();
    ledger.close_intent(closed).await.unwrap();
    ledger.record(invalidation(1)).await.unwrap();
    println!("\nacknowledged");
    std::future::pending().await
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("child_that_is_killed", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "acknowledged"));

    let refused = open(folder.path()).unwrap_err();
    assert_eq!(refused.code(), &catalogue::STORE_OWNED);
    let named = format!("process {} at 127.0.0.1:8080", child.id());
    assert!(refused.to_string().contains(&named), "{refused}");

    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert_eq!(read_owner(folder.path()).unwrap().pid, child.id(), "a stale file is left behind");
    let ledger = open(folder.path()).unwrap();
    assert_eq!(read_owner(folder.path()), Some(owner()));
    assert_eq!(intents(&ledger).await, ["first", "second"]);
    assert_eq!(ledger.history(10).await.unwrap(), [invalidation(1)]);

    // What this process opens is its own business; what it closes is gone.
    ledger.open_intent(intent("mine")).await.unwrap();
    let (first, _) = ledger.open_intents().await.unwrap().remove(0);
    ledger.close_intent(first).await.unwrap();
    assert_eq!(intents(&ledger).await, ["second"]);
}

#[tokio::test]
async fn a_store_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/on/demand");
    let first = open(&folder).unwrap();
    first.announce("127.0.0.1:40001").await.unwrap();
    let refused = open(&folder).unwrap_err();
    assert_eq!(refused.code(), &catalogue::STORE_OWNED);
    assert!(refused.detail().contains(&std::process::id().to_string()));
    assert!(refused.detail().contains("at 127.0.0.1:40001"));

    first.close().await;
    assert_eq!(read_owner(&folder), None);
    let second = open(&folder).unwrap();
    let late = first.open_intent(intent("late")).await.unwrap_err();
    assert_eq!(late.code(), &catalogue::CLOSED);
    first.close().await; // Legal, and touches nothing of the second.
    drop(first);
    assert_eq!(read_owner(&folder), Some(owner()));

    drop(second); // Gives the store back as well.
    assert_eq!(read_owner(&folder), None);
    open(&folder).unwrap();
}

#[tokio::test]
async fn every_start_is_a_new_era_with_the_same_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut eras = Vec::new();
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let ledger = open(folder.path()).unwrap();
        assert!(ledger.is_durable());
        eras.push(ledger.era());
        secrets.push(*ledger.secret());
        assert!(!format!("{ledger:?}").contains("secret"));
    }
    assert!(eras[0] < eras[1] && eras[1] < eras[2]);
    assert!(secrets[0] != [0; 32] && secrets[0] == secrets[1] && secrets[1] == secrets[2]);

    let other = tempfile::tempdir().unwrap();
    let other = EmbeddedLedger::open(other.path(), owner(), None, Arc::new(FakeRuntime::new(2))).unwrap();
    assert_ne!(other.secret(), &secrets[0]);
    assert_ne!(other.era(), eras[0], "another store at its first start is another era, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_share_commits_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).unwrap();
    let writers = (0..64).map(|writer| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            for round in 0..16 {
                let id = ledger.open_intent(intent(format!("{writer}:{round}"))).await.unwrap();
                ledger.record(invalidation(round)).await.unwrap();
                if round > 0 {
                    ledger.close_intent(id).await.unwrap();
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    drop(ledger);
    let ledger = open(folder.path()).unwrap();
    let mut left = intents(&ledger).await;
    left.sort_by_key(|name| name.len());
    assert_eq!(left.len(), 64);
    assert!(left.iter().all(|name| name.ends_with(":0")));
    assert_eq!(ledger.history(usize::MAX).await.unwrap().len(), 64 * 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_bounded_and_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).unwrap();
    for first in (0..10_050).step_by(150) {
        let record = |at| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move { ledger.record(invalidation(at)).await })
        };
        for recorded in (first..first + 150).map(record).collect::<Vec<_>>() {
            recorded.await.unwrap().unwrap();
        }
    }
    ledger.record(invalidation(77_777)).await.unwrap();
    let all = ledger.history(usize::MAX).await.unwrap();
    assert_eq!(all.len(), 10_000);
    assert_eq!(ledger.history(1).await.unwrap(), [invalidation(77_777)]);
    assert!(!all.iter().any(|kept| kept.at == 0), "the oldest have gone");
    drop(ledger);

    // The next process goes on where this one stopped.
    let ledger = open(folder.path()).unwrap();
    ledger.record(invalidation(88_888)).await.unwrap();
    assert_eq!(ledger.history(2).await.unwrap(), [invalidation(88_888), invalidation(77_777)]);
}

#[test]
fn a_folder_that_cannot_be_made_or_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    // Permissions do not bind root, who may run this; the shape of the file system binds everybody.
    for path in [file.join("store").as_path(), Path::new("/proc/alacena"), Path::new("/proc/self")] {
        let error = open(path).unwrap_err();
        assert_eq!(error.code(), &catalogue::STORE_FAILED, "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(error.code().remedy.contains("writable"));
    }
}

#[tokio::test]
async fn a_newer_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().close().await;
    edit(folder.path(), |transaction| {
        let mut meta = transaction.open_table(TableDefinition::<&str, u64>::new("meta")).unwrap();
        meta.insert("format", 3).unwrap();
    });
    for _ in 0..2 {
        let error = open(folder.path()).unwrap_err();
        assert_eq!(error.code(), &catalogue::STORE_FAILED);
        assert!(error.detail().contains("format 3, this one knows 2"), "{error}");
    }
    assert_eq!(read_owner(folder.path()), None);
}

#[tokio::test]
async fn an_unreadable_record_invalidates_everything_or_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).unwrap();
    ledger.record(invalidation(1)).await.unwrap();
    ledger.close().await;
    edit(folder.path(), |transaction| {
        for table in ["intents", "history"] {
            let mut table = transaction.open_table(TableDefinition::<u64, &[u8]>::new(table)).unwrap();
            table.insert(5, b"{\"write\":".as_slice()).unwrap();
        }
    });
    let ledger = open(folder.path()).unwrap();
    let (id, intent) = ledger.open_intents().await.unwrap().remove(0);
    assert_eq!((id, intent.targets), (5, vec![Target::Everything]));
    assert_eq!(ledger.history(10).await.unwrap(), [invalidation(1)]);
    ledger.close_intent(5).await.unwrap();
    assert!(ledger.open_intents().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    std::fs::write(&file, "somebody else's file".repeat(1000)).unwrap();
    assert_eq!(open(folder.path()).unwrap_err().code(), &catalogue::STORE_FAILED);
    assert_eq!(std::fs::read(&file).unwrap(), "somebody else's file".repeat(1000).as_bytes());
}

#[tokio::test]
async fn a_damaged_store_is_refused_or_mended() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).unwrap();
    for at in 0..20 {
        ledger.open_intent(intent(at)).await.unwrap();
    }
    drop(ledger);
    let file = folder.path().join("store.redb");
    let whole = std::fs::read(&file).unwrap();
    let chance = FakeRuntime::new(42);
    let mut refused = 0;
    for round in 0..60 {
        let mut damaged = whole.clone();
        if round % 6 == 0 {
            damaged.truncate(usize::try_from(chance.random()).unwrap() % whole.len());
        }
        for _ in 0..round % 6 * 4 {
            let at = usize::try_from(chance.random()).unwrap() % damaged.len();
            damaged[at] ^= 1 << (chance.random() % 8);
        }
        std::fs::write(&file, &damaged).unwrap();
        match open(folder.path()) {
            Ok(ledger) => {
                ledger.open_intents().await.unwrap();
                ledger.open_intent(intent("more")).await.unwrap();
            }
            Err(error) => {
                assert_eq!(error.code(), &catalogue::STORE_FAILED);
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "the damage is real: {refused}");
}

/// The part of [`a_full_disk_fails_the_call_and_not_the_store`] with the limit; on its own it does nothing.
#[tokio::test]
async fn child_on_a_full_disk() {
    let Some(folder) = env::var_os(CHILD_STORE) else { return };
    let folder = Path::new(&folder);
    let ledger = open(folder).unwrap();
    let mut kept = 0;
    let error = loop {
        let large = Intent { targets: vec![Target::Key("x".repeat(100_000)); 5], ..intent(kept) };
        match ledger.open_intent(large).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1_000, "the limit does not hold");
    };
    assert_eq!(error.code(), &catalogue::STORE_FAILED);
    assert!(error.to_string().contains(folder.to_str().unwrap()), "{error}");
    // The store is opened again by itself.
    assert!(ledger.history(1).await.unwrap().is_empty());
    drop(ledger);
    assert_eq!(intents(&open(folder).unwrap()).await.len(), kept);
    println!("\nkept {kept}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_fails_the_call_and_not_the_store() {
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
    assert!(
        output.status.success() && text.contains("\nkept "),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Changes the closed store behind its back.
fn edit(folder: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(folder.join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}
