//! The cases, each a loop of its own so that callgrind finds it by name and nothing is dispatched within.

use std::hint::black_box;

use alacena::Class;
use alacena_core::engine::{Engine, Loaded};

use crate::warm::{Payload, Warm, ready};

/// One way to be answered from memory.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Makes as many hits as the last argument says, from the turn that the second one says.
    pub(crate) hits: fn(&Warm, u32, u32),
}

/// The first is what the others are compared with.
pub(crate) const CASES: &[Case] = &[
    Case { name: "bare", hits: measured_bare },
    Case { name: "Engine::get", hits: |warm, from, hits| measured_get(&warm.engine, warm, from, hits) },
    Case {
        name: "Engine::get, no clock",
        hits: |warm, from, hits| measured_get(&warm.still, warm, from, hits),
    },
    Case {
        name: "Engine::get_or_fetch",
        hits: |warm, from, hits| measured_fetch(&warm.engine, warm, from, hits),
    },
    Case {
        name: "Engine::get_or_fetch, no clock",
        hits: |warm, from, hits| measured_fetch(&warm.still, warm, from, hits),
    },
    Case {
        name: "Class::get_or_fetch",
        hits: |warm, from, hits| measured_class(&warm.class, warm, from, hits),
    },
    Case {
        name: "Class::get_or_fetch, no clock",
        hits: |warm, from, hits| measured_class(&warm.still_class, warm, from, hits),
    },
];

/// `quick_cache` by the bytes of the key: nothing is checked.
#[inline(never)]
fn measured_bare(warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        black_box(warm.bare.get(warm.at(turn).question.key.as_bytes()));
    }
}

/// The engine asked without a load.
#[inline(never)]
fn measured_get(engine: &Engine, warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        black_box(&engine.get(&warm.at(turn).question).expect("it is warm"));
    }
}

/// The engine asked with a load, the question at hand.
#[inline(never)]
fn measured_fetch(engine: &Engine, warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        let load = |_| async { Ok(Loaded::absent()) };
        black_box(&ready(engine.get_or_fetch(&warm.at(turn).question, load)).expect("it is warm"));
    }
}

/// A class asked as an application asks it, the key and the tag as texts; the value is looked at.
#[inline(never)]
fn measured_class(class: &Class<Payload>, warm: &Warm, from: u32, hits: u32) {
    for turn in from..from + hits {
        let asked = warm.at(turn);
        let load = || async { Ok(None) };
        let outcome = ready(class.get_or_fetch([&asked.number], &[&asked.tag], load)).expect("it is warm");
        black_box(outcome.value());
    }
}
