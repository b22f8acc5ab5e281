//! What an entry holds: any value, with what the engine must know of it.

mod body;
mod etag;
mod packed;
mod gzip;
mod codec;

pub use body::{Body, Encoding};
pub use codec::BodyCodec;
pub use etag::if_none_match;
#[doc(hidden)]
pub use gzip::gunzip;
pub use packed::{Compression, Kept};

use std::{any::Any, fmt};

/// An immutable value of any type with its weight and digest.
///
/// The engine never looks inside, and never copies it: the entry that holds it is what is shared. One engine holds the
/// typed values of a library and the [`Body`]s of a server.
///
/// ```
/// use alacena_core::value::Value;
///
/// let value = Value::new(vec![1_u8, 2, 3], 3, 7);
/// assert_eq!(value.downcast_ref::<Vec<u8>>().expect("it is one").as_slice(), &[1, 2, 3]);
/// assert!(value.downcast_ref::<String>().is_none());
/// ```
pub struct Value {
    any: Box<dyn Any + Send + Sync>,
    /// Means something only where there is one.
    version: u64,
    digest: u32,
    /// The weight, and whether there is a version: an entry has no byte to lose.
    weight: u32,
}

/// Set in the weight of a value that has a version.
const IS_VERSIONED: u32 = 1 << 31;

impl Value {
    /// Wraps `inner`. `weight` is what its contents cost in memory, in bytes, beside its own size; `digest` is equal for
    /// equal values and tells whether a refresh changed anything: of it, 32 bits are kept.
    pub fn new<T: Any + Send + Sync>(inner: T, weight: usize, digest: u64) -> Self {
        Self {
            any: Box::new(inner),
            version: 0,
            digest: (digest ^ digest >> 32) as u32,
            weight: u32::try_from(weight).unwrap_or(u32::MAX).min(IS_VERSIONED - 1),
        }
    }

    /// The same value with its version at the source: of two values of one key the greater one is the newer.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        Self { version, weight: self.weight | IS_VERSIONED, ..self }
    }

    /// Its version at the source, where it has one.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        (self.weight & IS_VERSIONED != 0).then_some(self.version)
    }

    /// The value, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.any.downcast_ref()
    }

    /// Whether `other` is this very value, not merely one that says the same.
    #[must_use]
    pub fn is(&self, other: &Value) -> bool {
        std::ptr::addr_eq(&raw const *self.any, &raw const *other.any)
    }

    /// What its contents cost in memory, in bytes: what the limit of its class is about.
    #[must_use]
    pub fn weight(&self) -> usize {
        (self.weight & !IS_VERSIONED) as usize
    }

    /// What it costs in memory in all, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.any) + self.weight()
    }

    /// Equal for equal values.
    #[must_use]
    pub fn digest(&self) -> u32 {
        self.digest
    }
}

impl fmt::Debug for Value {
    /// Says how large it is, never what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes, {:08x})", self.weight(), self.digest)
    }
}
