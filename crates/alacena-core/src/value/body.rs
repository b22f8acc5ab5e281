//! An answer as bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::Value;
use crate::source::Validator;

/// An answer as bytes: what declared reads load and the server sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    bytes: Bytes,
    content_type: &'static str,
    etag: [u8; 16],
    validator: Option<Arc<Validator>>,
}

impl Body {
    /// A JSON document.
    #[must_use]
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let hash = blake3::hash(&bytes);
        let mut etag = [0; 16];
        etag.copy_from_slice(&hash.as_bytes()[..16]);
        Self { bytes, content_type: "application/json", etag, validator: None }
    }

    /// The same with what its source said about its version.
    #[must_use]
    pub fn with_validator(self, validator: Option<Validator>) -> Self {
        Self { validator: validator.map(Arc::new), ..self }
    }

    /// What its source said about its version, to be shown to it when it is asked again.
    #[must_use]
    pub fn validator(&self) -> Option<&Arc<Validator>> {
        self.validator.as_ref()
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their media type.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// 128 bits of the BLAKE3 hash of the bytes: the strong validator of the answer.
    #[must_use]
    pub fn etag(&self) -> [u8; 16] {
        self.etag
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Value {
        let weight = body.bytes.len();
        let digest = u64::from_le_bytes(body.etag[..8].try_into().expect("an etag has sixteen bytes"));
        Value::new(body, weight, digest)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes of {})", self.bytes.len(), self.content_type)
    }
}
