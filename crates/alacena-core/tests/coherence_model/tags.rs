//! Tags: markers, load tokens, pushes, eviction, failover with loss.

use super::{
    check::{PLAIN, exhausts, finds, keeps},
    model::{Config, bounded, forced, strict},
    mutation::Mutation,
    state::Left,
};

const LEFT: Left = PLAIN.left;

// The five configurations in which the protocol was explored before it was built. Where that had loaders, reads and fetches
// of a marker, this has readers: whoever finds nothing loads, and a bounded one keeps what it was answered.

const TWO_NODES: Config = Config {
    nodes: 2,
    readers: &[strict(0, 1), bounded(1, 2)],
    left: Left { evictions: 1, ..LEFT },
    ..PLAIN
};
const TWO_WRITES: Config = Config {
    writes: 2,
    readers: &[strict(0, 2), bounded(0, 1)],
    left: Left { evictions: 1, ..LEFT },
    ..PLAIN
};
const FAILOVER: Config = Config {
    readers: &[strict(0, 2), bounded(0, 1)],
    left: Left { evictions: 1, failovers: 1, ..LEFT },
    ..PLAIN
};
const FAILOVER_OF_TWO: Config = Config {
    nodes: 2,
    readers: &[strict(0, 1), bounded(1, 2)],
    left: Left { failovers: 1, ..LEFT },
    ..PLAIN
};
const TWO_FAILOVERS: Config =
    Config { readers: &[strict(0, 2), bounded(0, 1)], left: Left { failovers: 2, ..LEFT }, ..PLAIN };

/// Markers are shared, and values are not.
const MARKERS_ALONE: Config =
    Config { nodes: 2, entries: false, readers: &[bounded(0, 1), bounded(1, 2)], ..PLAIN };
const MARKERS_ALONE_HERE: Config = Config { readers: &[bounded(1, 3), strict(1, 1)], ..MARKERS_ALONE };
const OWN_NODE: Config = Config { readers: &[bounded(0, 3), strict(0, 1)], ..PLAIN };
/// One load overtakes another on its node.
const OVERTAKEN: Config =
    Config { nodes: 2, readers: &[bounded(1, 3), forced(1, 1)], settles: true, ..PLAIN };
/// Whoever comes while another loads joins: on the node that hears of it later, and on the one that invalidates.
const JOINED: Config = Config { nodes: 2, readers: &[strict(1, 2), strict(1, 1)], ..PLAIN };
const JOINED_HERE: Config = Config { readers: &[bounded(0, 2), bounded(0, 1)], settles: true, ..PLAIN };
/// A server without memory for anything new.
const FULL: Config = Config {
    entries: false,
    nodes: 2,
    readers: &[strict(1, 2), bounded(1, 1)],
    left: Left { fills: 1, ..LEFT },
    ..PLAIN
};
/// Two tags on two shards, one of which fails over, or the other.
const TWO_SHARDS: Config =
    Config { shards: 2, tags: &[0, 1], readers: &[strict(0, 2), bounded(0, 1)], ..PLAIN };
const TWO_SHARDS_FAILOVER: Config =
    Config { readers: &[strict(0, 2), strict(0, 1)], left: Left { failovers: 1, ..LEFT }, ..TWO_SHARDS };
const EVICTED: Config =
    Config { readers: &[strict(0, 2), bounded(0, 1)], left: Left { evictions: 1, ..LEFT }, ..PLAIN };
/// One reader after the other: enough for most of what can be got wrong.
const ALONE: Config = Config { readers: &[strict(0, 2)], left: Left { evictions: 1, ..LEFT }, ..PLAIN };
const ALONE_FAILOVER: Config = Config { left: Left { failovers: 1, ..LEFT }, ..ALONE };
const OTHER_SHARD_FAILOVER: Config = Config { shards: 2, tags: &[1], ..ALONE_FAILOVER };

#[test]
fn inv_1_and_4_no_read_that_begins_after_an_invalidation_is_answered_with_anything_from_before() {
    exhausts("two nodes", &TWO_NODES);
    exhausts("own node", &OWN_NODE);
    exhausts("markers alone", &MARKERS_ALONE);
    exhausts("markers alone, one node", &MARKERS_ALONE_HERE);
    exhausts("overtaken", &OVERTAKEN);
}

#[test]
fn inv_1_and_4_nor_with_anything_from_before_the_second_one() {
    exhausts("two writes", &TWO_WRITES);
}

#[test]
fn inv_1_and_2_whoever_joins_a_load_is_answered_with_what_they_must_know_of() {
    exhausts("joined", &JOINED);
    exhausts("joined, own node", &JOINED_HERE);
}

#[test]
fn inv_5_eviction_makes_misses_only() {
    exhausts("full", &FULL);
    exhausts("evicted", &EVICTED);
}

#[test]
fn inv_6_what_a_failover_brings_back_is_not_fresh() {
    exhausts("failover", &FAILOVER);
    exhausts("failover, two nodes", &FAILOVER_OF_TWO);
}

#[test]
fn inv_6_nor_is_what_a_second_one_does() {
    exhausts("two failovers", &TWO_FAILOVERS);
}

#[test]
fn inv_6_each_shard_goes_back_in_time_by_itself() {
    exhausts("two shards", &TWO_SHARDS);
    exhausts("failover of the other shard", &OTHER_SHARD_FAILOVER);
    keeps("two shards, failover", &TWO_SHARDS_FAILOVER, 2_000_000);
}

#[test]
fn every_way_to_get_tags_wrong_is_found() {
    for (mutation, config) in [
        (Mutation::CaptureAfterLoad, ALONE),
        (Mutation::TimestampMarker, ALONE),
        (Mutation::CounterFromZero, ALONE),
        (Mutation::NoPlaceholder, TWO_NODES),
        (Mutation::OldAnswerAccepted, TWO_NODES),
        (Mutation::NoEra, ALONE_FAILOVER),
        (Mutation::PromotedUnchecked, ALONE_FAILOVER),
        (Mutation::EraOfTheEntryAlone, OTHER_SHARD_FAILOVER),
        (Mutation::KeepsUnread, FULL),
        (Mutation::EndsOnce, OWN_NODE),
        (Mutation::JoinsWhatIsOutdated, JOINED_HERE),
        (Mutation::JoinsWhatIsOlder, JOINED),
    ] {
        finds(&Config { mutation, ..config });
    }
}
