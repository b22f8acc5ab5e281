//! The part of an envelope that anybody can read, and nobody can change unnoticed.

use super::{KeyId, Unreadable};

/// The first byte begins no text in UTF-8, so that no document is ever taken for an envelope.
const MAGIC: [u8; 3] = [0xA1, b'l', b'c'];

/// The version that is written. Every version that was ever released is read.
pub const VERSION: u8 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 60;

/// Bytes of a nonce: so many that drawing them at random never draws the same ones twice.
pub(super) const NONCE_BYTES: usize = 24;

/// What an envelope is the value of, and which form its content has.
///
/// ```
/// use alacena_core::envelope::Subject;
///
/// let subject = Subject::new("intent, version 1", b"intents/7");
/// assert_ne!(subject, Subject::new("intent, version 1", b"intents/8"));
/// assert_ne!(subject, Subject::new("intent, version 2", b"intents/7"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// 128 bits of the BLAKE3 hash of the whole key.
    pub digest: [u8; 16],
    /// 64 bits of the BLAKE3 hash of the form's name.
    pub fingerprint: [u8; 8],
}

impl Subject {
    /// The value under `key`, whose form is called `form`. A form that changes gets a new name.
    #[must_use]
    pub fn new(form: &str, key: &[u8]) -> Self {
        Self {
            digest: first(blake3::hash(key).as_bytes()),
            fingerprint: first(blake3::hash(form.as_bytes()).as_bytes()),
        }
    }
}

/// The header of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The key that it is sealed with.
    pub key: KeyId,
    /// What it is the value of.
    pub subject: Subject,
    /// What makes the sealing of equal contents unequal.
    pub nonce: [u8; NONCE_BYTES],
}

impl Header {
    /// The header as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let parts: [&[u8]; 6] =
            [&MAGIC, &[VERSION], &self.key.0, &self.subject.digest, &self.subject.fingerprint, &self.nonce];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        debug_assert!(rest.is_empty(), "the parts are the whole header");
        bytes
    }

    /// Reads the header of `envelope`; what stands after it is the sealed content.
    ///
    /// # Errors
    /// [`Unreadable::NotAnEnvelope`] and [`Unreadable::OtherVersion`].
    pub fn read(envelope: &[u8]) -> Result<(Self, &[u8]), Unreadable> {
        let rest = envelope.strip_prefix(&MAGIC).ok_or(Unreadable::NotAnEnvelope)?;
        let (version, rest) = rest.split_first().ok_or(Unreadable::NotAnEnvelope)?;
        if *version != VERSION {
            return Err(Unreadable::OtherVersion(*version));
        }
        let (key, rest) = taken(rest)?;
        let (digest, rest) = taken(rest)?;
        let (fingerprint, rest) = taken(rest)?;
        let (nonce, sealed) = taken(rest)?;
        Ok((Self { key: KeyId(key), subject: Subject { digest, fingerprint }, nonce }, sealed))
    }
}

fn taken<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Unreadable> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Unreadable::NotAnEnvelope)?;
    Ok((*taken, rest))
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    let mut first = [0; N];
    first.copy_from_slice(&hash[..N]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            key: [u8; 8],
            digest: [u8; 16],
            fingerprint: [u8; 8],
            nonce: [u8; NONCE_BYTES],
            content: Vec<u8>,
        ) {
            let header = Header { key: KeyId(key), subject: Subject { digest, fingerprint }, nonce };
            let envelope = [header.to_bytes().as_slice(), &content].concat();
            prop_assert_eq!(Header::read(&envelope), Ok((header, content.as_slice())));
            for end in 0..HEADER_BYTES {
                prop_assert_eq!(Header::read(&envelope[..end]), Err(Unreadable::NotAnEnvelope));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok((header, sealed)) = Header::read(&bytes) {
                prop_assert_eq!([header.to_bytes().as_slice(), sealed].concat(), bytes);
            }
        }
    }

    #[test]
    fn a_later_version_says_so_and_no_text_is_an_envelope() {
        let header = Header { key: KeyId([0; 8]), subject: Subject::new("", b""), nonce: [0; NONCE_BYTES] };
        let mut later = header.to_bytes();
        later[3] = 2;
        assert_eq!(Header::read(&later), Err(Unreadable::OtherVersion(2)));
        assert!(String::from_utf8(header.to_bytes().to_vec()).is_err());
    }
}
