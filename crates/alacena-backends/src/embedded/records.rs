//! How a record is written: as JSON for everybody who can read the file, or sealed.
//!
//! In a sealed store everything is sealed: a record that is not, or that was sealed for another place, is unreadable
//! there, so that nobody who can write the file can put words into Alacena's mouth.

use alacena_core::{
    envelope::{SealKeys, Subject, Unreadable},
    runtime::SharedRuntime,
};
use serde::{Serialize, de::DeserializeOwned};

const FORMAT_READABLE: u64 = 1;
const FORMAT_SEALED: u64 = 2;
/// The greatest format that is known.
pub(super) const FORMAT_MAX: u64 = FORMAT_SEALED;

/// Where a record stands, and which form its content has.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The write under this number.
    Intent(u64),
    /// The invalidation under this number.
    History(u64),
    /// The record under this number of the journal of the shard with this digest.
    Journal(u64, u64),
    /// The key of principals.
    Principals,
}

impl Place {
    fn subject(self) -> Subject {
        let (form, key) = match self {
            Place::Intent(id) => ("alacena store intent v1", format!("intents/{id}")),
            Place::History(id) => ("alacena store invalidation v1", format!("history/{id}")),
            Place::Journal(shard, id) => ("alacena store journal v1", format!("journal/{shard}/{id}")),
            Place::Principals => ("alacena store secret v1", "secrets/principals".to_owned()),
        };
        Subject::new(form, key.as_bytes())
    }
}

/// Writes and reads records.
#[derive(Clone)]
pub(super) struct Records {
    /// `None`: they are written as they are.
    keys: Option<SealKeys>,
    runtime: SharedRuntime,
}

impl Records {
    pub(super) fn new(keys: Option<SealKeys>, runtime: SharedRuntime) -> Self {
        Self { keys, runtime }
    }

    pub(super) fn keys(&self) -> Option<&SealKeys> {
        self.keys.as_ref()
    }

    /// The number that says how a store with these records is written. A store with one that is not known is left
    /// alone, so that no version takes a sealed store for an unreadable one.
    pub(super) fn format(&self) -> u64 {
        if self.keys.is_some() { FORMAT_SEALED } else { FORMAT_READABLE }
    }

    /// Draws bytes that nobody can guess.
    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.runtime.random().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// `record` as it is written.
    pub(super) fn json(&self, place: Place, record: &impl Serialize) -> Vec<u8> {
        let json =
            serde_json::to_vec(record).expect("records have text keys and no map can fail to be written");
        self.write(place, &json)
    }

    /// The record that was written as `bytes`.
    pub(super) fn record<T: DeserializeOwned>(&self, place: Place, bytes: &[u8]) -> Result<T, String> {
        let content = self.read(place, bytes).map_err(|unreadable| unreadable.to_string())?;
        // What serde says of it may hold a part of it.
        serde_json::from_slice(&content).map_err(|_| "it is not what is written there".to_owned())
    }

    /// `content` as it is written.
    pub(super) fn write(&self, place: Place, content: &[u8]) -> Vec<u8> {
        match &self.keys {
            None => content.to_vec(),
            Some(keys) => keys.seal(&place.subject(), content, self.random()),
        }
    }

    /// The content that was written as `bytes`.
    pub(super) fn read(&self, place: Place, bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        match &self.keys {
            None => Ok(bytes.to_vec()),
            Some(keys) => keys.open(&place.subject(), bytes),
        }
    }
}
