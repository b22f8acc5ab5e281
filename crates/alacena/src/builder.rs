//! An Alacena for an application that loads its values itself.

use alacena_core::{engine::EngineSettings, runtime::SharedRuntime};

use crate::{handle::Alacena, prepared::Prepared, store::Store, system::SystemRuntime};

/// What an Alacena without a configuration is made of. Made by [`Alacena::builder`].
#[derive(Clone)]
#[must_use = "nothing runs until it is built"]
pub struct Builder {
    memory: EngineSettings,
    namespace: String,
    runtime: Option<SharedRuntime>,
}

impl Alacena {
    /// Begins an Alacena for an application that loads its values itself: nothing is declared, nothing is on disk.
    ///
    /// ```
    /// use alacena::{Alacena, Class, class::Policy};
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let alacena = Alacena::builder().namespace("shop").memory_bytes_max(256 << 20).build();
    /// let kpis: Class<u64> = alacena.class("kpis", Policy::default())?;
    /// let outcome = kpis.get_or_fetch(["42"], &["company:42"], || async { Ok(Some(7)) }).await?;
    /// assert_eq!(outcome.value(), Some(&7));
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn builder() -> Builder {
        Builder { memory: EngineSettings::default(), namespace: "default".to_owned(), runtime: None }
    }
}

impl Builder {
    /// The most bytes of memory that entries take. Default 64 MiB. An entry is kept only if it takes at most half of one
    /// of the parts into which the memory is divided, so very little memory keeps nothing.
    pub fn memory_bytes_max(mut self, bytes: u64) -> Self {
        self.memory.memory_bytes_max = bytes;
        self
    }

    /// The most markers of tags and keys that are remembered; one that is pushed out invalidates what depends on it.
    /// Default 65,536, about 12 MiB.
    pub fn markers_max(mut self, markers: usize) -> Self {
        self.memory.markers_max = markers;
        self
    }

    /// What the keys and tags of this application begin with. Default `default`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Where it gets its time, tasks and chance from. Default [`SystemRuntime`], on the Tokio runtime that the caller of
    /// [`build`](Builder::build) runs in.
    pub fn runtime(mut self, runtime: SharedRuntime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Begins.
    ///
    /// # Panics
    /// Outside a Tokio runtime, unless another [`runtime`](Builder::runtime) was given.
    #[must_use]
    pub fn build(self) -> Alacena {
        let runtime = self.runtime.unwrap_or_else(SystemRuntime::shared);
        let store = Store::in_memory(&*runtime);
        Alacena::assemble(self.memory, runtime, store, Prepared::nothing(&self.namespace), None)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("memory", &self.memory)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
