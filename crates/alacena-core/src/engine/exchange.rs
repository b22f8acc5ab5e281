//! Another form of a value in its place: with an encoding beside it, say. Neither a load nor a put: it is the same
//! value, as old as before, and depends on the same.

use super::Engine;
use crate::{key::Key, value::Value};

impl Engine {
    /// Puts `new`, which says the same, in the place of `old` under `key`; whether it did. It does not where something
    /// else is held by now, or where there is no room for it.
    ///
    /// ```text
    ///   who encodes             another                     without the look within the critical section
    ///   takes version 1
    ///                           loads version 2, stores it
    ///   puts 1 with its gzip                                version 1 is back
    /// ```
    pub fn exchange(&self, key: &Key, old: &Value, new: Value) -> bool {
        let new = match old.version() {
            Some(version) => new.with_version(version),
            None => new,
        };
        let exchanged = self.0.flights.exclusively(key, || {
            let held = self.0.memory.get(key.as_bytes())?;
            if !held.value().is_some_and(|value| value.is(old)) {
                return None;
            }
            let victims = self.0.memory.put(held.with_value(new));
            // Handed out of the critical section, with whatever else gives way.
            Some((victims, held))
        });
        matches!(exchanged, Some((Some(_), _)))
    }
}
