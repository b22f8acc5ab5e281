//! The cases, each a loop of its own so that callgrind finds it by name and nothing is dispatched within.

use std::hint::black_box;

use alacena_core::engine::{Engine, Loaded};

use crate::warm::{Warm, hit, question, ready};

/// One way to be answered from memory.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Makes as many hits as the last argument says, from the turn that the second one says.
    pub(crate) hits: fn(&Warm, u32, u32),
}

/// The first is what the others are compared with.
pub(crate) const CASES: &[Case] = &[
    Case { name: "bare", hits: measured_bare },
    Case { name: "get", hits: |warm, from, hits| measured_get(&warm.engine, warm, from, hits) },
    Case { name: "get, no clock", hits: |warm, from, hits| measured_get(&warm.still, warm, from, hits) },
    Case { name: "get_or_fetch", hits: |warm, from, hits| measured_fetch(&warm.engine, warm, from, hits) },
    Case {
        name: "get_or_fetch, no clock",
        hits: |warm, from, hits| measured_fetch(&warm.still, warm, from, hits),
    },
    Case { name: "key, then get_or_fetch", hits: measured_whole },
];

/// `quick_cache` by the bytes of the key: nothing is checked.
#[inline(never)]
fn measured_bare(warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        black_box(warm.bare.get(warm.at(turn).key.as_bytes()));
    }
}

/// The engine asked without a load.
#[inline(never)]
fn measured_get(engine: &Engine, warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        hit(engine.get(warm.at(turn)).expect("it is warm"));
    }
}

/// The engine asked with a load, as every caller does, the question at hand.
#[inline(never)]
fn measured_fetch(engine: &Engine, warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        let load = |_| async { Ok(Loaded::absent()) };
        hit(ready(engine.get_or_fetch(warm.at(turn), load)).expect("it is warm"));
    }
}

/// The same with the question made for each hit: key and tag from their texts.
#[inline(never)]
fn measured_whole(warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        let number = turn.wrapping_mul(0x9E37_79B1) & (warm.questions.len() as u32 - 1);
        let load = |_| async { Ok(Loaded::absent()) };
        hit(ready(warm.engine.get_or_fetch(&question(&warm.rules, number), load)).expect("it is warm"));
    }
}
