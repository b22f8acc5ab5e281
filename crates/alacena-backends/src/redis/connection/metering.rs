//! Counting what is sent to a server whose commands are paid for.

use std::{fmt, sync::Arc};

use alacena_core::{
    runtime::SharedRuntime,
    tier::{Meter, Spending},
};
use parking_lot::Mutex;

/// Counts every command on every connection to a [`Server`](super::Server), the greeting included, and refuses what the day
/// has not.
pub(super) struct Metering {
    /// Held for a few instructions, once for each command or pipeline.
    meter: Mutex<Meter>,
    runtime: SharedRuntime,
}

impl Metering {
    pub(super) fn new(commands_per_day: u64, runtime: &SharedRuntime) -> Self {
        let meter = Meter::new(commands_per_day, runtime.unix_millis());
        Self { meter: Mutex::new(meter), runtime: Arc::clone(runtime) }
    }

    /// Whether so many commands may be sent, which are counted then.
    pub(super) fn take(&self, commands: usize) -> bool {
        self.meter.lock().take(commands as u64, self.runtime.unix_millis())
    }

    pub(super) fn spending(&self) -> Spending {
        self.meter.lock().spending(self.runtime.unix_millis())
    }
}

impl fmt::Debug for Metering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metering").field(&self.meter.lock()).finish()
    }
}
