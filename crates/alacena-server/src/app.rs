//! What every handler can reach.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use alacena::Alacena;

use crate::{
    settings::ServerSettings,
    tools::{LocalTools, Tools},
};

/// What every handler can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    alacena: Alacena,
    settings: ServerSettings,
    address: SocketAddr,
    draining: AtomicBool,
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
            alacena,
            settings,
            address,
            draining: AtomicBool::new(false),
            tools,
        }))
    }

    /// The same with another endpoint at `/mcp`. Nobody may hold a clone yet.
    #[cfg(feature = "mcp")]
    pub(crate) fn with_mcp(mut self, mcp: crate::tools::McpService) -> Self {
        Arc::get_mut(&mut self.0).expect("nobody holds a clone of what has just been made").mcp = mcp;
        self
    }

    pub(crate) fn alacena(&self) -> &Alacena {
        &self.0.alacena
    }

    pub(crate) fn settings(&self) -> &ServerSettings {
        &self.0.settings
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
        self.0.settings.tokens.is_empty()
    }

    /// The address to show in examples: one that can be typed into a client on this machine.
    pub(crate) fn base_url(&self) -> String {
        let mut address = self.0.address;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("http://{address}")
    }

    pub(crate) fn begin_draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}
