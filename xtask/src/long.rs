//! `cargo xtask long`: what takes too long for every change and is run by hand before a release.

use std::fmt::Write as _;

use crate::{
    command::{Result, cargo, run, works},
    first_minute, instructions,
};

/// A measurement with its name and what it answers.
struct Long {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result,
}

const LONG: &[Long] = &[
    Long {
        name: "first-minute",
        about: "a clean clone: cold build, warm start, first answers",
        run: first_minute::measure,
    },
    Long {
        name: "instructions",
        about: "one invalidation with a thousand and with a million entries, optimised",
        run: instructions::measure,
    },
    Long { name: "deny", about: "cargo-deny on deny.toml: licences, bans, sources", run: deny },
];

/// The names, one per line, for `--help`.
pub(crate) fn list() -> String {
    LONG.iter().fold(String::new(), |mut text, long| {
        let _ = writeln!(text, "  {:<13} {}", long.name, long.about);
        text
    })
}

/// Runs the one called `name`.
pub(crate) fn run_named(name: &str) -> Result {
    let long = LONG.iter().find(|long| long.name == name);
    long.map_or_else(
        || Err(format!("there is no `long {name}`; there are:\n{}", list())),
        |long| (long.run)(),
    )
}

fn deny() -> Result {
    if !works(&mut cargo(&["deny", "--version"])) {
        return Err("cargo-deny is not here; `cargo install cargo-deny` brings it".to_owned());
    }
    run(&mut cargo(&["deny", "--all-features", "check", "licenses", "bans", "sources"]))
}
