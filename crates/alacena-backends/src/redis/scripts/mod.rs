//! What a shard does in one step where no command does: Lua that runs at the server.
//!
//! Each is a file beside this one, and says there what it takes and answers. All keys of a script belong to one entry and
//! so to one hash slot, but for `mint` and `check`, whose markers lie in any: a cluster gets one call for each slot.

use super::Script;

/// Text that begins with the check of the era.
macro_rules! in_era {
    ($file:literal) => {
        Script::new(concat!(include_str!("era.lua"), include_str!($file)))
    };
}

/// The scripts of a shard.
#[derive(Debug)]
pub(super) struct Scripts {
    /// Markers, and the nonces of those that are missing → what all hold.
    pub(super) mint: Script,
    /// Markers → what the server says of itself, what they hold.
    pub(super) check: Script,
    /// Entry and lease → the entry, the lease, or for how long to wait.
    pub(super) begin: Script,
    /// Entry and lease, an envelope → whether it was stored.
    pub(super) store: Script,
    /// Entry with lease, marker of its bucket and other name, an envelope → whether it was put there.
    pub(super) overwrite: Script,
    /// Lease → whether it was held.
    pub(super) renew: Script,
    /// Lease → whether it was held.
    pub(super) release: Script,
    /// A key of no meaning → a write that replicas are told of.
    pub(super) pulse: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            mint: in_era!("mint.lua"),
            check: Script::new(include_str!("check.lua")),
            begin: in_era!("begin.lua"),
            store: in_era!("store.lua"),
            overwrite: in_era!("overwrite.lua"),
            renew: in_era!("renew.lua"),
            release: in_era!("release.lua"),
            pulse: in_era!("pulse.lua"),
        }
    }

    /// Those that run on the data connection.
    pub(super) fn of_data(&self) -> impl Iterator<Item = &Script> {
        [&self.mint, &self.check, &self.store, &self.overwrite, &self.renew, &self.release, &self.pulse]
            .into_iter()
    }
}
