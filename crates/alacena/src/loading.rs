//! How a declared read is loaded: its source asked, and before it its parent.

use std::{future::Future, sync::Arc, time::Duration};

use alacena_core::{
    declared::Parameters,
    engine::{Learned, Loaded, Mode, Question, Warmed},
    error::{Error, catalogue},
    freshness::Freshness,
    key::Key,
    outcome::{Outcome, Shared},
    runtime::BoxFuture,
    source::{Call, Credential, Fetched, Terms},
    value::{Body, Compression, Kept, Value},
};

use crate::{
    config::ReadConfig,
    handle::{Alacena, Ask},
    parents::Parent,
    prepared::{PreparedRead, required},
};

/// A load that is under way.
type Loading = BoxFuture<'static, Result<Loaded, Error>>;

impl Alacena {
    /// Loads what `question`, made of these parameters, asks for, where nobody waits for it.
    pub(crate) async fn warm_prepared(
        &self,
        prepared: &PreparedRead,
        question: &Question,
        parameters: Parameters,
    ) -> Result<Warmed, Error> {
        let engine = &self.inner.engine;
        match &prepared.parent {
            None => {
                let load = self.loading(prepared, &question.key, parameters, Arc::default());
                engine.warm(question, load).await
            }
            Some(parent) => {
                let key = &question.key;
                let first = self.loading_after(prepared, parent, key, parameters, Ask::default());
                engine.warm_after(question, first).await
            }
        }
    }

    /// What loads the entry of `key`, for a read that needs no other.
    pub(crate) fn loading(
        &self,
        prepared: &PreparedRead,
        key: &Key,
        parameters: Parameters,
        credentials: Arc<[Credential]>,
    ) -> impl FnOnce(bool) -> Loading + Send + use<> {
        let (fetch, ttl) = (Arc::clone(&prepared.fetch), Arc::clone(&prepared.ttl));
        let (engine, key) = (self.inner.engine.clone(), key.clone());
        let ReadConfig { conditional, compression, .. } = prepared.declaration;
        move |no_cache| {
            // Whatever is held, the source says whether it is still what it would answer.
            let held = engine.held(&key).filter(|_| conditional);
            let kept = held.as_deref().and_then(Kept::of);
            let validator = kept.and_then(|kept| kept.validator()).cloned();
            let call = Call { parameters: Arc::new(parameters), credentials, no_cache, held: validator };
            Box::pin(async move {
                let fetched = fetch.fetch(call).await?;
                let terms =
                    |terms, body: Option<&Body>| ttl.terms(terms, body, engine.runtime().unix_millis());
                loaded(fetched, held, compression, terms).await
            })
        }
    }

    /// The same for a read that needs something of its parent's answer, from the asking of the parent on.
    ///
    /// No version is shown to the source: what is held was perhaps loaded with something else of the parent, and is
    /// then the answer to another question, whatever its version is called.
    pub(crate) fn loading_after(
        &self,
        prepared: &PreparedRead,
        parent: &Arc<Parent>,
        key: &Key,
        parameters: Parameters,
        ask: Ask,
    ) -> impl Future<Output = Result<Learned<impl FnOnce(bool) -> Loading + Send + use<>>, Error>> + Send + use<>
    {
        let (alacena, parent, rules) = (self.clone(), Arc::clone(parent), Arc::clone(&prepared.rules));
        let (fetch, ttl) = (Arc::clone(&prepared.fetch), Arc::clone(&prepared.ttl));
        let (source, compression) = (Arc::clone(&prepared.source), prepared.declaration.compression);
        let key = key.clone();
        // All of it is for whoever loads: a hit never gets here.
        async move {
            let runtime = Arc::clone(alacena.runtime());
            if ask.mode == Mode::Normal && alacena.is_fresh(&key) {
                alacena
                    .renew_parent(&parent, &parameters, Arc::clone(&ask.credentials), rules.policy.ttl)
                    .await?;
            }
            // Those that the child's source does not take are its parent's.
            let own = required(source.source.credentials(), &ask.credentials)?;
            let outcome = alacena.ask_parent(&parent, &parameters, ask).await?;
            let taken = parent.take(&parameters, &outcome)?;
            let bound = taken.bound;
            let Some(parameters) = taken.parameters else {
                let absent = bound.apply(Loaded::absent(), &rules.policy, runtime.now());
                return Ok(Learned::Known(absent));
            };
            Ok(Learned::Ask(move |no_cache| -> Loading {
                let call = Call { parameters: Arc::new(parameters), credentials: own, no_cache, held: None };
                Box::pin(async move {
                    let fetched = fetch.fetch(call).await.map_err(|error| parent.explain(error))?;
                    let terms = |terms, body: Option<&Body>| ttl.terms(terms, body, runtime.unix_millis());
                    let loaded = loaded(fetched, None, compression, terms).await?;
                    Ok(bound.apply(loaded, &rules.policy, runtime.now()))
                })
            }))
        }
    }

    /// Gives the parent time, for a child that is refreshed before its own is over: the two would end together otherwise,
    /// and whoever comes then would wait for both. Half of what the child could have at best is enough.
    fn renew_parent(
        &self,
        parent: &Parent,
        child: &Parameters,
        credentials: Arc<[Credential]>,
        ttl_of_child: Duration,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let (alacena, read) = (self.clone(), Arc::clone(&parent.read));
        let parameters = parent.parameters(child);
        Box::pin(async move {
            let (parameters, engine) = (parameters?, &alacena.inner.engine);
            let credentials = required(&read.read.credentials, &credentials)?;
            let question = read.question(&parameters, &credentials)?;
            let need = ttl_of_child.min(read.rules.policy.ttl) / 2;
            let key = &question.key;
            match &read.parent {
                None => {
                    let load = alacena.loading(&read, key, parameters, credentials);
                    engine.renew(&question, need, load).await;
                }
                Some(above) => {
                    let ask = Ask { credentials, ..Ask::default() };
                    let first = alacena.loading_after(&read, above, key, parameters, ask);
                    engine.renew_after(&question, need, first).await;
                }
            }
            Ok(())
        })
    }

    fn is_fresh(&self, key: &Key) -> bool {
        self.inner.engine.explain(key).is_some_and(|held| held.freshness == Freshness::Fresh)
    }

    /// Asks the parent, as any caller would. Boxed, since it may have a parent itself.
    fn ask_parent(
        &self,
        parent: &Arc<Parent>,
        child: &Parameters,
        ask: Ask,
    ) -> BoxFuture<'static, Result<Outcome<Body>, Error>> {
        let (alacena, parent, parameters) = (self.clone(), Arc::clone(parent), parent.parameters(child));
        Box::pin(async move {
            let asked = alacena.ask_prepared(&parent.read, parameters?, ask).await;
            asked.map_err(|error| parent.named(error))
        })
    }
}

/// What a source said, as the engine takes it.
async fn loaded(
    fetched: Fetched,
    held: Option<Shared<Value>>,
    compression: Compression,
    terms_of: impl FnOnce(Terms, Option<&Body>) -> Terms + Send,
) -> Result<Loaded, Error> {
    match (fetched, held.as_deref().and_then(Kept::of)) {
        (Fetched::Found { body, cacheable, terms }, kept) => {
            let terms = terms_of(terms, Some(&body));
            let renewed = kept.and_then(|kept| kept.renewed(&body));
            let value = match renewed {
                Some(value) => value,
                None => body.keep(compression).await,
            };
            Ok(Loaded { cacheable, terms, ..Loaded::found(value) })
        }
        (Fetched::Absent, _) => Ok(Loaded::absent()),
        (Fetched::Unchanged { cacheable, terms }, Some(kept)) => {
            let opened = kept.open(false)?;
            let terms = terms_of(terms, Some(&*opened));
            Ok(Loaded { cacheable, terms, ..Loaded::found(kept.again()) })
        }
        (other, _) => Err(Error::new(&catalogue::INTERNAL, format!("unexpected answer {other:?}"))),
    }
}
