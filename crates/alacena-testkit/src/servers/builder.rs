//! What a server is started with.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use super::{Certificates, Flavour, RedisServer, admin};

/// How to start a server. Without a word more it is Debian's Redis: no password, no TLS, nothing kept on disk.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(super) flavour: Flavour,
    pub(super) certificates: Option<Certificates>,
    config: Vec<(String, String)>,
}

impl Builder {
    pub(super) const fn new() -> Self {
        Self { flavour: Flavour::Debian, certificates: None, config: Vec::new() }
    }

    /// Which server; Debian's Redis without it.
    #[must_use]
    pub const fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// One line of its configuration, as `("maxmemory", "25mb")` or `("user", "app on >secret ~* &* +@all")`.
    ///
    /// A later line stands against an earlier one and against the kit's own. The kit's own: persistence off, replicas
    /// fed without delay, and the `dir`, `port`, `bind`, `unixsocket` and `user` that it works with; leave these alone.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.config.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The password of the default user.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.config("requirepass", password)
    }

    /// Speaks TLS too, on a port of its own, with these certificates and none asked of clients.
    ///
    /// # Panics
    ///
    /// If the flavour was built without TLS.
    #[must_use]
    pub fn tls(mut self, certificates: Certificates) -> Self {
        assert!(self.flavour.has_tls(), "{} was built without TLS", self.flavour.name());
        self.certificates = Some(certificates);
        self
    }

    /// Follows the master at this address, which may be that of a chaos proxy before it. It starts without waiting for
    /// the copy: [`RedisServer::wait_for_copy`] does.
    #[must_use]
    pub fn replica_of(self, master: SocketAddr) -> Self {
        self.config("replicaof", &format!("{} {}", master.ip(), master.port()))
    }

    /// Starts it on free ports, and returns when it answers.
    ///
    /// `None` where this machine does not have it, which is said aloud.
    ///
    /// # Panics
    ///
    /// If it is missing with `CI=true`, or if it does not start; the panic then carries its log.
    #[must_use = "the server ends when its value is dropped"]
    pub fn start(self) -> Option<RedisServer> {
        let program = self.flavour.program_or_skip()?;
        Some(RedisServer::launch(self, program))
    }

    /// The text of the configuration file.
    pub(super) fn text(&self, folder: &Path, ports: Ports) -> String {
        let mut text = format!(
            "bind 127.0.0.1 -::1\nport {}\nunixsocket {dir}/socket\ndir {dir}\nlogfile {dir}/log\n\
             daemonize no\nsave \"\"\nappendonly no\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n\
             user {user} on >{password} ~* &* +@all\nmasteruser {user}\nmasterauth {password}\n",
            ports.plain,
            dir = folder.display(),
            user = admin::USER,
            password = admin::PASSWORD,
        );
        let mut lines = self.certificates.as_ref().map(|all| all.write(folder)).unwrap_or_default();
        if self.certificates.is_some() {
            lines.push(("tls-port".to_owned(), ports.tls.to_string()));
        }
        for (name, value) in lines.iter().chain(&self.config) {
            let _ = writeln!(text, "{name} {value}");
        }
        text
    }
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) tls: u16,
}

impl Ports {
    /// Two ports that were free a moment ago.
    pub(super) fn free() -> Self {
        // Both are held before either is let go, or they could be the same.
        let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"));
        let [plain, tls] = held.map(|held| held.local_addr().expect("it is bound").port());
        Self { plain, tls }
    }
}
