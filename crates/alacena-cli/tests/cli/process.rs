//! One running `alacena`, watched line by line; tests wait for what it says, never for time to pass.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use reqwest::{Client, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the machine's own environment must not say to the binary.
const CONFIGURES: [&str; 9] =
    ["PORT", "REDIS", "UPSTASH_", "KV_REST_", "ALACENA_", "CACHE_", "LOG_LEVEL", "NODE_ENV", "FRONTEND_URL"];

/// The binary in `folder`, without what the machine's environment says. What it leaves behind when it is killed goes
/// with the folder.
pub(crate) fn alacena(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alacena"));
    command.args(arguments).current_dir(folder).env("TMPDIR", folder).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if CONFIGURES.iter().any(|begin| name.starts_with(begin)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ended {
    alacena(folder, arguments).output().unwrap().into()
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    pub(crate) url: String,
    pub(crate) client: Client,
}

impl Running {
    /// `alacena serve` with these arguments on a free port, once it listens.
    pub(crate) fn serve(folder: &Path, arguments: &[&str]) -> Self {
        Self::start(alacena(folder, &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()))
    }

    /// Starts `command`, which says where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        // Only the first test of a process installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        read(child.stdout.take().unwrap(), sender.clone());
        read(child.stderr.take().unwrap(), sender);
        let mut running = Self { child, lines, said: Vec::new(), url: String::new(), client: Client::new() };
        let line = running.wait_for("listening on http");
        running.url = line.trim_start_matches("listening on ").to_owned();
        running
    }

    /// Waits until a line holds `text`, and answers that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => panic!("it never said `{text}` ({why}), but:\n{}", self.said.join("\n")),
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended, and answers how, with everything that it said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        (self.child.wait().unwrap(), self.said.join("\n"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Json) -> Response {
        self.client.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(stream: impl Read + Send + 'static, lines: Sender<String>) {
    let read = move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The test may have ended before the server.
            let _ = lines.send(line);
        }
    };
    thread::Builder::new().spawn(read).unwrap();
}

/// What the cache did, as the answer says it.
pub(crate) fn cache_status(response: &Response) -> &str {
    response.headers()["cache-status"].to_str().unwrap()
}
