//! What is asked of one shard, and what it tells by itself.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{EntryId, EntryName, Era, Failure, Fill, Lack, MarkerId, Nonce, Spending, Telling};
use crate::runtime::BoxFuture;

/// What a shard answered, or why not.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// One primary of a second tier.
///
/// # Atomicity
/// Each method is one atomic step at the server (those that read several things say in which order), and takes effect at
/// most once. Steps asked for by one node through [`look`](Shard::look), [`mint`](Shard::mint),
/// [`check`](Shard::check), [`invalidate`](Shard::invalidate) and [`store`](Shard::store) are done in the order in which
/// they were asked for.
///
/// # Cancellation
/// Dropping the future of a step neither undoes it nor shifts the answers of others.
///
/// # Time
/// Every step has a time limit of its own; after it the answer is [`Failure::TimedOut`].
pub trait Shard: Send + Sync + 'static {
    /// What this shard can do. May change with every connection.
    fn capabilities(&self) -> Capabilities;

    /// What it does without at the moment, for those who run it: the most serious first.
    fn lacks(&self) -> Vec<Lack> {
        Vec::new()
    }

    /// What it has used of the commands of the day, where they are [metered](Capabilities::is_metered).
    fn spending(&self) -> Option<Spending> {
        None
    }

    /// What brings a connection about where none is kept up while nobody needs it, and there is none: to be awaited before
    /// the shard is asked anything. `None`: there is one, or it is kept up anyway.
    fn rouse(&self) -> Option<Answer<'_, ()>> {
        None
    }

    /// The era of the server, where there is a connection, or there will be one as soon as it is
    /// [roused](Shard::rouse). It may be out of date: what must not be is checked by the
    /// server itself.
    fn era(&self) -> Option<Era>;

    /// Whether there is no connection, and the last attempt to make one has shown that nobody is there: whoever has
    /// something to tell need not wait for the next one. False where that is not known.
    fn is_gone(&self) -> bool {
        false
    }

    /// Now, on the server's clock, in milliseconds since 1970: what lives on the shard is dated by it, on whatever node.
    fn server_millis(&self) -> u64;

    /// Reads markers, then the marker of the entry's bucket together with the entry. Says what was current at some moment
    /// between question and answer; that the server is still the primary of its era is not checked.
    fn look(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked>;

    /// Reads markers in one step, with the era of the server and the number of replicas that are not behind.
    fn check(&self, markers: &[MarkerId]) -> Answer<'_, Checked>;

    /// Reads markers, and gives those that are missing, or hold a nonce of another era, the nonce that stands beside
    /// them; none of it unless the server is the primary of `era`. Each marker is kept for at least `keep` from now.
    ///
    /// [`Failure::OtherEra`], [`Failure::OutOfMemory`]: nothing was minted.
    fn mint(&self, era: Era, markers: &[(MarkerId, Nonce)], keep: Duration) -> Answer<'_, Minted>;

    /// Begins to load: answers with the entry if there is one of another fill than `seen`; else takes the lease as
    /// `attempt`, for so long, unless somebody holds it. A lease of another era counts as none.
    fn begin(&self, load: Begin) -> Answer<'_, Begun>;

    /// Holds the lease for so much longer. Whether it was still held.
    fn renew(&self, entry: EntryId, attempt: Nonce, lease: Duration) -> Answer<'_, bool>;

    /// Stores an entry if the lease is still held by this attempt and the server is still of its era, and gives the lease
    /// back.
    fn store(&self, store: Store) -> Answer<'_, Stored>;

    /// Puts an entry in the place of one without having held the lease, if that is still the fill that was looked at and the
    /// server is still of its era; whether it was, and so is there. In the same step it removes the lease, so that what is
    /// being loaded is not stored over it; the marker of the bucket, so that no copy of what was there is answered any more;
    /// and what lies under the entry's other name.
    fn overwrite(&self, overwrite: Overwrite) -> Answer<'_, bool>;

    /// Gives the lease back without an entry; for `alone` nobody waits for anybody who loads this entry.
    fn release(&self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) -> Answer<'_, ()>;

    /// Removes markers. Once it is answered everything that depends on them is invalid on this shard's primary.
    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()>;

    /// Removes entries, under [every name](EntryName::names), with their leases, and the markers of their buckets.
    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()>;

    /// Waits until what this node has removed is on at least so many replicas, or the time is over. On how many it is.
    fn replicate(&self, replicas: u32, within: Duration) -> Answer<'_, u32>;

    /// Uses markers, so that a server that evicts what is not used keeps them.
    fn touch(&self, markers: &[MarkerId]) -> Answer<'_, ()>;

    /// A ping on the connection that tells of changes: when it is answered, everything that the server has told before
    /// the answer has been handed to the [`Watcher`].
    fn ping(&self) -> Answer<'_, ()>;

    /// Hands everything that the server tells to `watcher`, from now on, in order. To be called once.
    fn watch(&self, watcher: Arc<dyn Watcher>);

    /// Ends every connection. What is asked afterwards is [`Failure::Unavailable`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Hears what a shard tells. Called by whoever reads the connection, in order: it neither blocks nor waits.
pub trait Watcher: Send + Sync + 'static {
    /// The connection has come about; the server is of this era. From here on it tells of every change.
    fn connected(&self, era: Era);
    /// The connection is lost; changes have been missed from some moment before this on.
    fn lost(&self);
    /// Something has changed.
    fn pushed(&self, push: Push);
}

/// Something has changed on a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// This marker, in whatever way.
    Marker(MarkerId),
    /// Everything.
    Everything,
}

/// What a shard can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How it tells of every change of a marker, so that a [`Heartbeat`](super::Heartbeat) proves something.
    pub telling: Telling,
    /// Whether its era is known: without it nobody notices that it was rolled back.
    pub era: bool,
    /// Whether it may evict what is not used.
    pub evicts: bool,
    /// Whether each command is paid for, so that nothing is sent that nobody has asked for.
    pub is_metered: bool,
    /// Whether what this node removes is said to those nodes, too, that hear of it only from whoever removes it. False for
    /// a while after the server has not let it.
    pub is_heard: bool,
}

/// What [`Shard::look`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// What the markers hold, in the order in which they were asked for.
    pub markers: Vec<Option<Nonce>>,
    /// What the marker of the entry's bucket held before the entry was read, or in the same step.
    pub bucket: Option<Nonce>,
    /// The envelope of the entry.
    pub entry: Option<Bytes>,
}

/// What [`Shard::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The era of the server, which is a primary.
    pub era: Era,
    /// Replicas that are not behind.
    pub good_replicas: u32,
    /// What the markers hold, in the order in which they were asked for.
    pub markers: Vec<Option<Nonce>>,
}

/// What [`Shard::mint`] left: a nonce for every marker, in the order in which they were given.
pub type Minted = Vec<Nonce>;

/// What [`Shard::begin`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The entry.
    pub entry: EntryName,
    /// The attempt, never used before; its era is that of the server.
    pub attempt: Nonce,
    /// The fill that has already been looked at, and is no answer.
    pub seen: Option<Fill>,
    /// For how long the lease is taken.
    pub lease: Duration,
}

/// What is to be done about an entry.
#[expect(missing_debug_implementations, reason = "a future shows nothing")]
pub enum Begun {
    /// Answer: somebody has stored it.
    Hit(Bytes),
    /// Load: the lease is held.
    Lead,
    /// Wait: somebody else holds the lease, for so long unless it is renewed.
    Wait(Duration, Woken),
    /// Load, share nothing, keep nothing: its source forbids it.
    Alone,
}

/// Completes when the entry or its lease has changed in whatever way, or that cannot be heard of any more. An expiry may
/// be told of late, or never: whoever waits looks at the time, too.
pub type Woken = BoxFuture<'static, ()>;

/// What [`Shard::store`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The entry.
    pub entry: EntryName,
    /// The attempt that holds the lease.
    pub attempt: Nonce,
    /// The envelope.
    pub envelope: Bytes,
    /// For how long it is kept.
    pub keep: Duration,
}

/// What [`Shard::overwrite`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overwrite {
    /// The entry.
    pub entry: EntryName,
    /// The other name that it may lie under.
    pub elsewhere: EntryName,
    /// The era that the server is of.
    pub era: Era,
    /// The fill that is to be there; `None`: whatever is, or nothing.
    pub over: Option<Fill>,
    /// The envelope.
    pub envelope: Bytes,
    /// For how long it is kept.
    pub keep: Duration,
}

/// What became of an entry that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is there.
    Kept,
    /// The lease was lost: it ran out, or the entry was invalidated meanwhile, or the server is of another era.
    LeaseLost,
}
