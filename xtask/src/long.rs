//! `cargo xtask long`: what takes too long for every change and is run by hand before a release.

mod bench;
mod fuzz;
mod hit;
mod http;
mod matrix;
mod redis_hit;
pub(crate) mod seeds;
mod slow_clients;

use std::{fmt::Write as _, process::Command};

use crate::{
    command::{Result, cargo, run, works},
    first_minute, instructions, steps,
};

/// A measurement with its name and what it answers.
struct Long {
    name: &'static str,
    about: &'static str,
    /// What may stand after the name.
    options: &'static [&'static str],
    /// Told what stands there.
    run: fn(&[&str]) -> Result,
}

const LONG: &[Long] = &[
    Long {
        name: "first-minute",
        about: "a clean clone: cold build, warm start, first answers",
        options: &[],
        run: |_| first_minute::measure(),
    },
    Long {
        name: "instructions",
        about: "one invalidation with a thousand and with a million entries, optimised",
        options: &[],
        run: |_| instructions::measure(),
    },
    Long {
        name: "bench-hit",
        about: "a hit of the library against the bare table: ratios, allocations, memory, instructions",
        options: &[],
        run: hit::measure,
    },
    Long {
        name: "bench-http",
        about: "a hit over HTTP against nginx and Varnish over the same origin; `bench --closed` against wrk",
        options: &[],
        run: http::measure,
    },
    Long {
        name: "redis-hit",
        about: "a hit of the second tier against the client library's GET and BentoCache; how soon an invalidation is heard",
        options: &[],
        run: redis_hit::measure,
    },
    Long {
        name: "slow-clients",
        about: "callers who behave beside slow, idle and flooding ones: p99, memory; sources that answer without end",
        options: &["[ATTACK]"],
        run: slow_clients::measure,
    },
    Long {
        name: "fuzz",
        about: "every fuzz target under libFuzzer, five minutes each unless another number is given",
        options: &["[MINUTES]"],
        run: fuzz::run_all,
    },
    Long {
        name: "schedules",
        about: "ten thousand schedules of overlapping batches, a hundred thousand of batches and invalidations",
        options: &[],
        run: |_| steps::many_schedules(),
    },
    Long {
        name: "seeds",
        about: "ten thousand seeds of the simulator of several nodes, unless another number is given",
        options: &["[SEEDS]"],
        run: seeds::run_all,
    },
    Long {
        name: "matrix",
        about: "every fault of Redis and of the way to it, on every use of it, against the table of what each may do",
        options: &["[FAULT]"],
        run: matrix::run_all,
    },
    Long {
        name: "away",
        about: "Redis killed, stopped, blackholed for half a minute under 2,000 calls a second",
        options: &[],
        run: matrix::go_away,
    },
    Long {
        name: "brim",
        about: "a Redis of 25 MB that is full, for ten minutes beside plain GET and SET: hits, memory",
        options: &[],
        run: matrix::fill_to_the_brim,
    },
    Long {
        name: "mcp-cost",
        about: "a cached tool call beside the same answer from rmcp alone, optimised",
        options: &[],
        run: |_| mcp_cost(),
    },
    Long {
        name: "coverage",
        about: "the lines of the core that its tests run: 90 of a hundred, or it fails",
        options: &[],
        run: |_| coverage(),
    },
    Long {
        name: "deny",
        about: "cargo-deny on deny.toml: licences, bans, sources",
        options: &[],
        run: |_| deny(),
    },
];

/// The names, one per line, for `--help`.
pub(crate) fn list() -> String {
    LONG.iter().fold(String::new(), |mut text, long| {
        let call = [&[long.name], long.options].concat().join(" ");
        let _ = writeln!(text, "  {call:<15} {}", long.about);
        text
    })
}

/// Runs the one called `name` with what stands after its name.
pub(crate) fn run_named(name: &str, options: &[&str]) -> Result {
    match LONG.iter().find(|long| long.name == name) {
        None => Err(format!("there is no `long {name}`; there are:\n{}", list())),
        Some(long) if options.len() > long.options.len() => {
            Err(format!("`long {name}` knows nothing of `{}`", options.join(" ")))
        }
        Some(long) => (long.run)(options),
    }
}

fn mcp_cost() -> Result {
    run(&mut cargo(&["run", "--locked", "--release", "--package", "alacena-server", "--example", "mcp_cost"]))
}

/// Debian's LLVM 19 reads what this compiler writes; the toolchain's own tools are not installed.
fn coverage() -> Result {
    if !works(&mut cargo(&["llvm-cov", "--version"])) || !works(Command::new("llvm-cov-19").arg("--version"))
    {
        return Err("cargo-llvm-cov or llvm-cov-19 is not here; `cargo install cargo-llvm-cov` and \
                    `apt-get install llvm-19` bring them"
            .to_owned());
    }
    let mut report =
        cargo(&["llvm-cov", "--locked", "--package", "alacena-core", "--fail-under-lines", "90"]);
    run(report
        .args(["--ignore-filename-regex", "alacena-testkit"])
        .envs([("LLVM_COV", "llvm-cov-19"), ("LLVM_PROFDATA", "llvm-profdata-19")]))
}

fn deny() -> Result {
    if !works(&mut cargo(&["deny", "--version"])) {
        return Err("cargo-deny is not here; `cargo install cargo-deny` brings it".to_owned());
    }
    run(&mut cargo(&["deny", "--all-features", "check", "licenses", "bans", "sources"]))
}
