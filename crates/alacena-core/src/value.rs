//! What an entry holds: any shared value, with what the engine must know of it.

use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;

use crate::source::Validator;

/// A shared, immutable value of any type with its weight and digest.
///
/// The engine never looks inside. One engine holds the typed values of a library and the [`Body`]s of a server.
///
/// ```
/// use alacena_core::value::Value;
///
/// let value = Value::new(vec![1_u8, 2, 3], 3, 7);
/// assert_eq!(value.downcast::<Vec<u8>>().expect("it is one").as_slice(), &[1, 2, 3]);
/// assert!(value.downcast::<String>().is_none());
/// ```
#[derive(Clone)]
pub struct Value {
    any: Arc<dyn Any + Send + Sync>,
    weight: u32,
    digest: u64,
    version: Option<u64>,
}

impl Value {
    /// Wraps `inner`. `weight` is what it costs in memory, in bytes; `digest` is equal for equal values and tells
    /// whether a refresh changed anything.
    pub fn new<T: Any + Send + Sync>(inner: T, weight: usize, digest: u64) -> Self {
        Self {
            any: Arc::new(inner),
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            digest,
            version: None,
        }
    }

    /// The same value with its version at the source: of two values of one key the greater one is the newer.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Its version at the source, where it has one.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// The value, if it is a `T`.
    #[must_use]
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.any).downcast().ok()
    }

    /// The value, if it is a `T`, without taking a share of it.
    #[must_use]
    pub fn downcast_ref<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.any.downcast_ref()
    }

    /// What it costs in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight as usize
    }

    /// Equal for equal values.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

impl fmt::Debug for Value {
    /// Says how large it is, never what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes, {:016x})", self.weight, self.digest)
    }
}

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
