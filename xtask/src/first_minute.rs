//! The first minute of a stranger, timed: a clean clone, a cold build, the start, the first answers.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use crate::{
    command::{Result, cargo, program, root, run, target},
    test::timed,
};

/// Starts that are timed once everything is built.
const STARTS: usize = 20;
/// Hits that are timed over one connection.
const HITS: usize = 10_000;

/// Clones what is committed, builds it without anything built before, and asks the quickstart.
pub(crate) fn measure() -> Result {
    let folder = target().join("first-minute");
    // What an earlier run may have left is of no use.
    let _ = fs::remove_dir_all(&folder);
    run(program("git").args(["clone", "--quiet", "--no-hardlinks"]).arg(root()).arg(&folder))?;
    let mut build = cargo(&["build", "--release", "--locked"]);
    build.current_dir(&folder).env("CARGO_TARGET_DIR", folder.join("target"));
    let (built, build_took) = timed(|| run(&mut build));
    built?;
    let binary = folder.join("target/release/alacena");
    let (first, start_took) = timed(|| -> Result<Duration> {
        let server = Server::start(&binary)?;
        let (answer, took) = timed(|| server.connect()?.get("/reads/get_jobs?size=2"));
        answer.map(|()| took)
    });
    let cold = build_took + start_took;
    println!("cold: {:.0} s from the clone to the first answer, which took {:?}", cold.as_secs_f64(), first?);
    warm(&binary)?;
    fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn warm(binary: &Path) -> Result {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let (server, took) = timed(|| {
            Server::start(binary).and_then(|server| server.connect()?.get("/health").map(|()| server))
        });
        drop(server?);
        starts.push(took);
    }
    report("warm start to the first answer of /health", &mut starts);
    let server = Server::start(binary)?;
    let mut connection = server.connect()?;
    connection.get("/reads/get_jobs?size=2")?;
    let mut hits = Vec::new();
    for _ in 0..HITS {
        let (answer, took) = timed(|| connection.get("/reads/get_jobs?size=2"));
        answer?;
        hits.push(took);
    }
    report("a hit over one connection, as the client sees it", &mut hits);
    Ok(())
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| {
        times.get((times.len() * share / 100).min(times.len() - 1)).copied().unwrap_or_default()
    };
    println!("{what}: median {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
}

/// A running quickstart; dropping it ends it.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(binary: &Path) -> Result<Self> {
        let mut command = program(binary);
        command.current_dir(std::env::temp_dir()).args(["serve", "--listen", "127.0.0.1:0"]);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process =
            process.map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
        let output = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines();
        let address =
            lines.find_map(|line| Some(line.ok()?.strip_prefix("listening on http://")?.trim().to_owned()));
        // The rest of what it prints has to go somewhere, or it would wait for a reader.
        let drained = std::thread::Builder::new().spawn(move || lines.for_each(drop));
        match (address, drained) {
            (Some(address), Ok(_)) => Ok(Self { process, address }),
            _ => Err("the server did not say where it listens".to_owned()),
        }
    }

    fn connect(&self) -> Result<Connection> {
        let stream =
            TcpStream::connect(&self.address).map_err(|error| format!("{}: {error}", self.address))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Connection { reader: BufReader::new(stream), host: self.address.clone() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked politely first, so that its temporary folder goes with it.
        let _ = program("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// One connection that is kept.
struct Connection {
    reader: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    fn get(&mut self, path: &str) -> Result {
        self.exchange(path).map_err(|error| format!("GET {path}: {error}"))
    }

    fn exchange(&mut self, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length, mut is_first) = (String::new(), 0, true);
        while self.reader.read_line(&mut line)? > 2 {
            if std::mem::take(&mut is_first) && !line.starts_with("HTTP/1.1 200") {
                return Err(std::io::Error::other(line));
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            line.clear();
        }
        self.reader.read_exact(&mut vec![0; length])
    }
}
