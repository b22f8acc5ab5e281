//! Keys: entries, leases, attempts, waiters, and the buckets by which copies in memory hear of them.

use super::{
    check::{PLAIN, finds, keeps},
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
const THREE_LOADERS: Config =
    Config { readers: &[strict(0, 1), strict(0, 1), strict(1, 2)], left: LEFT, ..KEY };
const FAILOVER: Config =
    Config { nodes: 1, readers: &[strict(0, 2), strict(0, 1)], left: Left { failovers: 1, ..LEFT }, ..KEY };
/// Copies in memory, on the node that does not write.
const BUCKET: Config = Config { bucket: true, readers: &[bounded(0, 1), bounded(1, 2)], left: LEFT, ..KEY };
const BUCKET_OVERTAKEN: Config = Config { readers: &[bounded(0, 1), bounded(1, 2), forced(1, 1)], ..BUCKET };

#[test]
fn inv_4_and_9_a_load_that_an_invalidation_or_another_load_has_overtaken_stores_nothing() {
    keeps("key", &KEY);
    keeps("three loaders", &THREE_LOADERS);
}

#[test]
fn inv_2_copies_of_an_entry_end_with_its_bucket() {
    keeps("bucket", &BUCKET);
    keeps("bucket, overtaken", &BUCKET_OVERTAKEN);
}

#[test]
fn inv_6_neither_a_lease_nor_an_entry_outlives_its_era() {
    keeps("failover of a key", &FAILOVER);
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
    ] {
        finds(&Config { mutation, ..config });
    }
}
