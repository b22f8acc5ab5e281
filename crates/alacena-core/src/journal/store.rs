//! Where records are kept.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::{Record, RecordId, ShardName};
use crate::{error::Error, runtime::BoxFuture};

/// Where records are kept: a file, a table of a database, or memory.
///
/// # Atomicity
/// What a method has answered `Ok` to survives a kill of the process, unless the implementation is volatile
/// ([`is_durable`](Journal::is_durable) is false). Methods may be called at the same time.
///
/// # Ordering
/// None is needed: removals commute. Oldest first is polite.
///
/// # Cancellation
/// A dropped future may or may not have taken effect; it never leaves half of it.
pub trait Journal: Send + Sync + 'static {
    /// Whether what is written survives the process.
    fn is_durable(&self) -> bool;

    /// Whether other processes write into it as well. Then a node looks again from time to time, and brings to the shard
    /// what another one has written down and cannot bring: because it is cut off, or gone with its machine. Unless said
    /// otherwise: no.
    fn is_shared(&self) -> bool {
        false
    }

    /// Writes a record. Its number, which no other record of this journal has had or will have.
    fn append(&self, record: Record) -> BoxFuture<'_, Result<RecordId, Error>>;

    /// What earlier processes have left for this shard. Records of processes that live, this one included, may be among
    /// it. A record that cannot be read any more is answered as [`Record::unreadable`], never left out.
    fn remaining(&self, shard: &ShardName) -> BoxFuture<'_, Result<Vec<(RecordId, Record)>, Error>>;

    /// Removes records of this shard. One that is not there is no error.
    fn remove(&self, shard: &ShardName, records: Vec<RecordId>) -> BoxFuture<'_, Result<(), Error>>;
}

/// A journal in memory: where there is no disk, and for tests. What it holds ends with the process.
#[derive(Debug, Default)]
pub struct VolatileJournal {
    /// Held for a few instructions, never across an await.
    state: Mutex<Volatile>,
}

#[derive(Debug, Default)]
struct Volatile {
    last: RecordId,
    records: BTreeMap<RecordId, Record>,
}

impl Journal for VolatileJournal {
    fn is_durable(&self) -> bool {
        false
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<RecordId, Error>> {
        let mut state = self.state.lock();
        state.last += 1;
        let id = state.last;
        state.records.insert(id, record);
        Box::pin(std::future::ready(Ok(id)))
    }

    fn remaining(&self, shard: &ShardName) -> BoxFuture<'_, Result<Vec<(RecordId, Record)>, Error>> {
        let state = self.state.lock();
        let of_shard = state.records.iter().filter(|(_, record)| record.shard == *shard);
        let remaining = of_shard.map(|(id, record)| (*id, record.clone())).collect();
        Box::pin(std::future::ready(Ok(remaining)))
    }

    fn remove(&self, _: &ShardName, records: Vec<RecordId>) -> BoxFuture<'_, Result<(), Error>> {
        let mut state = self.state.lock();
        for id in records {
            state.records.remove(&id);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
