//! Text that must not be seen.

use std::{fmt, sync::Arc};

/// A secret out of the configuration. Its `Debug` and its errors never show it; there is no `Display`.
///
/// ```
/// use alacena_core::secret::Secret;
///
/// let secret = Secret::new("Bearer 123");
/// assert_eq!(format!("{secret:?}"), "[hidden]");
/// assert_eq!(secret.reveal(), "Bearer 123");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}
