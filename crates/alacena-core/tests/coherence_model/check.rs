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

/// How far a run came.
struct Explored {
    broken: Option<Invariant>,
    is_exhausted: bool,
    /// Whether the source was not all that there was to answer with: where it is, every promise is kept.
    is_cached: bool,
}

/// Explores everything that can happen; at most so many steps, if there is a bound.
fn explore(name: &str, config: &Config, bound: Option<usize>) -> Explored {
    let mutation = config.mutation;
    let began = std::time::Instant::now();
    // One thread, so that what is said of a run is the same each time. The tests run beside one another.
    let mut builder = Protocol::new(config.clone()).checker().finish_when(HasDiscoveries::AnyFailures);
    if let Some(bound) = bound {
        builder = builder.target_state_count(bound);
    }
    let checker = builder.spawn_bfs().join();
    let discoveries = checker.discoveries();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    let is_exhausted = discoveries.is_empty() && bound.is_none_or(|bound| steps < bound);
    let how = match (discoveries.is_empty(), is_exhausted) {
        (false, _) => "found",
        (true, true) => "exhausted",
        (true, false) => "bounded",
    };
    let took = began.elapsed().as_secs_f64();
    let name = if mutation == Mutation::None { name.to_owned() } else { format!("{mutation:?}") };
    println!("{name}: {states} states, {steps} steps, depth {depth}, {how}, {took:.1} s");
    let shortest = discoveries.into_values().min_by_key(|path| path.clone().into_actions().len());
    let broken = shortest.and_then(|path| {
        if mutation == Mutation::None || std::env::var("ALACENA_TRACE").is_ok() {
            path.clone().into_actions().iter().for_each(|action| println!("    {action:?}"));
            println!("    {:#?}", path.last_state());
        }
        path.last_state().broken
    });
    let Seen { memory, proved, second, refused, suspect, joined } = &checker.model().seen;
    let [memory, proved, second, refused, suspect, joined] =
        [memory, proved, second, refused, suspect, joined].map(|flag| flag.load(Ordering::Relaxed));
    let words = [
        (memory, "from memory"),
        (proved, "proved"),
        (second, "from the second tier"),
        (refused, "a store refused"),
        (suspect, "suspect"),
        (joined, "joined"),
    ];
    let words: Vec<_> = words.into_iter().filter(|(is_seen, _)| *is_seen).map(|(_, word)| word).collect();
    println!("    seen: {}", words.join(", "));
    Explored { broken, is_exhausted, is_cached: memory || proved || second || suspect }
}

/// Explores all that can happen, to the end, and finds no broken promise.
pub(crate) fn exhausts(name: &str, config: &Config) {
    let explored = run(name, config, None);
    assert!(explored.is_exhausted, "{name}");
}

/// Explores so many steps of what can happen, those first that take the fewest, and finds no broken promise. Sixty times
/// as many where `ALACENA_MODEL` is `long`.
pub(crate) fn keeps(name: &str, config: &Config, bound: usize) {
    let is_long = std::env::var("ALACENA_MODEL").is_ok_and(|mode| mode == "long");
    run(name, config, Some(if is_long { 60 * bound } else { bound }));
}

fn run(name: &str, config: &Config, bound: Option<usize>) -> Explored {
    let explored = explore(name, config, bound);
    assert_eq!(explored.broken, None, "{name}");
    assert!(explored.is_cached, "{name}: nobody is answered but by the source");
    explored
}

/// Explores until a promise is broken.
pub(crate) fn finds(config: &Config) {
    let broken = explore("mutation", config, None).broken;
    assert!(broken.is_some(), "the checker did not find {:?}", config.mutation);
    println!("    broken: {broken:?}");
}
