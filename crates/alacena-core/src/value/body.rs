//! An answer as bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    Value,
    gzip::{gzip, gzip_if_worth_it},
};
use crate::source::Validator;

/// An answer as bytes: what declared reads load and the server sends.
///
/// It may have the same answer in gzip beside it, for those who [prefer](Body::preferring_gzip) that.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    bytes: Bytes,
    encoding: Encoding,
    content_type: &'static str,
    etag: [u8; 16],
    validator: Option<Arc<Validator>>,
    /// The same body in gzip, where that has been made.
    gzip: Option<Arc<Body>>,
    /// Whether it has been tried, whatever came of it.
    is_tried: bool,
}

/// What was done to the bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Nothing.
    Identity,
    /// They are compressed with gzip (RFC 1952).
    Gzip,
}

impl Body {
    /// A JSON document.
    #[must_use]
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let hash = blake3::hash(&bytes);
        let mut etag = [0; 16];
        etag.copy_from_slice(&hash.as_bytes()[..16]);
        Self::of(bytes, Encoding::Identity, "application/json", etag, None)
    }

    pub(super) fn of(
        bytes: Bytes,
        encoding: Encoding,
        content_type: &'static str,
        etag: [u8; 16],
        validator: Option<Arc<Validator>>,
    ) -> Self {
        Self { bytes, encoding, content_type, etag, validator, gzip: None, is_tried: false }
    }

    /// The same with what its source said about its version.
    #[must_use]
    pub fn with_validator(self, validator: Option<Validator>) -> Self {
        Self { validator: validator.map(Arc::new), ..self }
    }

    pub(super) fn with_shared_validator(self, validator: Option<Arc<Validator>>) -> Self {
        Self { validator, ..self }
    }

    /// Whether it is the same answer.
    pub(super) fn is_same(&self, other: &Body) -> bool {
        self.etag == other.etag && self.content_type == other.content_type
    }

    /// What its source said about its version, to be shown to it when it is asked again.
    #[must_use]
    pub fn validator(&self) -> Option<&Arc<Validator>> {
        self.validator.as_ref()
    }

    /// The bytes to send, in its [`encoding`](Body::encoding).
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What was done to its bytes. Only who says that it takes gzip is ever given any other than the identity.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Their media type.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// 128 bits of the BLAKE3 hash of the bytes without any encoding: the same for every encoding of one answer.
    #[must_use]
    pub fn etag(&self) -> [u8; 16] {
        self.etag
    }

    /// The same answer in gzip, where that has been made; else this one.
    #[must_use]
    pub fn preferring_gzip(&self) -> &Body {
        self.gzip.as_deref().unwrap_or(self)
    }

    /// Whether nobody has tried yet to make it smaller.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.encoding == Encoding::Identity && !self.is_tried
    }

    /// The same with its gzip beside it; or with the knowledge that it would not be worth it, because the bytes are
    /// less than 1 KiB, or stay more than seven eighths. Gives way to other tasks while it works.
    pub async fn with_gzip(self) -> Self {
        if !self.is_untried() {
            return self;
        }
        let encoded = gzip_if_worth_it(&self.bytes).await.map(|gzip| Arc::new(self.encoded(gzip)));
        Self { gzip: encoded, is_tried: true, ..self }
    }

    /// The same with the knowledge that there is to be no gzip beside it.
    #[must_use]
    pub fn without_gzip(self) -> Self {
        Self { gzip: None, is_tried: true, ..self }
    }

    /// The same in gzip, worth it or not: for who takes nothing else.
    pub async fn in_gzip(&self) -> Self {
        match self.preferring_gzip() {
            body if body.encoding == Encoding::Gzip => body.clone(),
            body => body.encoded(gzip(&body.bytes).await),
        }
    }

    fn encoded(&self, gzip: Vec<u8>) -> Self {
        Self::of(gzip.into(), Encoding::Gzip, self.content_type, self.etag, self.validator.clone())
    }

    /// What it costs in memory, in bytes, beside itself.
    fn weight(&self) -> usize {
        let gzip = self.gzip.as_ref().map_or(0, |gzip| size_of::<Body>() + gzip.bytes.len());
        self.bytes.len() + gzip
    }
}

/// What tells answers apart: half of the hash.
pub(super) fn digest(etag: [u8; 16]) -> u64 {
    u64::from_le_bytes(etag[..8].try_into().expect("an etag has sixteen bytes"))
}

impl From<Body> for Value {
    fn from(body: Body) -> Value {
        let (weight, digest) = (body.weight(), digest(body.etag));
        Value::new(body, weight, digest)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes of {}, {:?})", self.bytes.len(), self.content_type, self.encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gzip_stands_beside_the_bytes_and_weighs() {
        let json = br#"{"id":1,"state":"open"},"#.repeat(100);
        let body = Body::json(json.clone());
        assert!(body.is_untried() && body.preferring_gzip() == &body);
        let plain = Value::from(body.clone());

        let body = body.with_gzip().await;
        let gzip = body.preferring_gzip();
        assert_eq!((body.bytes().as_ref(), body.encoding()), (json.as_slice(), Encoding::Identity));
        assert_eq!((gzip.encoding(), gzip.etag()), (Encoding::Gzip, body.etag()));
        assert_eq!(gzip, &body.in_gzip().await);
        assert!(gzip.bytes().len() < 200 && !body.is_untried() && !gzip.is_untried());
        let held = Value::from(body.clone());
        assert_eq!(held.weight(), plain.weight() + gzip.bytes().len() + size_of::<Body>());
        assert_eq!(held.digest(), plain.digest());
    }

    #[tokio::test]
    async fn what_is_small_is_left_alone_unless_somebody_insists() {
        let body = Body::json("{}").with_gzip().await;
        assert!(!body.is_untried());
        assert_eq!(body.preferring_gzip(), &body);
        assert_eq!(body.in_gzip().await.encoding(), Encoding::Gzip);
    }
}
