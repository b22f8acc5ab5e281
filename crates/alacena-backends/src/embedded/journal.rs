//! The journal on disk: what is owed to each shard, beside the ledger and sealed like it.
//!
//! A record stands under the digest of its shard's name and a number, so that one that cannot be read any more is still
//! known to be of that shard.

use alacena_core::{
    error::Error,
    journal::{Journal, Record, RecordId, ShardName},
    runtime::BoxFuture,
};
use redb::{Database, ReadableDatabase, Table, TableDefinition, WriteTransaction};

use super::{
    ledger::EmbeddedLedger,
    records::{Place, Records},
    store::Edit,
};

pub(super) const JOURNAL: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("journal");

/// The table, while it is being changed.
pub(super) struct Owed<'t>(Table<'t, (u64, u64), &'static [u8]>);

impl<'t> Owed<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self(transaction.open_table(JOURNAL)?))
    }

    pub(super) fn append(
        &mut self,
        id: RecordId,
        record: &Record,
        records: &Records,
    ) -> Result<(), redb::Error> {
        let shard = record.shard.digest();
        let written = records.json(Place::Journal(shard, id), record);
        self.0.insert((shard, id), written.as_slice())?;
        Ok(())
    }

    pub(super) fn remove(&mut self, shard: &ShardName, ids: &[RecordId]) -> Result<(), redb::Error> {
        let shard = shard.digest();
        for id in ids {
            self.0.remove((shard, *id))?;
        }
        Ok(())
    }
}

/// What is owed to this shard, oldest first.
pub(super) fn remaining(
    database: &Database,
    records: &Records,
    shard: &ShardName,
) -> Result<Vec<(RecordId, Record)>, redb::Error> {
    let digest = shard.digest();
    let journal = database.begin_read()?.open_table(JOURNAL)?;
    let of_shard = journal.range((digest, 0)..=(digest, u64::MAX))?;
    of_shard
        .map(|entry| {
            let (place, written) = entry?;
            let (_, id) = place.value();
            Ok((id, read(records, shard, id, written.value())))
        })
        .collect()
}

/// A record; what stands for it where it cannot be read any more, or says that it is of somebody else.
fn read(records: &Records, shard: &ShardName, id: RecordId, written: &[u8]) -> Record {
    let why = match records.record::<Record>(Place::Journal(shard.digest(), id), written) {
        Ok(record) if record.shard == *shard => return record,
        Ok(_) => "it is of another shard".to_owned(),
        Err(why) => why,
    };
    tracing::warn!(
        id,
        why,
        "an unreadable invalidation: everything on its shard will be invalidated in its place"
    );
    Record::unreadable(shard.clone())
}

impl Journal for EmbeddedLedger {
    fn is_durable(&self) -> bool {
        true
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<RecordId, Error>> {
        let id = self.number();
        Box::pin(async move { self.edit(Edit::Append(id, record)).await.map(|()| id) })
    }

    fn remaining(&self, shard: &ShardName) -> BoxFuture<'_, Result<Vec<(RecordId, Record)>, Error>> {
        let shard = shard.clone();
        Box::pin(async move { self.ask(move |store| store.remaining(&shard)).await? })
    }

    fn remove(&self, shard: &ShardName, records: Vec<RecordId>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.edit(Edit::Remove(shard.clone(), records)))
    }
}
