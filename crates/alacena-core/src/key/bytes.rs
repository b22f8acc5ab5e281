//! The bytes of a key that is being looked up.

use std::fmt;

use super::{KEY_BYTES_MAX, Key, too_long};
use crate::error::Error;

/// The bytes of a key that is being looked up.
#[derive(Clone)]
pub struct KeyBytes {
    /// The first of them, as long as these are all.
    short: [u8; SHORT_BYTES],
    length: usize,
    /// All of them, once they are more.
    long: Vec<u8>,
}

/// Bytes of a key that is looked up without asking for memory.
const SHORT_BYTES: usize = 128;

impl Default for KeyBytes {
    fn default() -> Self {
        Self { short: [0; SHORT_BYTES], length: 0, long: Vec::new() }
    }
}

impl KeyBytes {
    /// The whole tuple.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        if self.length <= SHORT_BYTES { &self.short[..self.length] } else { &self.long }
    }

    /// The key of this tuple.
    #[must_use]
    pub fn to_key(&self) -> Key {
        Key(self.as_bytes().into())
    }

    #[inline]
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), Error> {
        // Where it does not fit 16 bits, the part itself does not fit either.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        self.extend(&length.to_be_bytes())?;
        self.extend(part)
    }

    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.length + bytes.len();
        let Some(room) = self.short.get_mut(self.length..end) else { return self.extend_long(bytes) };
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    #[cold]
    fn extend_long(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.length + bytes.len();
        if end > KEY_BYTES_MAX {
            return Err(too_long(format!("a key has at most {KEY_BYTES_MAX} bytes")));
        }
        if self.length <= SHORT_BYTES {
            self.long.extend_from_slice(&self.short[..self.length]);
        }
        self.long.extend_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_key().fmt(f)
    }
}
