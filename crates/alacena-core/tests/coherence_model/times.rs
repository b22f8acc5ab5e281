//! Silence: what two pings prove, and the barrier.

use super::{
    check::{PLAIN, exhausts, finds},
    model::{Config, bounded},
    mutation::Mutation,
    state::Left,
};

const LEFT: Left = PLAIN.left;

/// The reader's node hears of the writer's at the end of rounds, and of its own pings at once. A tick is half of the
/// horizon.
const HEARTBEATS: Config = Config {
    nodes: 2,
    heartbeats: true,
    entries: false,
    readers: &[bounded(1, 2)],
    left: Left { pings: 2, ticks: 3, ..LEFT },
    ..PLAIN
};
const CUT: Config = Config { left: Left { pings: 2, ticks: 3, cuts: 1, ..LEFT }, ..HEARTBEATS };
const BARRIER: Config = Config { barrier: true, ..CUT };
/// Another reader joins the first one's load.
const JOINED: Config = Config { readers: &[bounded(1, 1), bounded(1, 1)], ..HEARTBEATS };
/// Enough for what can be got wrong.
const ONE_PING: Config = Config { left: Left { pings: 1, ticks: 3, ..LEFT }, ..HEARTBEATS };
const BARRIER_AT_ONCE: Config = Config { barrier: true, left: Left { pings: 2, ..LEFT }, ..HEARTBEATS };

#[test]
fn inv_2_nothing_is_answered_out_of_memory_that_ended_a_horizon_ago() {
    exhausts("heartbeats", &HEARTBEATS);
    exhausts("heartbeats, a link is cut", &CUT);
    exhausts("heartbeats, joined", &JOINED);
}

#[test]
fn inv_3_after_the_barrier_no_node_answers_with_anything_from_before() {
    exhausts("barrier", &BARRIER);
}

#[test]
fn every_way_to_get_silence_wrong_is_found() {
    finds(&Config { mutation: Mutation::JoinsWhatIsOlder, ..JOINED });
    finds(&Config { mutation: Mutation::OnePing, ..ONE_PING });
    finds(&Config { mutation: Mutation::BarrierWithoutWaiting, ..BARRIER_AT_ONCE });
}
