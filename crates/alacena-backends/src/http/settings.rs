//! What an HTTP source needs to know: plain values.

use std::{path::PathBuf, time::Duration};

use alacena_core::{
    error::{Error, catalogue},
    secret::Secret,
};

/// How a REST API is reached, and how much of it is borne.
///
/// ```
/// use alacena_backends::http::HttpSettings;
/// use alacena_core::secret::Secret;
///
/// let settings = HttpSettings {
///     headers: vec![("authorization".into(), Secret::new("Bearer 123"))],
///     ..HttpSettings::new("crm", "https://crm.example/api1")
/// };
/// assert_eq!(settings.retries, 1);
/// assert!(!format!("{settings:?}").contains("123"));
/// ```
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The source's name, for errors and the log.
    pub name: String,
    /// What every path is appended to: `http` or `https`, without credentials, query or fragment.
    pub base_url: String,
    /// Headers sent with every request.
    pub headers: Vec<(String, Secret)>,
    /// Headers of the caller that are passed through. Each replaces a header of the same name in `headers`; a call
    /// that lacks one which stands nowhere else is refused.
    pub credentials: Vec<String>,
    /// How long name resolution, connection and TLS handshake may take together; 1 s by default.
    pub connect_timeout: Duration,
    /// Largest answer accepted, in bytes, on the wire and decompressed; 2 MiB by default.
    pub body_bytes_max: usize,
    /// How often a failed read is asked again before its error is handed back: once by default, never at zero. A
    /// write that may have arrived is never sent again.
    pub retries: u32,
    /// How long a write may take before its outcome counts as unknown; 30 s by default.
    pub write_timeout: Duration,
    /// A PEM file with certificates of authorities that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
}

impl HttpSettings {
    /// The defaults for a source called `name` at `base_url`.
    #[must_use]
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            headers: Vec::new(),
            credentials: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            body_bytes_max: 2 * 1024 * 1024,
            retries: 1,
            write_timeout: Duration::from_secs(30),
            ca_file: None,
        }
    }
}

/// A setting or a question that cannot be used.
pub(super) fn wrong(detail: impl Into<String>) -> Error {
    Error::new(&catalogue::CONFIGURATION_INVALID, detail)
}
