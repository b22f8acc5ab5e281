//! Single flight: one load per key at a time, and everybody else waits for it.
//!
//! States of one key, and who may change them:
//!
//! ```text
//!              ask: lead                    finished
//!     idle ───────────────▶ loading(attempt) ─────────▶ idle
//!      ▲                      │  │    │
//!      │ revoke               │  │    └─ failed ─▶ resting(until) ── ask after until: lead
//!      ├──────────────────────┘  └─ uncacheable ─▶ alone(until)   ── ask before until: load alone
//!      └───────────────────────────────────────────── until has passed
//! ```
//!
//! * A newer attempt can lead while older ones are still loading. Only the newest may be joined and says what comes
//!   next; an older one still keeps its value if none that began later has, and if the key was not invalidated
//!   meanwhile. Otherwise its value is answered to those who waited for it, and not kept.
//! * A caller joins a load only if nothing that the load depends on was invalidated since it began: whoever asks
//!   after an invalidation never gets what was asked before it.
//! * A failure is shared by everyone who waited; the next attempt waits for the back-off. What only says that a load had
//!   nobody to wait for it when it began, a refresh or a warming, is no failure: a caller who joined it leads the next.
//!
//! [`protocol`] is the pure state machine, [`Flights`] the table of it with the channels that wake waiters.

pub mod protocol;
mod table;

pub use table::{Flights, Landed, Landing, Look, Settled, Turn, Unsettled};
