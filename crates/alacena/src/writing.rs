//! The path of a declared write: intent → source → invalidation → end of the intent.
//!
//! From the moment that anything may have been sent the invalidation is owed ([`Owed`]): it is applied however the
//! write ends, even where nobody lives to see the end.

use std::{panic::AssertUnwindSafe, sync::Arc};

use alacena_core::{
    declared::Parameters,
    engine::Engine,
    error::{Error, catalogue},
    guard::Urgency,
    ledger::{Intent, Target},
    source::{Call, Credential, Delivery},
    value::Body,
};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::{
    handle::{Alacena, Level},
    prepared::{PreparedWrite, required},
    targets::Step,
};

/// A declared write that was done.
#[derive(Clone, Debug)]
pub struct Written {
    /// What the source said.
    pub body: Body,
    /// How far the invalidation had gone.
    pub level: Level,
    /// What was invalidated.
    pub targets: Vec<Target>,
}

impl Alacena {
    /// Sends a declared write, and invalidates what it declares unless the source definitely refused it.
    ///
    /// What is to be invalidated is recorded durably before anything is sent: a process that dies in between does it
    /// when it starts again.
    ///
    /// # Errors
    /// `Unavailable` where the intent cannot be recorded; then nothing was sent. Whatever the source refuses the
    /// write with, or leaves it unknown with; in the second case the invalidation has been applied. `Closed` after
    /// [`close`](Alacena::close).
    ///
    /// # Cancellation
    /// A caller that goes away stops nothing: what was begun is sent and invalidated.
    pub async fn write(
        &self,
        write: &str,
        parameters: Parameters,
        credentials: Arc<[Credential]>,
    ) -> Result<Written, Error> {
        let prepared = self.inner.prepared.write(write)?;
        let call = Call {
            credentials: required(&prepared.write.credentials, &credentials)?,
            parameters: Arc::new(parameters),
            ..Call::default()
        };
        let targets = prepared.invalidates.iter().map(|target| target.fill(&call.parameters));
        let targets = targets.collect::<Result<Vec<_>, Error>>()?;
        // Resolved now, so that a target that cannot be is refused before anything is sent. The check of the
        // configuration has seen that keys and patterns have the form of some read's, and that patterns name nothing
        // undeclared: where no read takes the values of this call, there is nothing to invalidate.
        let steps = targets.iter().map(|target| match (self.inner.prepared.steps(target), target) {
            (Err(_), Target::Key(_) | Target::Pattern(_)) => Ok(Vec::new()),
            (steps, _) => steps,
        });
        let steps = steps.collect::<Result<Vec<_>, Error>>()?.concat();
        let work = self.inner.engine.begin_work()?;
        let (tell, told) = oneshot::channel();
        let (alacena, name) = (self.clone(), write.to_owned());
        self.runtime().spawn(Box::pin(async move {
            let written = alacena.carry_out(&name, call, targets, steps).await;
            drop(work);
            // The caller may have gone.
            let _ = tell.send(written);
        }));
        told.await.map_err(|_| Error::new(&catalogue::CLOSED, "the write was given up"))?
    }

    async fn carry_out(
        &self,
        name: &str,
        call: Call,
        targets: Vec<Target>,
        steps: Vec<Step>,
    ) -> Result<Written, Error> {
        let prepared = self.inner.prepared.write(name)?;
        let intent = Intent { write: name.to_owned(), targets, at: self.runtime().unix_millis() };
        let targets = intent.targets.clone();
        let id = self.inner.store.ledger.open_intent(intent).await?;
        self.inner.writes_sent.increment();
        let owed = Owed { engine: &self.inner.engine, steps: &steps };
        let result = match self.deliver(prepared, call).await {
            Delivery::Refused(error) => {
                owed.forgive();
                Err(error)
            }
            Delivery::Done(body) => {
                drop(owed);
                self.record(&targets, &format!("write {name}")).await;
                Ok(Written { body, level: Level::Applied, targets })
            }
            Delivery::Unknown(error) => {
                drop(owed);
                self.record(&targets, &format!("write {name}")).await;
                Err(error)
            }
        };
        if let Err(error) = self.inner.store.ledger.close_intent(id).await {
            // It is applied once more at the next start, which costs a few misses and nothing else.
            tracing::warn!(write = name, error = ?error, "the end of a write could not be recorded");
        }
        result
    }

    async fn deliver(&self, prepared: &PreparedWrite, call: Call) -> Delivery {
        let permit = match prepared.guard.admit(Urgency::Foreground).await {
            Ok(permit) => permit,
            Err(error) => return Delivery::Refused(error),
        };
        let began = self.runtime().now();
        // The method is called inside, so that its panic is caught as well as that of its future.
        let delivery = AssertUnwindSafe(async { prepared.deliver.deliver(call).await }).catch_unwind().await;
        let took = self.runtime().now() - began;
        let delivery = delivery.unwrap_or_else(|_| {
            let detail = "the write panicked; whether it was sent is not known";
            Delivery::Unknown(Error::new(&catalogue::INTERNAL, detail).with("write", &prepared.write.name))
        });
        match &delivery {
            Delivery::Done(_) => permit.succeed(took),
            Delivery::Refused(error) | Delivery::Unknown(error) => permit.fail(error, took),
        }
        delivery
    }
}

/// An invalidation that is owed: dropping it applies it.
///
/// So it is done, too, where the task ends between sending and knowing: its runtime stops, or something panics. The
/// intent is then still open, and is applied once more at the next start.
struct Owed<'a> {
    engine: &'a Engine,
    steps: &'a [Step],
}

impl Owed<'_> {
    /// Nothing was changed, so nothing is owed.
    fn forgive(mut self) {
        self.steps = &[];
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        for step in self.steps {
            step.apply(self.engine);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, future::Future, time::Duration};

    use alacena_core::{
        class::Policy,
        declared::Template,
        engine::EngineSettings,
        error::Kind,
        guard::{Guard, GuardSettings},
        runtime::{BoxFuture, SharedRuntime},
        source::Deliver,
    };
    use alacena_testkit::FakeRuntime;
    use parking_lot::Mutex;

    use super::*;
    use crate::{Class, config::TargetTemplate, declared_reads::Write, prepared::Prepared, store::Store};

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
        let write = PreparedWrite {
            write: Write {
                name: "touch".to_owned(),
                description: String::new(),
                parameters: Vec::new(),
                source: "crm".to_owned(),
                credentials: Vec::new(),
                invalidates: Vec::new(),
            },
            invalidates: vec![TargetTemplate::Tag(Template::parse("t").unwrap())],
            guard: Guard::new("crm", GuardSettings::default(), Arc::clone(&runtime)),
            deliver: Arc::new(deliver),
        };
        let prepared = Prepared {
            namespace: "default".to_owned(),
            classes: BTreeSet::new(),
            reads: Vec::new(),
            writes: vec![write],
            guards: Vec::new(),
            secret: [0; 32],
        };
        let store = Store::in_memory(&*runtime);
        let alacena = Alacena::assemble(EngineSettings::default(), runtime, store, prepared, true);
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
