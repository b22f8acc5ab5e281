//! Keys, and the cipher: XChaCha20-Poly1305.
//!
//! Why this one: its nonces have 192 bits, so that drawing one at random for every record needs no counter that would
//! have to survive crashes and copies of the file, and no limit on records per key. It is fast without instructions
//! that some machines lack, and constant in time without them. AES-256-GCM-SIV would forgive a nonce that is used
//! twice, which does not happen; the AEADs of ring have nonces of 96 bits, too few to draw.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};

use super::{
    Header, Subject, Unreadable,
    header::{HEADER_BYTES, NONCE_BYTES},
};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Names a key without telling anything about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub(super) [u8; 8]);

impl KeyId {
    /// The name that these bytes are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The name as bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyId {
    /// Its sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A key that envelopes are sealed with. Never shown.
#[derive(Clone)]
pub struct SealKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// Why a text is not a key. It says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefused;

impl fmt::Display for KeyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not 32 bytes, written in base64 or as 64 hexadecimal digits")
    }
}

impl std::error::Error for KeyRefused {}

impl SealKey {
    /// The key of these bytes, which must have been drawn at random.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let cipher_key = blake3::derive_key("alacena envelope v1 cipher key", bytes);
        let named = blake3::derive_key("alacena envelope v1 key id", bytes);
        let mut id = [0; 8];
        id.copy_from_slice(&named[..8]);
        Self { id: KeyId(id), cipher: XChaCha20Poly1305::new(&cipher_key.into()) }
    }

    /// The key that `text` spells: 32 bytes in base64, of either alphabet and with or without its padding, or in
    /// hexadecimal.
    ///
    /// ```
    /// use alacena_core::envelope::SealKey;
    ///
    /// let key = SealKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
    /// let same = SealKey::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
    /// assert_eq!(key.id(), same.id());
    /// assert!(SealKey::parse("correct horse battery staple").is_err());
    /// # Ok::<(), alacena_core::envelope::KeyRefused>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyRefused`] where it is anything else.
    pub fn parse(text: &str) -> Result<Self, KeyRefused> {
        let text = text.as_bytes();
        let bytes =
            if text.len() == 2 * KEY_BYTES { from_digits(text, 4) } else { from_digits(unpadded(text), 6) };
        Ok(Self::new(&bytes.ok_or(KeyRefused)?))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for SealKey {
    /// Shows its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.id)
    }
}

/// The key that is sealed with, and the one before it, which only opens.
#[derive(Clone, Debug)]
pub struct SealKeys {
    current: SealKey,
    previous: Option<SealKey>,
}

impl SealKeys {
    /// Seals with `current`, and opens with it and with `previous`.
    #[must_use]
    pub fn new(current: SealKey, previous: Option<SealKey>) -> Self {
        Self { current, previous }
    }

    /// The name of the key that is sealed with.
    #[must_use]
    pub fn current(&self) -> KeyId {
        self.current.id
    }

    /// The name of the key before it, which only opens.
    #[must_use]
    pub fn previous(&self) -> Option<KeyId> {
        self.previous.as_ref().map(SealKey::id)
    }

    /// Whether an envelope that is sealed with the key of this name can be opened.
    #[must_use]
    pub fn opens(&self, id: KeyId) -> bool {
        self.key(id).is_some()
    }

    /// Seals `content` as the value of `subject`. `nonce` must be drawn at random, each time anew.
    ///
    /// ```
    /// use alacena_core::envelope::{SealKey, SealKeys, Subject, Unreadable};
    ///
    /// let keys = SealKeys::new(SealKey::new(&[7; 32]), None);
    /// let (mine, other) = (Subject::new("text", b"1"), Subject::new("text", b"2"));
    /// let envelope = keys.seal(&mine, b"company:42", [9; 24]);
    /// assert_eq!(keys.open(&mine, &envelope).as_deref(), Ok(b"company:42".as_slice()));
    /// assert_eq!(keys.open(&other, &envelope), Err(Unreadable::OtherSubject));
    /// ```
    #[must_use]
    pub fn seal(&self, subject: &Subject, content: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let header = Header { key: self.current.id, subject: *subject, nonce };
        let head = header.to_bytes();
        [head.as_slice(), &self.seal_beside(&head, content, nonce)].concat()
    }

    /// The content of `envelope`, if it is the value of `subject` and has not been changed.
    ///
    /// # Errors
    /// [`Unreadable`] says why not.
    pub fn open(&self, subject: &Subject, envelope: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let (header, sealed) = Header::read(envelope)?;
        if header.subject.digest != subject.digest {
            return Err(Unreadable::OtherSubject);
        }
        if header.subject.fingerprint != subject.fingerprint {
            return Err(Unreadable::OtherForm);
        }
        self.open_beside(header.key, &envelope[..HEADER_BYTES], sealed, header.nonce)
    }

    /// `content` sealed with the current key, beside what stands in the clear and cannot be changed unnoticed either.
    pub(crate) fn seal_beside(&self, clear: &[u8], content: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let sealed = self.current.cipher.encrypt(&nonce.into(), Payload { msg: content, aad: clear });
        sealed.expect("no content in memory has the 256 GiB that are too many")
    }

    /// What was sealed with that key beside that.
    pub(crate) fn open_beside(
        &self,
        key: KeyId,
        clear: &[u8],
        sealed: &[u8],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Vec<u8>, Unreadable> {
        let cipher = &self.key(key).ok_or(Unreadable::OtherKey(key))?.cipher;
        let payload = Payload { msg: sealed, aad: clear };
        cipher.decrypt(&nonce.into(), payload).map_err(|_| Unreadable::Damaged)
    }

    fn key(&self, id: KeyId) -> Option<&SealKey> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|key| key.id == id)
    }
}

fn unpadded(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"=").unwrap_or(text)
}

/// The bytes that `digits` of so many bits spell; `None` unless it is exactly a key, and no bit is left over.
fn from_digits(digits: &[u8], bits: u32) -> Option<[u8; KEY_BYTES]> {
    let (mut bytes, mut at) = ([0_u8; KEY_BYTES], 0);
    let (mut pending, mut pending_bits) = (0_u32, 0);
    for digit in digits {
        pending = (pending << bits) | u32::from(value(*digit, bits)?);
        pending_bits += bits;
        if pending_bits >= 8 {
            pending_bits -= 8;
            *bytes.get_mut(at)? = u8::try_from((pending >> pending_bits) & 0xff).ok()?;
            at += 1;
            pending &= (1 << pending_bits) - 1;
        }
    }
    (at == KEY_BYTES && pending == 0 && pending_bits < bits).then_some(bytes)
}

/// What one digit of hexadecimal (4 bits) or base64 (6 bits) is worth.
fn value(digit: u8, bits: u32) -> Option<u8> {
    match (bits, digit) {
        (4, b'0'..=b'9') => Some(digit - b'0'),
        (4, b'a'..=b'f') => Some(digit - b'a' + 10),
        (4, b'A'..=b'F') => Some(digit - b'A' + 10),
        (6, b'A'..=b'Z') => Some(digit - b'A'),
        (6, b'a'..=b'z') => Some(digit - b'a' + 26),
        (6, b'0'..=b'9') => Some(digit - b'0' + 52),
        (6, b'+' | b'-') => Some(62),
        (6, b'/' | b'_') => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
