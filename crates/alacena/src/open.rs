//! From a configuration to running components.

use std::sync::{Arc, OnceLock};

use alacena_core::{
    engine::{Engine, EngineSettings},
    error::Error,
    figures::Counter,
    runtime::SharedRuntime,
};
use arc_swap::ArcSwap;

use crate::{
    config::Config,
    handle::{Alacena, Inner},
    own::OwnClasses,
    prepared::Prepared,
    preparing::prepare,
    reload::Opened,
    settling::Settling,
    store::Store,
    tier::Agreed,
    warming::{Kept, Warming},
};

impl Alacena {
    /// Opens the store, prepares the sources, and applies what an earlier process left open, before the first read.
    ///
    /// # Errors
    /// `Invalid` where a declaration does not fit its source, named; `Unavailable` where the store or a source's
    /// files cannot be used, or the store belongs to another process, named.
    pub async fn open(config: &Config, runtime: SharedRuntime) -> Result<Alacena, Error> {
        let mut store = Store::open(config, &runtime)?;
        let agreed = Agreed::with(config, &mut store, &runtime).await?;
        let prepared = prepare(config, &runtime, &store, None)?;
        let memory = EngineSettings {
            memory_bytes_max: config.memory.bytes_max,
            markers_max: config.memory.markers_max,
        };
        let alacena = Self::assemble(memory, runtime, store, prepared, Some(Opened::with(config)));
        agreed.share(config, &alacena)?;
        alacena.recover().await?;
        Ok(alacena)
    }

    pub(crate) fn assemble(
        memory: EngineSettings,
        runtime: SharedRuntime,
        store: Store,
        prepared: Prepared,
        opened: Option<Opened>,
    ) -> Alacena {
        Alacena {
            inner: Arc::new(Inner {
                started: runtime.now(),
                encodings: Arc::default(),
                warming: Kept(Arc::new(Warming::new(Arc::clone(&runtime)))),
                engine: Engine::new(memory, runtime),
                store,
                prepared: ArcSwap::from_pointee(prepared),
                cache_enabled: opened.as_ref().is_none_or(Opened::caches),
                opened,
                reloading: Arc::default(),
                own: OwnClasses::default(),
                settling: Settling::default(),
                beside: OnceLock::new(),
                writes_sent: Counter::default(),
            }),
        }
    }
}
