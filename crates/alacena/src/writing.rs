//! The path of a declared write: intent → source → invalidation → end of the intent.
//!
//! From the moment that anything may have been sent the invalidation is owed ([`Owed`]): it is applied however the
//! write ends, even where nobody lives to see the end.

use std::{panic::AssertUnwindSafe, sync::Arc};

use alacena_core::{
    declared::Parameters,
    dep::Dep,
    error::{Error, catalogue},
    guard::Urgency,
    ledger::{Intent, Target},
    source::{Call, Credential, Delivery},
    value::Body,
};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::{
    handle::{Alacena, Invalidated, Level, Wish},
    prepared::{Prepared, PreparedWrite, required},
    targets::Step,
};

/// A declared write that was done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Written {
    /// What the source said.
    pub body: Body,
    /// How far the invalidation had gone.
    pub level: Level,
    /// What was invalidated.
    pub targets: Vec<Target>,
    /// For whoever reads after it on another node to [insist on](Alacena::after); of use for 10 seconds. `None` where
    /// nodes share nothing that it has changed.
    pub after: Option<String>,
}

impl Alacena {
    /// Sends the declared write of this name. Parameters that were checked against an earlier configuration may not fit
    /// it: [`DeclaredWrite::send`](crate::DeclaredWrite::send) leaves no room for that.
    ///
    /// # Errors
    /// `Invalid` where there is no such write; else as [`DeclaredWrite::send`](crate::DeclaredWrite::send).
    ///
    /// # Cancellation
    /// A caller that goes away stops nothing: what was begun is sent and invalidated.
    pub async fn write(
        &self,
        write: &str,
        parameters: Parameters,
        credentials: Arc<[Credential]>,
    ) -> Result<Written, Error> {
        self.declared_write(write)?.send(parameters, credentials).await
    }

    /// Sends `write`, which is one of those of the configuration `of`.
    pub(crate) async fn write_prepared(
        &self,
        of: Arc<Prepared>,
        write: Arc<PreparedWrite>,
        parameters: Parameters,
        credentials: Arc<[Credential]>,
    ) -> Result<Written, Error> {
        let call = Call {
            credentials: required(&write.write.credentials, &credentials)?,
            parameters: Arc::new(parameters),
            ..Call::default()
        };
        let targets = write.declaration.invalidates.iter().map(|target| target.fill(&call.parameters));
        let targets = targets.collect::<Result<Vec<_>, Error>>()?;
        // Resolved now, so that a target that cannot be is refused before anything is sent. The check of the
        // configuration has seen that keys and patterns have the form of some read's, and that patterns name nothing
        // undeclared: where no read takes the values of this call, there is nothing to invalidate.
        let own = self.inner.own.list();
        let steps = targets.iter().map(|target| match (of.steps(target, &own), target) {
            (Err(_), Target::Key(_) | Target::Pattern(_)) => Ok(Vec::new()),
            (steps, _) => steps,
        });
        let steps = steps.collect::<Result<Vec<_>, Error>>()?.concat();
        let work = self.inner.engine.begin_work()?;
        let (tell, told) = oneshot::channel();
        let owed = Owed { alacena: self.clone(), of, write, targets, steps, is_done: false, is_paid: true };
        self.runtime().spawn(Box::pin(async move {
            let written = owed.carry_out(call).await;
            drop(work);
            // The caller may have gone.
            let _ = tell.send(written);
        }));
        told.await.map_err(|_| Error::new(&catalogue::CLOSED, "the write was given up"))?
    }

    async fn deliver(&self, write: &PreparedWrite, call: Call) -> Delivery {
        let permit = match write.source.guard.admit(Urgency::Foreground).await {
            Ok(permit) => permit,
            Err(error) => return Delivery::Refused(error),
        };
        let began = self.runtime().now();
        // The method is called inside, so that its panic is caught as well as that of its future.
        let delivery = AssertUnwindSafe(async { write.deliver.deliver(call).await }).catch_unwind().await;
        let took = self.runtime().now() - began;
        let delivery = delivery.unwrap_or_else(|_| {
            let detail = "the write panicked; whether it was sent is not known";
            Delivery::Unknown(Error::new(&catalogue::INTERNAL, detail).with("write", &write.write.name))
        });
        match &delivery {
            Delivery::Done(_) => permit.succeed(took),
            Delivery::Refused(error) | Delivery::Unknown(error) => permit.fail(error, took),
        }
        delivery
    }
}

/// A write under way, with the invalidation that is owed for it: dropping it pays it on this node.
///
/// So it is done here, too, where the task ends between sending and knowing: its runtime stops, or something panics. The
/// intent is then still open, and is paid everywhere at the next start.
struct Owed {
    alacena: Alacena,
    /// The configuration that the write was begun with.
    of: Arc<Prepared>,
    write: Arc<PreparedWrite>,
    targets: Vec<Target>,
    /// What `targets` are in that configuration.
    steps: Vec<Step>,
    /// Whether nothing is owed any more: it was invalidated, or need not be.
    is_done: bool,
    /// Whether that is sure to reach everybody, whatever becomes of this process.
    is_paid: bool,
}

impl Owed {
    /// Records the intent, sends, and records the end.
    async fn carry_out(mut self, call: Call) -> Result<Written, Error> {
        let (alacena, write) = (self.alacena.clone(), Arc::clone(&self.write));
        let (name, targets) = (&write.write.name, self.targets.clone());
        let at = alacena.runtime().unix_millis();
        let intent = Intent { write: name.clone(), targets: targets.clone(), at };
        let id = match alacena.inner.store.ledger.open_intent(intent).await {
            Ok(id) => id,
            Err(error) => {
                self.is_done = true;
                return Err(error);
            }
        };
        alacena.inner.writes_sent.increment();
        let delivery = alacena.deliver(&write, call).await;
        let result = match delivery {
            Delivery::Refused(error) => {
                self.is_done = true;
                Err(error)
            }
            Delivery::Done(body) => {
                let Invalidated { level, after, .. } = self.invalidate().await;
                Ok(Written { body, level, targets: targets.clone(), after })
            }
            Delivery::Unknown(error) => {
                self.invalidate().await;
                Err(error)
            }
        };
        if !self.is_paid {
            // Nothing that would survive the process knows of it but this.
            return result;
        }
        if let Err(error) = alacena.inner.store.ledger.close_intent(id).await {
            // It is applied once more at the next start, which costs a few misses and nothing else.
            tracing::warn!(write = name, error = ?error, "the end of a write could not be recorded");
        }
        result
    }

    /// Pays what is owed, on this node and wherever it is shared; how far that has gone.
    async fn invalidate(&mut self) -> Invalidated {
        let steps: Vec<Step> = self.steps.iter().cloned().chain(self.steps_since()).collect();
        let who = format!("write {}", self.write.write.name);
        let invalidated = self.alacena.apply(&steps, &self.targets, &who, Wish::Applied).await;
        self.is_done = true;
        self.is_paid = invalidated.level != Level::DeferredVolatile;
        self.alacena.record(&self.targets, &who, invalidated.level).await;
        invalidated
    }

    /// What the write invalidates by a configuration that has come into force while it was under way.
    ///
    /// ```text
    ///   write                      reload              reader
    ///   resolves its targets
    ///                              new keys
    ///                                                  loads a new key
    ///   the source has changed
    ///   invalidates the old keys                       answered with what was before the write
    /// ```
    ///
    /// Whoever loads by a configuration that comes into force after this look asks a source that has changed already.
    fn steps_since(&self) -> Vec<Step> {
        let now = self.alacena.prepared_full();
        if Arc::ptr_eq(&now, &self.of) {
            return Vec::new();
        }
        let meant = &self.write.declaration.invalidates;
        match now.write(&self.write.write.name) {
            Ok(write) if write.declaration.invalidates == *meant => {
                // What nothing depends on any more needs no step.
                let own = self.alacena.inner.own.list();
                self.targets.iter().flat_map(|target| now.steps(target, &own).unwrap_or_default()).collect()
            }
            // What it would have to invalidate now, nobody has written down.
            _ => vec![Step::Dep(Dep::namespace(&now.namespace))],
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.is_done {
            let since = self.steps_since();
            let changes: Vec<_> = self.steps.iter().chain(&since).map(Step::change).collect();
            self.alacena.inner.engine.invalidate_here(&changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, time::Duration};

    use alacena_core::{
        class::Policy,
        engine::EngineSettings,
        error::Kind,
        runtime::{BoxFuture, SharedRuntime},
        source::Deliver,
    };
    use alacena_testkit::FakeRuntime;
    use parking_lot::Mutex;

    use super::*;
    use crate::{Class, config::Config, preparing::prepare, store::Store};

    const TOUCH: &str = r#"
        [sources.crm]
        kind = "http"
        base_url = "http://127.0.0.1:9"

        [writes.touch]
        source = "crm"
        http = "POST /touch"
        invalidates = ["t"]
    "#;

    /// A source that does with a write what a test wants.
    struct Does<F>(F);

    impl<F, D> Deliver for Does<F>
    where
        F: Fn() -> D + Send + Sync + 'static,
        D: Future<Output = Delivery> + Send + 'static,
    {
        fn deliver(&self, _: Call) -> BoxFuture<'static, Delivery> {
            Box::pin(self.0())
        }
    }

    /// An Alacena whose write `touch` invalidates the tag `t`, and one entry that carries it.
    async fn alacena(deliver: impl Deliver) -> (Alacena, Class<u64>) {
        let runtime: SharedRuntime = Arc::new(FakeRuntime::new(1));
        let store = Store::in_memory(&*runtime);
        let config = Config::parse(TOUCH, "test", &Default::default()).unwrap();
        let mut prepared = prepare(&config, &runtime, &store, None).unwrap();
        let write = Arc::get_mut(&mut prepared.writes[0]).unwrap();
        write.deliver = Arc::new(deliver);
        let alacena = Alacena::assemble(EngineSettings::default(), runtime, store, prepared, None);
        let class = alacena.class("c", Policy::default()).unwrap();
        class.get_or_fetch(["1"], &["t"], || async { Ok(Some(7)) }).await.unwrap();
        assert!(class.get(["1"]).unwrap().is_some());
        (alacena, class)
    }

    async fn touch(alacena: &Alacena) -> Result<Written, Error> {
        alacena.write("touch", Parameters::default(), Arc::default()).await
    }

    #[tokio::test]
    async fn a_write_that_panics_counts_as_sent() {
        let (alacena, class) = alacena(Does(|| async { panic!("on purpose") })).await;
        assert_eq!(touch(&alacena).await.unwrap_err().kind(), Kind::Internal);
        assert!(class.get(["1"]).unwrap().is_none());
        assert_eq!(alacena.inner.store.ledger.open_intents().await.unwrap(), []);
    }

    #[test]
    fn a_write_whose_task_is_dropped_counts_as_sent() {
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (alacena, class) = tokio.block_on(async {
            let (alacena, class) = alacena(Does(std::future::pending)).await;
            assert!(touch(&alacena).now_or_never().is_none(), "its caller goes away, the write does not");
            alacena_testkit::settle().await;
            (alacena, class)
        });
        assert!(class.get(["1"]).unwrap().is_some(), "it is under way");
        drop(tokio);
        assert!(class.get(["1"]).unwrap().is_none());
        let open = alacena.inner.store.ledger.open_intents().now_or_never().unwrap().unwrap();
        assert_eq!(open.len(), 1, "the next start does it once more");
    }

    #[tokio::test]
    async fn close_waits_for_writes_and_then_takes_none() {
        let (done, end) = oneshot::channel();
        let end = Mutex::new(Some(end));
        let (alacena, class) = alacena(Does(move || {
            let end: oneshot::Receiver<()> = end.lock().take().unwrap();
            async move {
                end.await.unwrap();
                Delivery::Done(Body::json("{}"))
            }
        }))
        .await;
        let mut written = Box::pin(touch(&alacena));
        assert!(written.as_mut().now_or_never().is_none());
        alacena_testkit::settle().await;
        let mut close = Box::pin(alacena.close(Duration::from_secs(1)));
        assert!(close.as_mut().now_or_never().is_none(), "the write is under way");
        done.send(()).unwrap();
        close.await;
        assert!(class.get(["1"]).unwrap().is_none());
        assert_eq!(alacena.inner.store.ledger.open_intents().await.unwrap(), []);
        written.await.unwrap();
        assert_eq!(touch(&alacena).await.unwrap_err().kind(), Kind::Closed);
    }
}
