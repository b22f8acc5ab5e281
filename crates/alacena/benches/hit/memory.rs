//! What a million entries take beside their keys and values.

use std::{fs, sync::Arc};

use alacena_core::{
    engine::Loaded,
    runtime::SharedRuntime,
    value::{Body, Value},
};

use crate::{
    clock::Still,
    heap,
    warm::{Payload, bare, common_question, engine, question, ready, rules},
};

const ENTRIES: u32 = 1_000_000;

/// Fills one of the three from nothing and says what an entry takes, as asked of the heap and as held of the machine.
pub(crate) fn measure(kind: &str) {
    let rules = rules();
    let (heap_before, held_before) = (heap::counted().bytes, resident());
    let mut keys = 0;
    // Alive until everything is read.
    let (mut table, mut filled) = (None, None);
    match kind {
        "bare" => {
            let table = table.insert(bare(ENTRIES as usize));
            for number in 0..ENTRIES {
                let key = common_question(&rules, number).key;
                keys += key.as_bytes().len();
                table.insert(key, Arc::new(Payload::of(number)));
            }
        }
        "typed" | "own tag" | "body" => {
            let still: SharedRuntime = Arc::new(Still::default());
            let engine = filled.insert(engine(&still));
            let is_body = kind == "body";
            for number in 0..ENTRIES {
                let question = match kind {
                    "own tag" => question(&rules, number, number),
                    _ => common_question(&rules, number),
                };
                keys += question.key.as_bytes().len();
                let load = move |_| async move { Ok(Loaded::found(value(is_body, number))) };
                ready(engine.get_or_fetch(&question, load)).expect("it loads");
            }
            assert_eq!(engine.figures().entries, u64::from(ENTRIES), "every entry is in memory");
        }
        other => unreachable!("`{other}` is none of the kinds"),
    }
    let each = |bytes: i64| bytes as f64 / f64::from(ENTRIES);
    let payload = (keys + Payload::BYTES * ENTRIES as usize) as i64;
    let (heap, held) = (heap::counted().bytes - heap_before, resident() - held_before);
    println!(
        "{kind}: {:.0} bytes of key and value an entry; beside them {:.0} asked of the heap, {:.0} held of the machine",
        each(payload),
        each(heap - payload),
        each(held - payload)
    );
    if let Some(engine) = &filled {
        println!(
            "  the engine itself accounts for {:.0} an entry in all",
            each(engine.figures().bytes as i64)
        );
    }
    drop((table, filled));
}

fn value(is_body: bool, number: u32) -> Value {
    let payload = Payload::of(number);
    if is_body { Body::json(payload.as_bytes()).into() } else { Value::new(payload, 0, number.into()) }
}

/// Bytes of memory that the machine has given to this process.
fn resident() -> i64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux tells a process what it holds");
    let pages: i64 =
        pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second is a number");
    pages * i64::try_from(rustix::param::page_size()).expect("a page is small")
}
