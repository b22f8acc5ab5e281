//! Entries as the model stores them: what the protocol looks at, and nothing else.

use alacena_core::tier::{Era, Fill, Nonce};
use bytes::Bytes;

use super::state::TAGS;

/// What stands in an entry. Like a real one it has its fill at the fifth byte, where the server looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Envelope {
    pub(crate) fill: Fill,
    pub(crate) era: Era,
    pub(crate) value: u8,
    /// When the source was asked for it.
    pub(crate) stamp: u8,
    /// What the markers of its tags held, in their order.
    pub(crate) deps: [Option<Nonce>; TAGS],
}

/// What stands for no dep, so long as a nonce.
const NONE: [u8; 16] = [0xff; 16];

impl Envelope {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = vec![0; 4];
        bytes.extend(self.fill.0.to_be_bytes());
        bytes.extend(self.era.0.to_be_bytes());
        bytes.extend([self.value, self.stamp]);
        self.deps.iter().for_each(|dep| bytes.extend(dep.map_or(NONE, Nonce::to_bytes)));
        bytes.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let dep = |tag: usize| &bytes[22 + 16 * tag..][..16];
        let deps = std::array::from_fn(|tag| match dep(tag) == NONE {
            true => None,
            false => Nonce::from_bytes(dep(tag)),
        });
        Self { fill: Fill(number(4)), era: Era(number(12)), value: bytes[20], stamp: bytes[21], deps }
    }
}
