//! Single flight: one load per key at a time, and everybody else waits for it.
//!
//! States of one key, and who may change them:
//!
//! ```text
//!              ask: lead                    finished, kept
//!     idle ───────────────▶ loading(attempt) ───────────────▶ idle
//!      ▲  ▲                    │   │    │
//!      │  │ revoke, or a newer │   │    └─ failed ─▶ resting(until) ── ask after until: lead
//!      │  └─ attempt leads ────┘   └─ uncacheable ─▶ alone(until)   ── ask before until: load alone
//!      └──────────────────────────────────────────────── until has passed
//! ```
//!
//! * Only the attempt that the key is loading may change its state; an attempt that was superseded or revoked finds
//!   another one, or none, and its value is answered to those who waited for it but not kept.
//! * A caller joins a load only if nothing that the load depends on was invalidated since it began: whoever asks
//!   after an invalidation never gets what was asked before it.
//! * A failure is shared by everyone who waited; the next attempt waits for the back-off.
//!
//! [`protocol`] is the pure state machine, [`Flights`] the table of it with the channels that wake waiters.

pub mod protocol;
mod table;

pub use table::{Flights, Landing, Settled, Turn};
