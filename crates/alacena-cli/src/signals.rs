//! SIGTERM and SIGINT: the first asks to stop, the second does not wait any longer. SIGHUP: read the configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that mean: stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for them from now on.
    ///
    /// # Errors
    /// Where the system does not let this process listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Completes with the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The signal that means: read the configuration again.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Listens for it from now on; whoever does not is ended by it.
    ///
    /// # Errors
    /// Where the system does not let this process listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Completes with the next one, or the next few.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}
