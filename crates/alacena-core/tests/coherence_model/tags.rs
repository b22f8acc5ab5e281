//! Tags: markers, load tokens, pushes, eviction, failover with loss.

use super::{
    check::{PLAIN, finds, keeps},
    model::{Config, bounded, forced, strict},
    mutation::Mutation,
    state::Left,
};

const LEFT: Left = PLAIN.left;

/// The reader's node hears of what the writer's does.
const TWO_NODES: Config = Config { nodes: 2, readers: &[bounded(0, 1), bounded(1, 2)], ..PLAIN };
/// Markers are shared, and values are not.
const MARKERS_ALONE: Config =
    Config { nodes: 2, entries: false, readers: &[bounded(0, 1), bounded(1, 3), strict(1, 1)], ..PLAIN };
/// One load overtakes another on its node.
const OVERTAKEN: Config =
    Config { nodes: 2, readers: &[bounded(0, 1), bounded(1, 2), forced(1, 1)], ..PLAIN };
const OWN_NODE: Config = Config { readers: &[bounded(0, 3), strict(0, 1)], ..PLAIN };
/// One reader after the other: enough for most of what can be got wrong.
const ALONE: Config = Config { readers: &[strict(0, 2)], left: Left { evictions: 1, ..LEFT }, ..PLAIN };
const ALONE_FAILOVER: Config = Config { left: Left { failovers: 1, ..LEFT }, ..ALONE };
const EVICTED: Config =
    Config { readers: &[strict(0, 2), bounded(0, 1)], left: Left { evictions: 1, ..LEFT }, ..PLAIN };
const FULL: Config = Config {
    entries: false,
    nodes: 2,
    readers: &[strict(1, 2), bounded(1, 1)],
    left: Left { fills: 1, ..LEFT },
    ..PLAIN
};
const FAILOVER: Config =
    Config { readers: &[strict(0, 2), bounded(0, 1)], left: Left { failovers: 1, ..LEFT }, ..PLAIN };
/// Two tags on two shards, one of which fails over, or the other.
const TWO_SHARDS: Config = Config { shards: 2, tags: &[0, 1], readers: &[strict(0, 2)], ..PLAIN };
const TWO_SHARDS_FAILOVER: Config = Config { shards: 2, tags: &[1], ..ALONE_FAILOVER };

#[test]
fn inv_1_and_4_no_read_that_begins_after_an_invalidation_is_answered_with_anything_from_before() {
    keeps("two nodes", &TWO_NODES);
    keeps("markers alone", &MARKERS_ALONE);
    keeps("overtaken", &OVERTAKEN);
    keeps("own node", &OWN_NODE);
}

#[test]
fn inv_5_eviction_makes_misses_only() {
    keeps("evicted", &EVICTED);
    keeps("full", &FULL);
}

#[test]
fn inv_6_what_a_failover_brings_back_is_not_fresh() {
    keeps("failover", &FAILOVER);
    keeps("two shards", &TWO_SHARDS);
    keeps("two shards, failover", &TWO_SHARDS_FAILOVER);
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
        (Mutation::EraOfTheEntryAlone, TWO_SHARDS_FAILOVER),
        (Mutation::KeepsUnread, FULL),
        (Mutation::EndsOnce, OWN_NODE),
    ] {
        finds(&Config { mutation, ..config });
    }
}
