//! The server as it is shipped, in a process of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

use crate::Outcome;

const CONFIGURATION: &str = r#"
[server]
listen = "{listen}"
log = "error"

[embedded]
path = "{folder}/store"

[sources.upstream]
kind = "http"
base_url = "http://{upstream}"
retries = 0
breaker = { failures = 10000, window = "1s" }

[classes.plain]
ttl = "1h"

[reads.item]
source = "upstream"
class = "plain"
http = "GET /items/{id}"
params.id = { type = "integer" }

[reads.large]
source = "upstream"
class = "plain"
http = "GET /large"

[reads.endless]
source = "upstream"
class = "plain"
http = "GET /endless"

[reads.bomb]
source = "upstream"
class = "plain"
http = "GET /bomb"
"#;

/// A running server; it ends with this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start(program: &str, upstream: SocketAddr) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        // Free a moment ago; nobody else on this machine is after it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = folder.path().join("alacena.toml");
        let text = CONFIGURATION
            .replace("{listen}", &address.to_string())
            .replace("{upstream}", &upstream.to_string())
            .replace("{folder}", &folder.path().display().to_string());
        fs::write(&file, text)?;
        let mut serve = Command::new(program);
        serve.args(["serve", "--config"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let server = Self { address, process: serve.spawn()?, _folder: folder };
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// What it has of the machine's memory, in megabytes.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
