//! Which servers there are, and where on this machine.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Which server, as users may have it.
///
/// Each is looked for in three places: the variable of [`variable`](Self::variable), the folder `target/tools/servers`
/// where `cargo xtask test --install` puts them, and (Debian's only) the folders of `PATH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Redis as the distribution has it: 7.0 on Debian 12, where continuous integration runs. The only one that was
    /// built with TLS.
    Debian,
    /// Redis 6.2, the oldest that Alacena supports.
    Oldest,
    /// Valkey 9, a current one.
    Valkey,
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Flavour; 3] = [Flavour::Debian, Flavour::Oldest, Flavour::Valkey];

    /// Its name, as people say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Flavour::Debian => "Redis of Debian",
            Flavour::Oldest => "Redis 6.2",
            Flavour::Valkey => "Valkey 9",
        }
    }

    /// The environment variable that names its program, for a machine that keeps it elsewhere.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Flavour::Debian => "ALACENA_TEST_REDIS",
            Flavour::Oldest => "ALACENA_TEST_REDIS_OLDEST",
            Flavour::Valkey => "ALACENA_TEST_VALKEY",
        }
    }

    /// Whether it can be asked to speak TLS.
    #[must_use]
    pub const fn has_tls(self) -> bool {
        matches!(self, Flavour::Debian)
    }

    /// Where its program is, or `None` where this machine has none.
    #[must_use]
    pub fn program(self) -> Option<PathBuf> {
        if let Some(named) = env::var_os(self.variable()) {
            return Some(named.into());
        }
        let installed = target().join("tools/servers").join(self.link());
        if installed.is_file() {
            return Some(installed);
        }
        let path = env::var_os("PATH").filter(|_| self == Flavour::Debian)?;
        env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|program| program.is_file())
    }

    /// The program, or `None` after having said aloud that it is missing.
    ///
    /// # Panics
    ///
    /// Where it is missing with `CI=true`.
    pub(super) fn program_or_skip(self) -> Option<PathBuf> {
        let program = self.program();
        if program.is_none() {
            let missing = format!(
                "{} is not on this machine: `cargo xtask test --install` brings it, or name its program in {}",
                self.name(),
                self.variable()
            );
            assert!(!is_ci(), "{missing}");
            // Past the test runner, which keeps what `eprintln!` says to itself while tests pass.
            let _ = writeln!(io::stderr(), "SKIPPED: {missing}");
        }
        program
    }

    /// What `xtask` calls the link to its program.
    const fn link(self) -> &'static str {
        match self {
            Flavour::Debian => "redis-server",
            Flavour::Oldest => "redis-server-oldest",
            Flavour::Valkey => "valkey-server",
        }
    }
}

/// Where builds go: the same rule as in `xtask`, which must not depend on us, nor we on it.
fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}
