//! What an entry holds: any shared value, with what the engine must know of it.

mod body;
mod packed;
mod gzip;

pub use body::{Body, Encoding};
#[doc(hidden)]
pub use gzip::gunzip;
pub use packed::{Compression, Kept};

use std::{any::Any, fmt, sync::Arc};

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

    /// Whether `other` is a share of this very value, not merely one that says the same.
    #[must_use]
    pub fn is_shared_with(&self, other: &Value) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.any), Arc::as_ptr(&other.any))
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
