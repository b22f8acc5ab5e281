//! A server with what it needs to reload its configuration.

use std::future::Future;

use alacena::{
    Alacena,
    config::{Config, Problems},
    error::Error,
};
use tokio::net::TcpListener;

use crate::{
    app::App,
    reload::Reloader,
    serve::{open, serve_app},
    settings::ServerSettings,
};

/// A server that is about to serve. [`serve`](crate::serve()) is the short form for one that never reloads.
///
/// ```no_run
/// use alacena::{Alacena, SystemRuntime, config::{Config, Layers}};
/// use alacena_server::{Server, ServerSettings, bind};
///
/// # async fn run(layers: Layers, hangup: impl Fn() -> std::future::Ready<()>) -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::load(&layers)?;
/// let settings = ServerSettings::of(&config, "0.1.0");
/// let listener = bind(settings.listen).await?;
/// let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;
/// let server = Server::new(listener, alacena, settings)?.reading(move || Config::load(&layers));
/// let reloader = server.reloader();
/// tokio::select! {
///     ended = server.serve(std::future::pending()) => ended?,
///     () = async { loop { hangup().await; let _ = reloader.reload("SIGHUP").await; } } => {}
/// }
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    app: App,
}

impl Server {
    /// A server at `listener`, which has no configuration to read again.
    ///
    /// # Errors
    /// `Invalid` where the listener is not on loopback and there are no tokens: everyone could read everything.
    pub fn new(listener: TcpListener, alacena: Alacena, settings: ServerSettings) -> Result<Self, Error> {
        let app = open(&listener, alacena, settings)?;
        Ok(Self { listener, app })
    }

    /// The same, which reads its configuration by `read` whenever it is to reload it. `read` may block.
    #[must_use]
    pub fn reading(self, read: impl Fn() -> Result<Config, Problems> + Send + Sync + 'static) -> Self {
        Self { app: self.app.with_configuration(read), ..self }
    }

    /// What reloads the configuration. None may be taken before [`reading`](Server::reading).
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader::new(self.app.clone())
    }

    /// Serves until `shutdown` completes, as [`serve`](crate::serve()) does.
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Cancellation
    /// As of [`serve`](crate::serve()).
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        serve_app(self.listener, self.app, shutdown).await
    }
}
