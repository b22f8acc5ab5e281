//! `alacena serve`.

use std::path::Path;

use alacena::{
    Alacena, SystemRuntime,
    config::Config,
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use alacena_server::ServerSettings;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    VERSION,
    args::Serve,
    failure::Failure,
    locate, log,
    quickstart::{Quickstart, announce},
    say::{self, Paint, count},
    signals::Signals,
};

pub(super) async fn run(arguments: Serve) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
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
            server.run(&config, &mut signals).await
        }
        None => {
            let example = Quickstart::prepare(&runtime).await?;
            // It has no tokens, so that any address but loopback is refused here.
            let config = locate::load(&example.config(), arguments.listen)?;
            log::begin(&config.server)?;
            let server = Server::open(&config, &runtime).await?;
            say::answer(&announce(&example, server.address()?, &program(), Paint::stdout()));
            server.run(&config, &mut signals).await
        }
    }
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

    fn address(&self) -> Result<std::net::SocketAddr, Error> {
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

    /// Serves until a signal comes; a second one ends it without waiting for what is running.
    async fn run(self, config: &Config, signals: &mut Signals) -> Result<(), Failure> {
        let settings = ServerSettings::of(config, VERSION);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving =
            alacena_server::serve(self.listener, self.alacena, settings, async { drop(stopped.await) });
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
