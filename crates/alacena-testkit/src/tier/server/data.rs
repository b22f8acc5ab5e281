//! What a server keeps.

use std::collections::BTreeMap;

use alacena_core::tier::{EntryId, EntryName, MarkerId};
use bytes::Bytes;

/// What something is kept under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A marker: its nonce.
    Marker(MarkerId),
    /// An entry: its envelope.
    Entry(EntryName),
    /// A lease: who holds it.
    Lease(EntryId),
}

impl Name {
    /// The name on a real server.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Name::Marker(marker) => marker.name(),
            Name::Entry(entry) => entry.name(),
            Name::Lease(entry) => entry.lease_name(),
        }
    }
}

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// As on a real server.
    pub bytes: Bytes,
    /// When it expires, in milliseconds of the server's clock.
    pub ends: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Data(BTreeMap<Name, Item>);

impl Data {
    pub(super) fn get(&self, name: &Name) -> Option<&Item> {
        self.0.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Name, &Item)> {
        self.0.iter().map(|(name, item)| (name.clone(), item))
    }

    pub(super) fn put(&mut self, name: Name, item: Option<Item>) {
        match item {
            Some(item) => self.0.insert(name, item),
            None => self.0.remove(&name),
        };
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
