//! How bytes are kept outside of this process's memory: named, authenticated, secret.
//!
//! An envelope says by itself what it is: a magic number and a version (what it is at all), a digest of what it is the
//! value of, a fingerprint of the form that its content has, and the name of the key that it is sealed with. Whoever
//! opens one says what it expects, and gets that or an [`Unreadable`], never something else's value:
//!
//! ```text
//!   byte   0   3   4        12       28            36      60
//!          | magic | version | key id | digest | fingerprint | nonce | content, sealed, and its tag of 16 bytes
//!          '--------------- header: in the clear, authenticated -------'
//! ```
//!
//! `header` is the layout, `seal` the keys and the cipher. `compress` is about bytes that stay in memory: compressing
//! what is then sealed would let its length tell of secrets beside what an attacker may choose.
//!
//! # What sealing does and does not do
//! Who has the file and no key learns how many records there are, how large they are and under which numbers they
//! stand. A record that was changed, made up, or moved to another's place is refused. A record that was taken away, or
//! a whole file that was replaced by another, is not noticed.

mod header;
mod seal;
pub mod compress;

pub use header::{HEADER_BYTES, Header, Subject, VERSION};
pub use seal::{KeyId, KeyRefused, SealKey, SealKeys};

use std::fmt;

/// Why an envelope was not opened. Whatever the reason, what stood there counts as not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// It does not begin as an envelope does, or ends before its header does.
    NotAnEnvelope,
    /// It is of a version that is not known here.
    OtherVersion(u8),
    /// It is the value of something else than was asked for.
    OtherSubject,
    /// Its content has another form than is known here.
    OtherForm,
    /// It is sealed with a key that is not at hand.
    OtherKey(KeyId),
    /// It is not sealed, and everything here is.
    NotSealed,
    /// It was changed since it was written: its seal is broken, or its check is wrong.
    Damaged,
}

impl Unreadable {
    /// The words for all of them.
    pub const WORDS: [&str; 7] = [
        "not-an-envelope",
        "other-version",
        "other-subject",
        "other-form",
        "other-key",
        "not-sealed",
        "damaged",
    ];

    /// The word used in logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Unreadable::NotAnEnvelope => "not-an-envelope",
            Unreadable::OtherVersion(_) => "other-version",
            Unreadable::OtherSubject => "other-subject",
            Unreadable::OtherForm => "other-form",
            Unreadable::OtherKey(_) => "other-key",
            Unreadable::NotSealed => "not-sealed",
            Unreadable::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotAnEnvelope => f.write_str("it is no envelope"),
            Unreadable::OtherVersion(version) => {
                write!(f, "its envelope is of version {version}, which is not known here")
            }
            Unreadable::OtherSubject => f.write_str("it is the value of something else"),
            Unreadable::OtherForm => f.write_str("its content has another form"),
            Unreadable::OtherKey(id) => write!(f, "it is sealed with the key {id}, which is not at hand"),
            Unreadable::NotSealed => f.write_str("it is not sealed, and has to be"),
            Unreadable::Damaged => f.write_str("it was changed since it was written"),
        }
    }
}

impl std::error::Error for Unreadable {}
