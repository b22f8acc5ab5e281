//! The system's allocator, counted.
#![expect(
    unsafe_code,
    reason = "only an allocator sees every allocation, and an allocator is unsafe to implement"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Hands everything on to the system's allocator and counts it, while it is told to.
pub(crate) struct Counting;

/// What has been counted.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    /// Blocks handed out or made larger or smaller.
    pub(crate) allocations: u64,
    /// Bytes asked for and not given back.
    pub(crate) bytes: i64,
}

static COUNTS: AtomicBool = AtomicBool::new(true);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ASKED: AtomicU64 = AtomicU64::new(0);
static GIVEN_BACK: AtomicU64 = AtomicU64::new(0);

/// Counts no more, so that threads that allocate are timed without meeting at the counters.
pub(crate) fn stop() {
    COUNTS.store(false, Ordering::Relaxed);
}

/// What has been counted until now.
pub(crate) fn counted() -> Counted {
    let bytes = ASKED.load(Ordering::Relaxed).wrapping_sub(GIVEN_BACK.load(Ordering::Relaxed));
    Counted { allocations: ALLOCATIONS.load(Ordering::Relaxed), bytes: bytes.cast_signed() }
}

fn count(asked: usize, given_back: usize) {
    if COUNTS.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(u64::from(asked > 0), Ordering::Relaxed);
        ASKED.fetch_add(asked as u64, Ordering::Relaxed);
        GIVEN_BACK.fetch_add(given_back as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator with what the caller gave, and its answer back unchanged; counting
// in atomics allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above; `block` came from the system's allocator, as all blocks here do.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}
