//! The ways to get it wrong.

/// Each of these must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    /// The token is captured when the value has arrived.
    CaptureAfterLoad,
    /// A marker holds when it was last invalidated, and a missing one says "never".
    TimestampMarker,
    /// A marker counts its invalidations, and begins at 0 when it is missing.
    CounterFromZero,
    /// A push that comes before the first answer is not remembered: there is nothing to doubt yet.
    NoPlaceholder,
    /// An answer counts whatever was told since it was asked for.
    OldAnswerAccepted,
    /// A nonce holds no era, nor does an entry.
    NoEra,
    /// The era is that of the last connection, and not asked for again.
    PromotedUnchecked,
    /// The era is asked for before the entry is read.
    EraBeforeEntry,
    /// That the entry's shard is of its era is taken for all the shards.
    EraOfTheEntryAlone,
    /// An entry is stored whoever holds its lease.
    StoreUnchecked,
    /// The invalidation of a key leaves its lease.
    InvalidateKeepsLease,
    /// A node takes every lease under the same name.
    NodeIsTheAttempt,
    /// Whoever waited long enough stores without a lease.
    WaiterStores,
    /// A lease of any era is as good as one of this era.
    LeaseWithoutEra,
    /// An entry of any era is.
    EntryWithoutEra,
    /// One answered ping proves what was done before it was sent.
    OnePing,
    /// The shard is read again although something is owed to it.
    GateOpen,
    /// What was stored before an outage is believed at once after it.
    NoGrace,
    /// What one reader has found to depend on what stands answers the next one, whenever it was loaded.
    ProvedWithinTheGrace,
    /// A value is taken to be as new as the end of its load.
    NewWhenItLands,
    /// The barrier is acknowledged as soon as it is applied.
    BarrierWithoutWaiting,
    /// What was loaded is kept under cells that had not been read when the source was asked.
    KeepsUnread,
    /// The node that invalidates does not look again once the shard has done it.
    EndsOnce,
    /// The bucket's marker is minted after the entry was read.
    BucketAfterEntry,
    /// What was loaded without the tier is kept once it is back.
    KeepsLocal,
    /// What an answer says is kept although the copy is of something else.
    KeepsWhatDisagrees,
    /// A reader joins a load although something has ended that it depends on.
    JoinsWhatIsOutdated,
    /// A reader is answered by a load that began before it came, however strictly it reads and however long ago that was.
    JoinsWhatIsOlder,
}
