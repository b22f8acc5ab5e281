//! What an embedded store with a key tells somebody who has its file, and how keys are changed.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{fs, path::Path, sync::Arc};

use alacena_backends::embedded::{EmbeddedLedger, Owner};
use alacena_core::{
    envelope::{SealKey, SealKeys},
    error::{Error, catalogue},
    ledger::{Intent, Invalidation, Ledger, Target},
};
use alacena_testkit::FakeRuntime;
use redb::{Database, ReadableTable, TableDefinition};

const INTENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("intents");
const HISTORY: TableDefinition<u64, &[u8]> = TableDefinition::new("history");

/// Words that a record holds and the file must not.
const WORDS: [&str; 4] = ["company:4711", "close_ticket", "ada@example.com", "targets"];

fn open(folder: &Path, keys: Option<SealKeys>) -> Result<Arc<EmbeddedLedger>, Error> {
    let owner = Owner { pid: 1, listen: None, started_at: 7 };
    EmbeddedLedger::open(folder, owner, keys, Arc::new(FakeRuntime::new(1)))
}

fn key(seed: u8) -> SealKey {
    SealKey::new(&[seed; 32])
}

fn only(seed: u8) -> Option<SealKeys> {
    Some(SealKeys::new(key(seed), None))
}

fn changed(from: u8, to: u8) -> Option<SealKeys> {
    Some(SealKeys::new(key(to), Some(key(from))))
}

fn intent() -> Intent {
    let targets = vec![Target::Tag("company:4711".into()), Target::Key("user:ada@example.com".into())];
    Intent { write: "close_ticket".into(), targets, at: 1 }
}

fn invalidation(at: u64) -> Invalidation {
    let targets = vec![Target::Tag("company:4711".into())];
    Invalidation { at, who: "write close_ticket".into(), targets, level: "applied".into() }
}

/// Writes one of each, and gives the store back; its secret.
async fn filled(folder: &Path, keys: Option<SealKeys>) -> [u8; 32] {
    let ledger = open(folder, keys).unwrap();
    ledger.open_intent(intent()).await.unwrap();
    ledger.record(invalidation(1)).await.unwrap();
    ledger.close().await;
    *ledger.secret()
}

async fn holds_everything(ledger: &EmbeddedLedger, secret: &[u8; 32]) {
    let intents = ledger.open_intents().await.unwrap();
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0].1, intent());
    assert_eq!(ledger.history(10).await.unwrap(), [invalidation(1)]);
    assert_eq!(ledger.secret(), secret);
}

/// What can be read in the files of the folder, without any key.
fn readable(folder: &Path, secret: &[u8; 32]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        found.extend(WORDS.iter().filter(|word| holds(word.as_bytes())).map(ToString::to_string));
        if holds(secret) {
            found.push(format!("the secret, in {}", path.display()));
        }
    }
    found
}

#[tokio::test]
async fn nothing_can_be_read_in_the_file_of_a_store_with_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let secret = filled(folder.path(), only(1)).await;
    assert_eq!(readable(folder.path(), &secret), Vec::<String>::new());
    holds_everything(&open(folder.path(), only(1)).unwrap(), &secret).await;

    // The search finds what is there.
    let plain = tempfile::tempdir().unwrap();
    let secret = filled(plain.path(), None).await;
    assert_eq!(readable(plain.path(), &secret).len(), WORDS.len() + 1);
}

#[tokio::test]
async fn a_store_that_was_readable_is_sealed_and_leaves_nothing_readable_behind() {
    let folder = tempfile::tempdir().unwrap();
    let secret = filled(folder.path(), None).await;
    let ledger = open(folder.path(), only(1)).unwrap();
    holds_everything(&ledger, &secret).await;
    assert_eq!(open(folder.path(), only(1)).unwrap_err().code(), &catalogue::STORE_OWNED);
    let mine = ledger.open_intent(intent()).await.unwrap();
    ledger.close_intent(mine).await.unwrap();
    ledger.close().await;
    assert_eq!(readable(folder.path(), &secret), Vec::<String>::new());

    let again = open(folder.path(), only(1)).unwrap();
    holds_everything(&again, &secret).await;
    assert_eq!(again.era() >> 32, 3, "it goes on counting its starts");
}

#[tokio::test]
async fn a_new_key_takes_the_place_of_the_old_one_in_one_start() {
    let folder = tempfile::tempdir().unwrap();
    let secret = filled(folder.path(), only(1)).await;
    let ledger = open(folder.path(), changed(1, 2)).unwrap();
    holds_everything(&ledger, &secret).await;
    ledger.close().await;

    let ledger = open(folder.path(), only(2)).unwrap();
    holds_everything(&ledger, &secret).await;
    ledger.close().await;
    assert_eq!(open(folder.path(), only(1)).unwrap_err().code(), &catalogue::STORE_SEALED);
}

#[tokio::test]
async fn without_its_key_a_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let secret = filled(folder.path(), only(1)).await;
    for keys in [None, only(2), changed(3, 2)] {
        let configured = keys.as_ref().map(|keys| keys.current().to_string());
        let error = open(folder.path(), keys).unwrap_err();
        assert_eq!(error.code(), &catalogue::STORE_SEALED);
        let said = error.to_string();
        assert!(said.contains(&key(1).id().to_string()), "{said}");
        assert!(configured.is_none_or(|id| said.contains(&id)), "{said}");
        assert!(said.contains(folder.path().to_str().unwrap()), "{said}");
        assert!(error.code().remedy.contains("key_previous"));
    }
    holds_everything(&open(folder.path(), only(1)).unwrap(), &secret).await;
}

#[tokio::test]
async fn a_start_that_was_interrupted_while_it_sealed_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let secret = filled(folder.path(), None).await;
    fs::write(folder.path().join("store.redb.draft"), "half of it").unwrap();
    let ledger = open(folder.path(), only(1)).unwrap();
    holds_everything(&ledger, &secret).await;
    assert!(!folder.path().join("store.redb.draft").exists());
}

#[tokio::test]
async fn a_store_that_cannot_be_sealed_is_not_opened_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let secret = filled(folder.path(), None).await;
    let in_the_way = folder.path().join("store.redb.draft");
    fs::create_dir(&in_the_way).unwrap();
    let error = open(folder.path(), only(1)).unwrap_err();
    assert_eq!(error.code(), &catalogue::STORE_FAILED);
    assert!(error.to_string().contains("store.redb.draft cannot be opened"), "{error}");

    let ledger = open(folder.path(), None).unwrap();
    holds_everything(&ledger, &secret).await;
    ledger.close().await;
    fs::remove_dir(&in_the_way).unwrap();
    holds_everything(&open(folder.path(), only(1)).unwrap(), &secret).await;
}

#[tokio::test]
async fn words_put_into_a_sealed_store_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), only(1)).await;
    edit(folder.path(), |transaction| {
        // One that was never sealed, and one sealed for another place.
        let mut intents = transaction.open_table(INTENTS).unwrap();
        let forged = serde_json::to_vec(&Intent { targets: Vec::new(), ..intent() }).unwrap();
        intents.insert(5, forged.as_slice()).unwrap();
        let sealed = intents.iter().unwrap().next_back().unwrap().unwrap().1.value().to_vec();
        intents.insert(6, sealed.as_slice()).unwrap();
        let mut history = transaction.open_table(HISTORY).unwrap();
        history.insert(5, serde_json::to_vec(&invalidation(9)).unwrap().as_slice()).unwrap();
        history.insert(6, sealed.as_slice()).unwrap();
    });
    for keys in [only(1), changed(1, 2), only(2)] {
        let ledger = open(folder.path(), keys).unwrap();
        let intents = ledger.open_intents().await.unwrap();
        let everything: Vec<bool> =
            intents.iter().map(|(_, intent)| intent.targets == [Target::Everything]).collect();
        assert_eq!(everything, [true, true, false]);
        assert_eq!(ledger.history(10).await.unwrap(), [invalidation(1)]);
        ledger.close().await;
    }
}

/// Changes the closed store behind its back.
fn edit(folder: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(folder.join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}
