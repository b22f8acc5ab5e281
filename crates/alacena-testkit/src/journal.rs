//! What every journal has to do, whatever it is kept in.

use std::{collections::BTreeSet, sync::Arc};

use alacena_core::{
    journal::{Journal, Record, RecordId, Removal, ShardName},
    ledger::Target,
    tier::{BUCKETS, EntryId, MarkerId},
};
use futures_util::future::join_all;

/// Holds a journal to its contract. `open` opens the same one again each time, the one before having been dropped; it is
/// empty at the first time.
///
/// ```
/// use alacena_core::journal::VolatileJournal;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// alacena_testkit::exercise_journal(async || Arc::new(VolatileJournal::default())).await;
/// # });
/// ```
///
/// # Panics
/// Where it breaks its contract, with what it did.
pub async fn exercise_journal<J: Journal>(open: impl AsyncFn() -> Arc<J>) {
    let (redis, other) = (ShardName::new("redis"), ShardName::new("other"));
    let journal = open().await;
    assert_eq!(remaining(&*journal, &redis).await, [], "it is empty");

    let (first, second) = (record(&redis, 1), everything_in_one(&redis));
    let ids = [append(&*journal, &first).await, append(&*journal, &second).await];
    let strange = append(&*journal, &record(&other, 3)).await;
    assert_eq!(remaining(&*journal, &redis).await, [(ids[0], first), (ids[1], second.clone())]);
    assert_eq!(remaining(&*journal, &other).await, [(strange, record(&other, 3))]);

    journal.remove(&redis, vec![ids[0], 987_654]).await.expect("one that is not there is no error");
    journal.remove(&redis, Vec::new()).await.expect("nor is none");
    assert_eq!(remaining(&*journal, &redis).await, [(ids[1], second.clone())]);
    assert_eq!(remaining(&*journal, &other).await.len(), 1, "of another shard nothing is removed");

    many_at_once(&*journal, &redis).await;
    let last = append(&*journal, &record(&redis, 5)).await;
    journal.remove(&redis, vec![last]).await.expect("it is there");
    let is_durable = journal.is_durable();
    drop(journal);

    let journal = open().await;
    let kept = remaining(&*journal, &redis).await;
    assert_eq!(kept, if is_durable { vec![(ids[1], second)] } else { Vec::new() });
    if is_durable {
        let id = append(&*journal, &record(&redis, 6)).await;
        assert!(!ids.contains(&id) && id != last && id != strange, "no number is given twice: {id}");
    }
}

async fn many_at_once(journal: &dyn Journal, shard: &ShardName) {
    let before = remaining(journal, shard).await.len();
    let records: Vec<_> = (0..100).map(|number| record(shard, 1_000 + number)).collect();
    let ids = join_all(records.iter().map(|record| append(journal, record))).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100, "every record has its own number");
    let kept = remaining(journal, shard).await;
    assert_eq!(kept.len(), before + 100);
    for pair in ids.iter().copied().zip(records) {
        assert!(kept.contains(&pair), "{pair:?} is missing");
    }
    journal.remove(shard, ids).await.expect("they are there");
    assert_eq!(remaining(journal, shard).await.len(), before);
}

async fn append(journal: &dyn Journal, record: &Record) -> RecordId {
    journal.append(record.clone()).await.expect("it can be written")
}

async fn remaining(journal: &dyn Journal, shard: &ShardName) -> Vec<(RecordId, Record)> {
    let mut remaining = journal.remaining(shard).await.expect("it can be read");
    remaining.sort_by_key(|(id, _)| *id);
    remaining
}

fn record(shard: &ShardName, number: u64) -> Record {
    let removals = BTreeSet::from([Removal::Marker(MarkerId::Dep(number.into()))]);
    let targets = [Target::Tag(format!("company:{number}"))];
    Record::new(shard.clone(), removals, number, "api", &targets)
}

/// Every kind of removal, and so many of them as an invalidation of a page of keys has.
fn everything_in_one(shard: &ShardName) -> Record {
    let entries = (0..5_000).map(|number| Removal::Entry(EntryId(u128::MAX - number).into()));
    let buckets = (0..BUCKETS).map(|bucket| Removal::Marker(MarkerId::Bucket(bucket)));
    let targets = [Target::Pattern("jobs:*:\"'\\\u{1F980}".to_owned()), Target::Everything];
    let removals = entries.chain(buckets).chain([Removal::Whole]).collect();
    Record::new(shard.clone(), removals, u64::MAX, "write create_job", &targets)
}
