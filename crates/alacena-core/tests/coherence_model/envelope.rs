//! Entries as the model stores them: what the protocol looks at, and nothing else.

use alacena_core::tier::{Era, Fill, Nonce};
use bytes::Bytes;

/// What stands in an entry. Like a real one it has its fill at the fifth byte, where the server looks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Envelope {
    pub(crate) fill: Fill,
    pub(crate) era: Era,
    pub(crate) value: u8,
    /// When it was loaded.
    pub(crate) tick: u8,
    /// What the markers of its deps held, in their order.
    pub(crate) deps: Vec<Nonce>,
}

impl Envelope {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = vec![0; 4];
        bytes.extend(self.fill.0.to_be_bytes());
        bytes.extend(self.era.0.to_be_bytes());
        bytes.extend([self.value, self.tick]);
        self.deps.iter().for_each(|nonce| bytes.extend(nonce.to_bytes()));
        bytes.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let deps = bytes[22..].chunks(16).map(|nonce| Nonce::from_bytes(nonce).unwrap()).collect();
        Self { fill: Fill(number(4)), era: Era(number(12)), value: bytes[20], tick: bytes[21], deps }
    }
}
