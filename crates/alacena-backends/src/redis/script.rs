//! Scripts by their digest, sent whole only to a server that does not know them.

use std::{fmt, fmt::Write, sync::Arc};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::resp::Command;

/// A Lua script: one atomic step at the server.
///
/// Cheap to clone. SHA-1 is what Redis names scripts by; nothing rests on its strength.
///
/// ```
/// use alacena_backends::redis::Script;
///
/// let script = Script::new("return ARGV[1]");
/// let command = script.on(["a key"]).arg("what it returns");
/// assert_eq!(script.sha1(), "098e0f0d1448c0a81dafe820f66d460eb09263da");
/// ```
#[derive(Clone)]
pub struct Script(Arc<Inner>);

struct Inner {
    source: &'static str,
    sha1: String,
}

impl Script {
    /// The script with this text.
    #[must_use]
    pub fn new(source: &'static str) -> Self {
        let mut sha1 = String::with_capacity(40);
        for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, source.as_bytes()).as_ref() {
            write!(sha1, "{byte:02x}").expect("a string takes everything");
        }
        Self(Arc::new(Inner { source, sha1 }))
    }

    /// What the server calls it.
    #[must_use]
    pub fn sha1(&self) -> &str {
        &self.0.sha1
    }

    /// The command that runs it on `keys`; its arguments are added with [`Command::arg`].
    ///
    /// [`Line`](super::Line) loads the script where the server has forgotten it.
    #[must_use]
    pub fn on<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K, IntoIter: ExactSizeIterator>,
    ) -> Command {
        let keys = keys.into_iter();
        Command::of_script(self.clone()).number(keys.len() as u64).args(keys)
    }

    /// The command that makes it known to the server: for the preparation of a connection.
    #[must_use]
    pub fn load(&self) -> Command {
        Command::new("SCRIPT LOAD").arg(self.0.source)
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.0.sha1 == other.0.sha1
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.0.sha1)
    }
}
