//! What every handler can reach.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use alacena::{
    Alacena,
    config::{Config, Problems},
    error::{Error, catalogue},
};
use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    body::ARRIVING_BYTES_MAX,
    reload,
    settings::ServerSettings,
    tools::{LocalTools, Tools},
};

/// What every handler can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    alacena: Alacena,
    /// Replaced as a whole by a reload, and read on every request: without a lock.
    settings: ArcSwap<ServerSettings>,
    /// What the configuration is read by when it is reloaded.
    configuration: Option<Arc<reload::Read>>,
    address: SocketAddr,
    draining: AtomicBool,
    /// One for each byte of a body that may be arriving.
    bodies: Semaphore,
    tools: Arc<dyn Tools>,
    #[cfg(feature = "mcp")]
    mcp: crate::tools::McpService,
}

impl App {
    pub(crate) fn new(alacena: Alacena, settings: ServerSettings, address: SocketAddr) -> Self {
        let tools: Arc<dyn Tools> = Arc::new(LocalTools::new(alacena.clone()));
        Self(Arc::new(Inner {
            #[cfg(feature = "mcp")]
            mcp: crate::tools::mcp_service(Arc::clone(&tools), &settings, alacena.runtime()),
            bodies: Semaphore::new(bodies_bytes_max(&settings)),
            alacena,
            settings: ArcSwap::from_pointee(settings),
            configuration: None,
            address,
            draining: AtomicBool::new(false),
            tools,
        }))
    }

    /// The same with another endpoint at `/mcp`. Nobody may hold a clone yet.
    #[cfg(feature = "mcp")]
    pub(crate) fn with_mcp(mut self, mcp: crate::tools::McpService) -> Self {
        self.unshared().mcp = mcp;
        self
    }

    /// The same with a configuration that can be read again. Nobody may hold a clone yet.
    pub(crate) fn with_configuration(
        mut self,
        read: impl Fn() -> Result<Config, Problems> + Send + Sync + 'static,
    ) -> Self {
        self.unshared().configuration = Some(Arc::new(read));
        self
    }

    fn unshared(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("nobody holds a clone of what has just been made")
    }

    pub(crate) fn alacena(&self) -> &Alacena {
        &self.0.alacena
    }

    /// The settings that are in force, to look at; not to be held across an await.
    pub(crate) fn settings(&self) -> Guard<Arc<ServerSettings>> {
        self.0.settings.load()
    }

    /// Brings others into force.
    pub(crate) fn replace_settings(&self, settings: ServerSettings) {
        self.0.settings.store(Arc::new(settings));
    }

    /// What the configuration is read by when it is reloaded.
    pub(crate) fn configuration(&self) -> Option<Arc<reload::Read>> {
        self.0.configuration.clone()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(crate) fn tools(&self) -> &dyn Tools {
        &*self.0.tools
    }

    #[cfg(feature = "mcp")]
    pub(crate) fn mcp(&self) -> &crate::tools::McpService {
        &self.0.mcp
    }

    /// Whether everybody who reaches the listener may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.settings().is_open()
    }

    /// The address to show in examples: one that can be typed into a client on this machine.
    pub(crate) fn base_url(&self) -> String {
        let mut address = self.0.address;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("http://{address}")
    }

    /// A place for so many bytes of a body, until the permit is dropped.
    ///
    /// # Errors
    /// `Overloaded` where too much is arriving already.
    pub(crate) fn place_for_body(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Error> {
        let place = u32::try_from(bytes).ok().and_then(|bytes| self.0.bodies.try_acquire_many(bytes).ok());
        place.ok_or_else(|| {
            let most = bodies_bytes_max(&self.settings());
            let detail = format!("the bodies that are arriving hold {most} bytes together, and no more may");
            Error::new(&catalogue::SERVER_BUSY, detail)
        })
    }

    pub(crate) fn begin_draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}

fn bodies_bytes_max(settings: &ServerSettings) -> usize {
    ARRIVING_BYTES_MAX.max(settings.request_bytes_max.saturating_mul(4)).min(Semaphore::MAX_PERMITS)
}
