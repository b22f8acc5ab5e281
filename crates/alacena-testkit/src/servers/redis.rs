//! A running server.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tempfile::TempDir;

use super::{Builder, Certificates, Reply, admin::Admin, builder::Ports, process::Process};

/// How long anything may take that takes milliseconds: long enough for a machine that builds beside it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many times a port may be taken between our look and the server's.
const PORT_TRIES: u32 = 5;

/// A Redis or Valkey of this test's own, on loopback. It ends when this is dropped.
///
/// See the [module](super) for an example, for what is skipped, and why the calls block.
#[derive(Debug)]
pub struct RedisServer {
    // Dropped in this order: the process writes into the folder.
    process: Process,
    /// Guards the kit's connection: one command at a time.
    admin: Mutex<Admin>,
    program: PathBuf,
    builder: Builder,
    ports: Ports,
    folder: TempDir,
}

impl RedisServer {
    /// Describes a server to start.
    #[must_use]
    pub const fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn launch(builder: Builder, program: PathBuf) -> Self {
        let folder =
            tempfile::Builder::new().prefix("alacena-redis-").tempdir().expect("a folder can be made");
        for _ in 0..PORT_TRIES {
            let ports = Ports::free();
            fs::write(folder.path().join("conf"), builder.text(folder.path(), ports))
                .expect("it can be written");
            if let Some((process, admin)) = start(&program, folder.path()) {
                return Self { process, admin: Mutex::new(admin), program, builder, ports, folder };
            }
        }
        panic!("{PORT_TRIES} times a free port was taken before the server had it");
    }

    /// Where it listens: 127.0.0.1 and a port of its own, without TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.plain).into()
    }

    /// The same port on the loopback of IPv6. Nobody listens there on a machine that has no IPv6.
    #[must_use]
    pub fn address_v6(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.ports.plain).into()
    }

    /// Where it speaks TLS.
    ///
    /// # Panics
    ///
    /// If it was built without [`Builder::tls`].
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        assert!(self.builder.certificates.is_some(), "this server was started without TLS");
        (Ipv4Addr::LOCALHOST, self.ports.tls).into()
    }

    /// What it shows to clients that speak TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.builder.certificates.as_ref()
    }

    /// The Unix socket on which it listens too.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The number of its process; another one after a restart.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its log since it was first started.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.folder.path())
    }

    /// Asks it something as a user with every right, over the Unix socket.
    ///
    /// # Panics
    ///
    /// If it answers with an error, or not within 10 s.
    pub fn command<A: AsRef<[u8]>>(&self, command: &[A]) -> Reply {
        match self.try_command(command) {
            Reply::Error(error) => panic!("{}: {error}", shown(command)),
            reply => reply,
        }
    }

    /// Asks it something whose answer may be an error.
    ///
    /// # Panics
    ///
    /// If it does not answer within 10 s.
    pub fn try_command<A: AsRef<[u8]>>(&self, command: &[A]) -> Reply {
        let reply = self.admin.lock().ask(command);
        reply.unwrap_or_else(|error| self.is_silent(&shown(command), &error))
    }

    /// A field of `INFO`, as `info("role")`.
    ///
    /// # Panics
    ///
    /// If there is no such field.
    pub fn info(&self, field: &str) -> String {
        let info = self.command(&["INFO", "everything"]).text();
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(name, _)| *name == field);
        found.unwrap_or_else(|| panic!("INFO has no field {field}")).1.to_owned()
    }

    /// The memory that it uses, in bytes, as `maxmemory` counts it.
    pub fn used_memory(&self) -> u64 {
        self.number("used_memory")
    }

    /// How many commands it has executed since it was last started, without the kit's own. Those that a script calls
    /// count, and on a replica those that its master sends; those that it refused do not.
    pub fn commands_processed(&self) -> u64 {
        let executed = self.admin.lock().executed_for_others();
        executed.unwrap_or_else(|error| self.is_silent("INFO", &error))
    }

    /// Freezes it (SIGSTOP): connections stay open, the kernel accepts new ones, nothing is answered.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a frozen one go on (SIGCONT).
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills it (SIGKILL): connections are closed, its port refuses, what was not on disk is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it runs, and starts it again on the same ports with the same configuration. Returns when it answers.
    ///
    /// # Panics
    ///
    /// If somebody else has taken the port in between, or if it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let started = start(&self.program, self.folder.path());
        let (process, admin) = started.unwrap_or_else(|| panic!("port {} was taken", self.ports.plain));
        (self.process, *self.admin.get_mut()) = (process, admin);
    }

    /// Makes it a replica of the master at this address, which may be that of a chaos proxy before it.
    pub fn follow(&self, master: SocketAddr) {
        self.command(&["REPLICAOF", &master.ip().to_string(), &master.port().to_string()]);
    }

    /// Cuts a replica off: it stays a replica with the data that it has, and hears nothing new from anybody.
    pub fn isolate(&self) {
        // Nobody listens on port 1; a replica keeps its data until a master has sent it others.
        self.follow((Ipv4Addr::LOCALHOST, 1).into());
    }

    /// Makes a replica the master of what it has (`REPLICAOF NO ONE`), as a failover does.
    pub fn promote(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]);
    }

    /// Returns when this replica has everything that `master` had executed at the time of the call.
    ///
    /// # Panics
    ///
    /// If that takes 20 s.
    pub fn wait_for_copy(&self, master: &RedisServer) {
        let wanted = master.number("master_repl_offset");
        let follows = || {
            self.info("role") == "slave"
                && self.info("master_link_status") == "up"
                // Asked anew each time: a master takes a new one when its first replica comes.
                && self.info("master_replid") == master.info("master_replid")
                && self.number("slave_repl_offset") >= wanted
        };
        assert!(until(|| follows().then_some(())).is_some(), "no copy in 20 s; its log:\n{}", self.log());
    }

    fn number(&self, field: &str) -> u64 {
        self.info(field).parse().unwrap_or_else(|_| panic!("INFO's {field} is not a number"))
    }

    fn is_silent(&self, command: &str, error: &io::Error) -> ! {
        panic!("{command}: {error}; is the server paused or killed? Its log:\n{}", self.log())
    }
}

/// Starts the program on what is in `folder`. `None` if a port was taken.
fn start(program: &Path, folder: &Path) -> Option<(Process, Admin)> {
    let before = log(folder).len();
    let mut process = Process::start(Command::new(program).arg(folder.join("conf")), folder);
    // The socket is the last thing that it opens: when it answers there, it listens everywhere.
    let socket = folder.join("socket");
    let came = until(|| {
        if process.has_ended() {
            return Some(None);
        }
        Some(Some(Admin::connect(socket.clone()).ok()?))
    });
    match came {
        Some(Some(admin)) => Some((process, admin)),
        Some(None) if log(folder)[before..].contains("in use") => None,
        Some(None) => panic!("{} ended at once; its log:\n{}", program.display(), log(folder)),
        None => panic!("{} does not answer; its log:\n{}", program.display(), log(folder)),
    }
}

/// Tries until something comes of it, or `None` when patience ends.
#[expect(clippy::disallowed_methods, reason = "a real process is waited for, on the machine's clock")]
fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(done) = attempt() {
            return Some(done);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn shown<A: AsRef<[u8]>>(command: &[A]) -> String {
    command.iter().map(|part| String::from_utf8_lossy(part.as_ref())).collect::<Vec<_>>().join(" ")
}
