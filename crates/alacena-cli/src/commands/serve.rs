//! `alacena serve`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alacena::{
    Alacena, SystemRuntime,
    config::{Config, Problems},
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use alacena_server::ServerSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    VERSION,
    args::Serve,
    failure::Failure,
    locate, log,
    quickstart::{Quickstart, announce},
    say::{self, Paint, count},
    signals::{Hangups, Signals},
};

pub(super) async fn run(arguments: Serve) -> Result<(), Failure> {
    let (mut signals, hangups) = (Signals::listen()?, Hangups::listen()?);
    allow_more_files();
    let runtime = SystemRuntime::shared();
    match locate::file(&arguments.config) {
        Some(file) => {
            let config = locate::load(&file, arguments.listen)?;
            log::begin(&config.server)?;
            for warning in &config.warnings {
                tracing::warn!("{warning}");
            }
            let server = Server::open(&config, &runtime).await?;
            say::answer(&server.banner(&file));
            server.run(&config, again(file, arguments.listen), &mut signals, hangups).await
        }
        None => {
            let example = Quickstart::prepare(&runtime).await?;
            // It has no tokens, so that any address but loopback is refused here.
            let config = locate::load(&example.config(), arguments.listen)?;
            log::begin(&config.server)?;
            let server = Server::open(&config, &runtime).await?;
            say::answer(&announce(&example, server.address()?, &program(), Paint::stdout()));
            server.run(&config, again(example.config(), arguments.listen), &mut signals, hangups).await
        }
    }
}

/// How the configuration is read again.
fn again(file: PathBuf, listen: Option<SocketAddr>) -> impl Fn() -> Result<Config, Problems> + Send + Sync {
    move || locate::load(&file, listen)
}

/// Each connection is a file, and the number that a shell allows is meant for programs that have few.
fn allow_more_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the server lets fewer callers in and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// What to type, in whatever folder, to call this program again.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let found_by_name = !called.is_empty() && !called.contains('/');
    match std::env::current_exe() {
        Ok(path) if !found_by_name => path.display().to_string(),
        _ => "alacena".to_owned(),
    }
}

/// Everything that has to be there before the first answer.
struct Server {
    listener: TcpListener,
    alacena: Alacena,
}

impl Server {
    /// Opens the store, then the socket: whoever starts a second server on one store learns of the first, whatever
    /// address it was given.
    async fn open(config: &Config, runtime: &SharedRuntime) -> Result<Self, Error> {
        let alacena = Alacena::open(config, runtime.clone()).await?;
        let listener = alacena_server::bind(config.server.listen).await?;
        let server = Self { listener, alacena };
        server.alacena.announce(&server.address()?.to_string()).await?;
        Ok(server)
    }

    fn address(&self) -> Result<SocketAddr, Error> {
        let failed =
            |cause| Error::new(&catalogue::LISTEN_FAILED, "the socket has no address").caused_by(cause);
        self.listener.local_addr().map_err(failed)
    }

    fn banner(&self, file: &Path) -> String {
        let paint = Paint::stdout();
        let address =
            self.listener.local_addr().map_or_else(|_| String::new(), |address| format!("http://{address}"));
        let reads = count(self.alacena.reads().len(), "read");
        let writes = count(self.alacena.writes().len(), "write");
        let more = format!("{reads} and {writes} of {}; {address}/ shows how to ask them", file.display());
        format!("listening on {}\n{}", paint.command(&address), paint.faint(&more))
    }

    /// Serves until a signal comes; a second one ends it without waiting for what is running. Each hangup has the
    /// configuration read again.
    async fn run(
        self,
        config: &Config,
        read: impl Fn() -> Result<Config, Problems> + Send + Sync + 'static,
        signals: &mut Signals,
        mut hangups: Hangups,
    ) -> Result<(), Failure> {
        let settings = ServerSettings::of(config, VERSION);
        let runtime = self.alacena.runtime().clone();
        let server = alacena_server::Server::new(self.listener, self.alacena, settings)?.reading(read);
        let reloader = server.reloader();
        runtime.spawn(Box::pin(async move {
            loop {
                hangups.next().await;
                // The log has said what came of it.
                let _ = reloader.reload("SIGHUP").await;
            }
        }));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = server.serve(async { drop(stopped.await) });
        let twice = async {
            signals.next().await;
            say::note("stopping: what is running is answered still; a second signal does not wait for it");
            // It may have ended by itself.
            let _ = stop.send(());
            signals.next().await;
        };
        tokio::select! {
            ended = serving => Ok(ended?),
            () = twice => {
                say::note("stopped; what was running was cut off");
                Err(Failure::known())
            }
        }
    }
}
