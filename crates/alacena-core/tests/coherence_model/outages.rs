//! Outages: what is owed to a shard, what was stored before, and what was loaded without it.

use std::time::Duration;

use super::{
    check::{PLAIN, exhausts, finds},
    model::{Config, bounded, strict},
    mutation::Mutation,
    state::Left,
};

const LEFT: Left = PLAIN.left;

/// The node that invalidates is cut off, and its process ends.
const OWED: Config = Config {
    journal: true,
    readers: &[bounded(0, 2)],
    tick: Duration::from_millis(2_500),
    left: Left { cuts: 1, crashes: 1, ..LEFT },
    ..PLAIN
};
/// Two nodes are, and the one that owes nothing is back first.
const GRACE: Config =
    Config { nodes: 2, readers: &[strict(1, 2)], left: Left { cuts: 2, ticks: 3, ..LEFT }, ..OWED };
const GRACE_BOUNDED: Config = Config { readers: &[bounded(1, 2)], ..GRACE };
/// What one reader finds out of markers is known to the other.
const GRACE_OF_TWO: Config = Config {
    entries: false,
    readers: &[bounded(1, 2), bounded(1, 1)],
    left: Left { cuts: 2, ticks: 1, ..LEFT },
    ..GRACE
};
/// What the other node loads meanwhile is its own.
const LOCAL: Config =
    Config { readers: &[bounded(1, 3)], cut_for_all: false, left: Left { cuts: 1, ..LEFT }, ..GRACE };

#[test]
fn inv_7a_what_is_owed_is_paid_before_the_node_reads_again() {
    exhausts("owed", &OWED);
}

#[test]
fn inv_7b_what_was_stored_before_an_outage_is_suspect_for_the_grace() {
    exhausts("grace", &GRACE);
    exhausts("grace, bounded", &GRACE_BOUNDED);
}

#[test]
fn inv_7b_nor_is_it_answered_by_what_another_reader_has_found_out() {
    exhausts("grace, two readers", &GRACE_OF_TWO);
}

#[test]
fn what_was_loaded_without_the_tier_is_no_answer_once_it_is_back() {
    exhausts("local", &LOCAL);
}

#[test]
fn every_way_to_get_outages_wrong_is_found() {
    finds(&Config { mutation: Mutation::GateOpen, ..OWED });
    finds(&Config { mutation: Mutation::NoGrace, ..GRACE_BOUNDED });
    finds(&Config { mutation: Mutation::NewWhenItLands, ..GRACE });
    finds(&Config { mutation: Mutation::ProvedWithinTheGrace, ..GRACE_OF_TWO });
    finds(&Config { mutation: Mutation::KeepsLocal, ..LOCAL });
}
