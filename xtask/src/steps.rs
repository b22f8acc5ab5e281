//! The steps of `cargo xtask test`, in the order in which they save the most time when one fails.
//!
//! All of them build with the same flags and profile: what one has compiled the next one finds.

use crate::{
    clients,
    command::{Result, cargo, is_ci, run, works},
    docs, gate, instructions,
    long::seeds::simulate,
    needs::Need,
};

/// One check of the project.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it checks.
    pub(crate) about: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Need],
    /// The check.
    pub(crate) run: fn() -> Result,
}

/// What tests of the second tier talk to.
const SERVERS: &[Need] = &[Need::Redis, Need::OldestRedis, Need::Valkey];

/// Every step.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "format", about: "the sources are formatted", needs: &[], run: format },
    Step { name: "gate", about: "dependencies, their licences and direction", needs: &[], run: gate::check },
    Step { name: "documents", about: "the links of every page lead somewhere", needs: &[], run: docs::check },
    Step { name: "clippy", about: "lints of all crates and their tests", needs: &[], run: clippy },
    Step {
        name: "tests",
        about: "unit, behaviour and model tests; generated pages",
        needs: SERVERS,
        run: tests,
    },
    Step {
        name: "schedules",
        about: "batches under a scheduler that may interrupt anybody",
        needs: &[],
        run: schedules,
    },
    Step { name: "seeds", about: "nodes and a second tier under a thousand seeds", needs: &[], run: seeds },
    Step { name: "examples", about: "the examples in the documentation run", needs: SERVERS, run: doc_tests },
    Step { name: "rustdoc", about: "the documentation builds", needs: &[], run: rustdoc },
    Step { name: "features", about: "every feature builds alone, and none", needs: &[], run: features },
    Step {
        name: "fuzz",
        about: "every fuzz target type-checks as libFuzzer takes it",
        needs: &[Need::Cpp],
        run: fuzz,
    },
    Step {
        name: "mcp",
        about: "the official MCP client uses the quickstart",
        needs: &[Need::Python, Need::McpClient],
        run: clients::mcp,
    },
    Step {
        name: "conformance",
        about: "the conformance suite of MCP passes, both revisions",
        needs: &[Need::Python, Need::Npm, Need::McpSuite],
        run: clients::conformance,
    },
    Step {
        name: "metrics",
        about: "promtool accepts /metrics",
        needs: &[Need::Python, Need::Promtool],
        run: clients::metrics,
    },
    Step {
        name: "canary",
        about: "no secret of the configuration shows anywhere",
        needs: &[Need::Python],
        run: clients::canary,
    },
    Step {
        name: "instructions",
        about: "an invalidation costs the same with few entries and with many",
        needs: &[Need::Valgrind],
        run: instructions::check,
    },
];

fn format() -> Result {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result {
    lint(&["--workspace", "--all-targets"])
}

fn lint(packages: &[&str]) -> Result {
    let mut clippy = cargo(&["clippy", "--locked"]);
    clippy.args(packages);
    if is_ci() {
        // Arguments after the dashes reach our crates only, so that the others are not built twice.
        clippy.args(["--", "-D", "warnings"]);
    }
    run(&mut clippy)
}

fn tests() -> Result {
    if !works(&mut cargo(&["nextest", "--version"])) {
        println!("cargo-nextest is not here: cargo test does it, one crate after the other");
        return run(&mut cargo(&["test", "--locked", "--workspace", "--all-targets", "--no-fail-fast"]));
    }
    let profile = if is_ci() { "ci" } else { "default" };
    run(&mut cargo(&[
        "nextest",
        "run",
        "--locked",
        "--workspace",
        "--all-targets",
        "--no-fail-fast",
        "--profile",
        profile,
    ]))
}

/// Tries so many schedules of each scenario. A build of its own, since its locks are others.
fn schedules() -> Result {
    try_schedules(200, &[])
}

/// The same, optimised, with so many of them that it takes long.
pub(crate) fn many_schedules() -> Result {
    try_schedules(10_000, &["--release"])
}

fn try_schedules(count: u32, profile: &[&str]) -> Result {
    let mut test = cargo(&["test", "--locked", "--package", "alacena-core", "--features", "shuttle"]);
    run(test.args(profile).args(["--test", "schedules"]).env("SCHEDULES", count.to_string()))
}

/// What `tests` runs a few seeds of.
fn seeds() -> Result {
    simulate(1_000, &[])
}

fn doc_tests() -> Result {
    run(&mut cargo(&["test", "--locked", "--workspace", "--doc"]))
}

fn rustdoc() -> Result {
    // Libraries only: the binary `alacena` and the library `alacena` would write to one folder.
    let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--lib"]);
    if is_ci() {
        doc.env("RUSTDOCFLAGS", "-D warnings");
    }
    run(&mut doc)
}

fn fuzz() -> Result {
    run(&mut cargo(&["check", "--locked", "--package", "alacena-fuzz", "--features", "libfuzzer", "--bins"]))
}

fn features() -> Result {
    let library = ["--no-default-features", "--package", "alacena", "--package", "alacena-backends"];
    lint(&library)?;
    for feature in ["http", "sqlite", "embedded", "redis"] {
        // The library's feature turns on the one of the same name in the backends.
        lint(&[&library[..], &["--features", &format!("alacena/{feature}")]].concat())?;
    }
    lint(&["--no-default-features", "--package", "alacena-server"])
}
