//! What another configuration changes in a running engine.

use super::Engine;
use crate::key::Key;

impl Engine {
    /// Changes how many bytes entries may take, from now on, and answers what the heaviest one is that is kept then.
    pub fn resize(&self, bytes_max: u64) -> u64 {
        self.0.memory.resize(bytes_max);
        self.0.memory.heaviest()
    }

    /// Frees the memory of the entries whose keys nobody can ask for any more. That is all it does: what must not be
    /// answered is invalidated, or has another key. Takes time in proportion to the number of entries.
    pub fn forget(&self, is_gone: impl Fn(&Key) -> bool) {
        let mut gone = Vec::new();
        self.0.memory.for_each(|entry| {
            let key = entry.key();
            if is_gone(&key) {
                gone.push(key);
            }
        });
        for key in &gone {
            // What it returns is dropped outside of the critical section.
            let _entry = self.0.flights.exclusively(key, || self.0.memory.remove(key));
        }
    }
}
