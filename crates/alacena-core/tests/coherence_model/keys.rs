//! Keys: entries, leases, attempts, waiters, and the buckets by which copies in memory hear of them.

use super::{
    check::{PLAIN, exhausts, finds},
    model::{Changes, Config, bounded, forced, strict},
    mutation::Mutation,
    state::Left,
};

const LEFT: Left = PLAIN.left;

/// Nothing but the entry and its lease.
const KEY: Config = Config {
    nodes: 2,
    tags: &[],
    readers: &[strict(0, 1), strict(1, 2)],
    change: Changes::Key,
    left: Left { lease_ends: 1, ..LEFT },
    ..PLAIN
};

// The two configurations in which keys were explored before they were built.

const THREE_LOADERS: Config =
    Config { writes: 2, readers: &[strict(0, 1), strict(0, 1), strict(1, 2)], ..KEY };
const FAILOVER: Config = Config {
    nodes: 1,
    writes: 2,
    readers: &[strict(0, 2), strict(0, 1)],
    left: Left { failovers: 1, lease_ends: 1, ..LEFT },
    ..KEY
};

/// Copies in memory, on the node that does not write.
const BUCKET: Config = Config { bucket: true, readers: &[bounded(0, 1), bounded(1, 2)], left: LEFT, ..KEY };
const BUCKET_OVERTAKEN: Config = Config { readers: &[bounded(1, 3), forced(1, 1)], ..BUCKET };
/// Two on a node that hears of it later, of what a third has stored: what one is answered is older than what the other is.
const DISAGREEING: Config =
    Config { nodes: 3, writers: &[2], readers: &[strict(0, 1), bounded(1, 2), bounded(1, 1)], ..BUCKET };

#[test]
fn inv_4_and_9_a_load_that_an_invalidation_or_another_load_has_overtaken_stores_nothing() {
    exhausts("key", &KEY);
    exhausts("key, three loaders", &THREE_LOADERS);
}

#[test]
fn inv_2_copies_of_an_entry_end_with_its_bucket() {
    exhausts("bucket", &BUCKET);
    exhausts("bucket, overtaken", &BUCKET_OVERTAKEN);
    exhausts("bucket, disagreeing", &DISAGREEING);
}

#[test]
fn inv_6_neither_a_lease_nor_an_entry_outlives_its_era() {
    exhausts("key, failover", &FAILOVER);
}

#[test]
fn every_way_to_get_keys_wrong_is_found() {
    for (mutation, config) in [
        (Mutation::StoreUnchecked, KEY),
        (Mutation::InvalidateKeepsLease, KEY),
        (Mutation::NodeIsTheAttempt, THREE_LOADERS),
        (Mutation::WaiterStores, KEY),
        (Mutation::LeaseWithoutEra, FAILOVER),
        (Mutation::EntryWithoutEra, FAILOVER),
        (Mutation::EraBeforeEntry, FAILOVER),
        (Mutation::BucketAfterEntry, BUCKET),
        (Mutation::KeepsWhatDisagrees, DISAGREEING),
    ] {
        finds(&Config { mutation, ..config });
    }
}
