//! Runs the checker.

use std::{sync::atomic::Ordering, time::Duration};

use stateright::{Checker, HasDiscoveries, Model};

use super::{
    model::{Changes, Config, Protocol, Seen},
    mutation::Mutation,
    state::{Invariant, Left},
};

/// One node, one shard, one tag, nobody and nothing else.
pub(crate) const PLAIN: Config = Config {
    mutation: Mutation::None,
    nodes: 1,
    shards: 1,
    tags: &[0],
    bucket: false,
    entries: true,
    readers: &[],
    writers: &[0],
    writes: 1,
    change: Changes::Tags,
    settles: false,
    heartbeats: false,
    barrier: false,
    journal: false,
    cut_for_all: false,
    tick: Duration::from_millis(450),
    left: Left {
        evictions: 0,
        lease_ends: 0,
        failovers: 0,
        restarts: 0,
        fills: 0,
        cuts: 0,
        crashes: 0,
        pings: 0,
        ticks: 0,
    },
};

/// Whether more is to be explored than there is time for in CI.
pub(crate) fn is_long() -> bool {
    std::env::var("ALACENA_MODEL").is_ok_and(|mode| mode == "long")
}

/// What a run has found.
pub(crate) struct Explored {
    pub(crate) broken: Option<Invariant>,
    /// Of each of [`Seen`], whether it came about.
    pub(crate) seen: [bool; 5],
}

/// Explores everything that can happen; at most so many states, if there is a bound.
pub(crate) fn explore(name: &str, config: &Config, bound: Option<usize>) -> Explored {
    let mutation = config.mutation;
    let began = std::time::Instant::now();
    let mut builder =
        Protocol::new(config.clone()).checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    if let Some(bound) = bound {
        builder = builder.target_state_count(bound);
    }
    let checker = builder.spawn_bfs().join();
    let discoveries = checker.discoveries();
    let states = checker.unique_state_count();
    let depth = checker.max_depth();
    let is_bounded = bound.is_some_and(|bound| checker.state_count() >= bound);
    let how = match (discoveries.is_empty(), is_bounded) {
        (false, _) => "found",
        (true, true) => "bounded",
        (true, false) => "exhausted",
    };
    println!("{name} ({mutation:?}): {states} states, depth {depth}, {how}, {:?}", began.elapsed());
    let shortest = discoveries.into_values().min_by_key(|path| path.clone().into_actions().len());
    let broken = shortest.and_then(|path| {
        if mutation == Mutation::None || std::env::var("ALACENA_TRACE").is_ok() {
            path.clone().into_actions().iter().for_each(|action| println!("    {action:?}"));
            println!("    {:#?}", path.last_state());
        }
        path.last_state().broken
    });
    let Seen { memory, proved, second, refused, suspect } = &checker.model().seen;
    let seen = [memory, proved, second, refused, suspect].map(|flag| flag.load(Ordering::Relaxed));
    Explored { broken, seen }
}

/// States that a run visits at most where CI has no time for all of them, those that it meets again included.
const BOUND: usize = 1_000_000;

/// Explores all that can happen, up to the bound, and finds no broken promise.
pub(crate) fn keeps(name: &str, config: &Config) {
    let bound = if is_long() { 60 * BOUND } else { BOUND };
    let explored = explore(name, config, Some(bound));
    assert_eq!(explored.broken, None, "{name}");
    // A model in which nothing of the kind comes about would keep every promise.
    let [memory, proved, second, ..] = explored.seen;
    assert!(memory || proved || second, "{name}: nobody is answered but by the source");
}

/// Explores until a promise is broken.
pub(crate) fn finds(config: &Config) {
    let broken = explore("mutation", config, None).broken;
    assert!(broken.is_some(), "the checker did not find {:?}", config.mutation);
    println!("    broken: {broken:?}");
}
