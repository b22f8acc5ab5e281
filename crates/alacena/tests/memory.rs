//! What hits and entries take of the heap, as the heap counts it.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "../benches/hit/heap.rs"]
#[expect(dead_code, reason = "the bench stops counting while it reads the time")]
mod heap;

use std::time::Duration;

use alacena::{Alacena, Class, class::Policy};
use serde::Serialize;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

#[derive(Clone, Copy, Serialize)]
struct Payload([u64; 8]);

const ENTRIES: u32 = 60_000;

/// One test, since the heap is everybody's.
#[test]
fn a_typed_hit_asks_for_no_memory_and_entries_are_charged_for_what_they_take() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    tokio.block_on(async {
        let before = heap::counted().bytes;
        let alacena = Alacena::builder().build();
        let policy = Policy { ttl: Duration::from_secs(3600), ..Policy::default() };
        let jobs: Class<Payload> = alacena.class("jobs", policy).unwrap();
        for number in 0..ENTRIES {
            let (tag, value) = (format!("company:{}", number % 1000), Payload([number.into(); 8]));
            let load = move || async move { Ok(Some(value)) };
            jobs.get_or_fetch([number.to_string()], &[&tag], load).await.unwrap();
        }
        let taken = heap::counted().bytes - before;
        let charged = i64::try_from(alacena.figures().bytes).unwrap();
        let entries = alacena.figures().entries;
        assert_eq!(entries, u64::from(ENTRIES), "every entry is in memory");
        assert!((charged - taken).abs() * 10 <= taken, "charged {charged} bytes, taken {taken}");

        let allocations = heap::counted().allocations;
        for number in 0..1000_u32 {
            let mut digits = [0; 4];
            let key = text(number, &mut digits);
            let load = || async { Ok(None) };
            let outcome = jobs.get_or_fetch([key], &["company:42"], load).await.unwrap();
            assert!(outcome.is_hit());
            assert_eq!(outcome.value().unwrap().0, [u64::from(number); 8]);
            assert!(jobs.get([key]).unwrap().is_some());
        }
        assert_eq!(heap::counted().allocations, allocations);
    });
}

/// A number as text that nothing is asked of the heap for.
fn text(number: u32, digits: &mut [u8; 4]) -> &str {
    let (mut rest, mut at) = (number, digits.len());
    while rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap();
        rest /= 10;
    }
    std::str::from_utf8(&digits[at..]).unwrap()
}
