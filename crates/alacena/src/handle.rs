//! The handle that applications and the server hold.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use alacena_core::{
    declared::Parameters,
    engine::{Change, Reached, Spread},
    error::{Error, catalogue},
    ledger::{Invalidation, Target},
    outcome::Outcome,
    runtime::{Moment, SharedRuntime},
    source::Credential,
    tier::{After, EntryName},
    value::Body,
};
use arc_swap::{ArcSwap, Guard};
use futures_util::future::join;

pub use alacena_core::engine::{Level, Mode, Wish};

use crate::{
    encoding::{Encodings, Gzip},
    own::OwnClasses,
    prepared::{Prepared, PreparedRead, required},
    reload::Opened,
    settling::Settling,
    store::Store,
    targets::Step,
    tier::Beside,
    warming,
};

/// Tokens that one read may be asked after.
const AFTER_MAX: usize = 16;

/// A running Alacena. Cheap to clone; every clone is the same one. It is opened [with a configuration](Alacena::open) or
/// [built](Alacena::builder) without one.
///
/// ```
/// use alacena::{Alacena, Ask, config::Config, declared::Parameters, ledger::Target};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().display();
/// # rusqlite::Connection::open(folder.path().join("app.db"))?.execute_batch("create table orders (company, amount)")?;
/// let config = Config::parse(&format!(r#"
///     [embedded]
///     path = "{path}/store"
///     [sources.db]
///     kind = "sqlite"
///     path = "{path}/app.db"
///     [reads.kpis]
///     source = "db"
///     sql = "select sum(amount) as total from orders where company = :company"
///     params.company = {{ type = "integer" }}
///     tags = ["company:{{company}}"]
/// "#), "example", &Default::default())?;
/// let alacena = Alacena::open(&config, alacena::SystemRuntime::shared()).await?;
///
/// let kpis = alacena.declared_read("kpis")?;
/// let company = |id| Parameters::from_text(&kpis.parameters, [("company", id)]);
/// let first = kpis.ask(company("42")?, Ask::default()).await?;
/// let second = kpis.ask(company("42")?, Ask::default()).await?;
/// assert!(!first.is_hit() && second.is_hit());
///
/// alacena.invalidate(&[Target::Tag("company:42".into())], "example").await?;
/// assert!(!kpis.ask(company("42")?, Ask::default()).await?.is_hit());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Alacena {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: alacena_core::engine::Engine,
    pub(crate) store: Store,
    /// What is declared now. Replaced as a whole, and read on every call: without a lock.
    pub(crate) prepared: ArcSwap<Prepared>,
    /// Held by the one reload that may be under way, across its awaits.
    pub(crate) reloading: Arc<tokio::sync::Mutex<()>>,
    /// What cannot be reloaded; none where no configuration was opened.
    pub(crate) opened: Option<Opened>,
    pub(crate) cache_enabled: bool,
    pub(crate) started: Moment,
    /// The classes of the application's own values.
    pub(crate) own: OwnClasses,
    /// What is to be invalidated once more.
    pub(crate) settling: Settling,
    pub(crate) writes_sent: alacena_core::figures::Counter,
    pub(crate) warming: warming::Kept,
    pub(crate) encodings: Arc<Encodings>,
    /// What runs beside the engine for the sake of a tier that nodes share.
    pub(crate) beside: OnceLock<Beside>,
}

/// How one read is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The caller's credentials that the read passes through.
    pub credentials: Arc<[Credential]>,
    /// Whether the cache may answer.
    pub mode: Mode,
    /// Whether the answer may come in gzip, as its [`encoding`](Body::encoding) and
    /// [`preferring_gzip`](Body::preferring_gzip) then tell.
    pub gzip: Gzip,
    /// [What the caller has changed](Alacena::after) and must see, on whatever node it was changed. Default: nothing.
    pub after: Arc<[After]>,
}

/// An invalidation that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// How far it had gone.
    pub level: Level,
    /// Markers and keys that were held and are no more; not the number of entries, which nobody counts.
    pub dropped: u64,
    /// What it was about, for whoever reads after it on another node to [insist on](Alacena::after); of use for 10
    /// seconds. `None` where nodes share nothing that it was about.
    pub after: Option<String>,
}

impl fmt::Debug for Alacena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alacena").field("namespace", &self.prepared().namespace).finish_non_exhaustive()
    }
}

impl Alacena {
    /// The runtime it runs on.
    #[must_use]
    pub fn runtime(&self) -> &SharedRuntime {
        self.inner.engine.runtime()
    }

    /// Answers the declared read of this name. Parameters that were checked against an earlier configuration may not
    /// fit it: [`DeclaredRead::ask`](crate::DeclaredRead::ask) leaves no room for that.
    ///
    /// # Errors
    /// `Invalid` where there is no such read, `Denied` where it needs a credential that is missing, and whatever the
    /// source fails with where no stale value may stand in.
    ///
    /// # Cancellation
    /// A caller that goes away neither kills nor leaks the load.
    pub async fn ask(&self, read: &str, parameters: Parameters, ask: Ask) -> Result<Outcome<Body>, Error> {
        self.declared_read(read)?.ask(parameters, ask).await
    }

    pub(crate) async fn ask_prepared(
        &self,
        prepared: &PreparedRead,
        parameters: Parameters,
        ask: Ask,
    ) -> Result<Outcome<Body>, Error> {
        let credentials = required(&prepared.read.credentials, &ask.credentials)?;
        let mode = self.mode(ask.mode);
        let engine = &self.inner.engine;
        let question = prepared.question(&parameters, &credentials)?.with_mode(mode);
        let question = engine.asked_after(question, &ask.after);
        let outcome = match &prepared.parent {
            None => {
                let load = self.loading(prepared, &question.key, parameters, credentials);
                engine.get_or_fetch(&question, load).await?
            }
            Some(parent) => {
                let ask = Ask { credentials, mode, after: ask.after, ..Ask::default() };
                let first = self.loading_after(prepared, parent, &question.key, parameters, ask);
                engine.get_or_fetch_after(&question, first).await?
            }
        };
        match ask.gzip {
            Gzip::Required => self.in_gzip(outcome, &question.key).await,
            gzip => self.opened(outcome, || question.key.clone(), gzip),
        }
    }

    /// Invalidates every target, or none: of what is declared, and of the classes and layers of the application. `who` is
    /// kept in the [history](Alacena::history).
    ///
    /// The keys of a class begin with its name, and so does its one prefix. Nothing of a class depends on a part of its
    /// keys, so a pattern reaches all of it (`kpis:*`) or one key (`kpis:42`), and for all else there are tags.
    ///
    /// ```
    /// use alacena::{Alacena, Class, class::Policy, ledger::Target};
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let alacena = Alacena::builder().build();
    /// let kpis: Class<u64> = alacena.class("kpis", Policy::default())?;
    /// kpis.get_or_fetch(["42"], &["company:42"], || async { Ok(Some(7)) }).await?;
    ///
    /// alacena.invalidate(&[Target::Key("kpis:42".into()), Target::Tag("company:42".into())], "import").await?;
    /// assert!(kpis.get(["42"])?.is_none());
    ///
    /// let mistaken = alacena.invalidate(&[Target::Class("kpi".into())], "import").await;
    /// assert!(mistaken.unwrap_err().detail().contains("did you mean `kpis`?"));
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `Invalid` where a target names nothing that anything can depend on; then nothing is invalidated.
    pub async fn invalidate(&self, targets: &[Target], who: &str) -> Result<Invalidated, Error> {
        self.invalidate_as(targets, who, Wish::Applied).await
    }

    /// The same, acknowledged once it has gone as far as is wished. How far it has gone instead, where it could not, the
    /// answer says; it has always been done on this node.
    ///
    /// # Errors
    /// As of [`invalidate`](Alacena::invalidate).
    ///
    /// # Cancellation
    /// What was begun goes on.
    pub async fn invalidate_as(
        &self,
        targets: &[Target],
        who: &str,
        wish: Wish,
    ) -> Result<Invalidated, Error> {
        let steps = self.resolve(targets)?;
        let invalidated = self.apply(&steps, targets, who, wish).await;
        self.record(targets, who, invalidated.level).await;
        Ok(invalidated)
    }

    /// What a caller has changed, by the [tokens](Invalidated::after) that it was given for it, with commas between them:
    /// a [read](Ask::after) that is asked so is not answered with anything from before, on any node, however little that
    /// has heard. It costs such a read a round trip to the second tier, where it concerns what was changed.
    ///
    /// # Errors
    /// `Invalid` for more than 16, and where one of them was made by no node with the secret of this one.
    pub fn after(&self, tokens: &str) -> Result<Arc<[After]>, Error> {
        let tokens: Vec<&str> = tokens.split(',').map(str::trim).filter(|token| !token.is_empty()).collect();
        if tokens.len() > AFTER_MAX {
            let detail = format!(
                "at most {AFTER_MAX} tokens say after what a read is, and these are {}",
                tokens.len()
            );
            return Err(Error::new(&catalogue::PARAMETER_INVALID, detail));
        }
        let after = tokens.into_iter().map(|token| self.inner.engine.after(token));
        after.filter_map(Result::transpose).collect()
    }

    /// Invalidates everything and frees the memory that it took.
    ///
    /// # Errors
    /// None: what could not be told to a shard is deferred, as the answer says.
    pub async fn clear(&self, who: &str) -> Result<Invalidated, Error> {
        let steps = [Step::Dep(alacena_core::dep::Dep::everything())];
        let targets = [Target::Everything];
        let invalidated = self.apply(&steps, &targets, who, Wish::Applied).await;
        self.inner.engine.clear();
        self.record(&targets, who, invalidated.level).await;
        Ok(invalidated)
    }

    /// The newest `limit` invalidations, newest first. The store keeps 10,000 of them, over restarts.
    ///
    /// # Errors
    /// `Unavailable` where the store cannot be read.
    pub async fn history(&self, limit: usize) -> Result<Vec<Invalidation>, Error> {
        self.inner.store.ledger.history(limit).await
    }

    /// Takes no new loads and writes, waits until the running ones are over, at most `grace`, and gives the store
    /// back. What is in memory is still answered.
    pub async fn close(&self, grace: Duration) {
        self.inner.warming.0.close();
        if let Some(beside) = self.inner.beside.get() {
            beside.close().await;
        }
        if !self.inner.engine.close(grace).await {
            tracing::warn!(?grace, "loads or writes were still running when the time to stop was over");
        }
        self.inner.store.close().await;
    }

    /// Makes known beside the store where this process listens, so that the command line finds it.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be written.
    pub async fn announce(&self, listen: &str) -> Result<(), Error> {
        self.inner.store.announce(listen).await
    }

    /// What becomes of `asked` where the cache is switched off.
    pub(crate) fn mode(&self, asked: Mode) -> Mode {
        if self.inner.cache_enabled { asked } else { Mode::Bypass }
    }

    /// What is declared now, to look at; not to be held across an await.
    pub(crate) fn prepared(&self) -> Guard<Arc<Prepared>> {
        self.inner.prepared.load()
    }

    /// What is declared now, to keep.
    pub(crate) fn prepared_full(&self) -> Arc<Prepared> {
        self.inner.prepared.load_full()
    }

    pub(crate) fn resolve(&self, targets: &[Target]) -> Result<Vec<Step>, Error> {
        let prepared = self.prepared();
        let own = self.inner.own.list();
        let steps = targets.iter().map(|target| prepared.steps(target, &own));
        Ok(steps.collect::<Result<Vec<_>, Error>>()?.concat())
    }

    /// Invalidates, on this node and wherever it is shared; and once more where a source has to settle.
    pub(crate) async fn apply(
        &self,
        steps: &[Step],
        targets: &[Target],
        who: &str,
        wish: Wish,
    ) -> Invalidated {
        let repeated = self.repeat_settled(steps, targets, who);
        let written = async {
            if let Some(mut written) = repeated {
                // An error: the runtime ends, and so does this.
                let _ = written.wait_for(|is_written| *is_written).await;
            }
        };
        // The first one first: it has taken effect here before anything is waited for.
        join(self.apply_once(steps, targets, who, wish), written).await.0
    }

    /// Invalidates, on this node and wherever it is shared.
    pub(crate) async fn apply_once(
        &self,
        steps: &[Step],
        targets: &[Target],
        who: &str,
        wish: Wish,
    ) -> Invalidated {
        let engine = &self.inner.engine;
        let changes: Vec<Change<'_>> = steps.iter().map(Step::change).collect();
        let entries: Vec<EntryName> = steps.iter().filter_map(|step| step.entry(engine)).collect();
        let spread = Spread { changes: &changes, entries: &entries, who, targets, wish };
        let Reached { level, dropped } = engine.spread(spread).await;
        // Who is owed an invalidation has nothing that a read on another node could be held to.
        let after = level.is_applied().then(|| engine.token_after(&changes, &entries)).flatten();
        Invalidated { level, dropped, after }
    }

    /// Adds to the history. The invalidation has been done, whatever becomes of the record of it.
    pub(crate) async fn record(&self, targets: &[Target], who: &str, level: Level) {
        let at = self.runtime().unix_millis();
        let level = level.as_str().to_owned();
        let invalidation = Invalidation { at, who: who.to_owned(), targets: targets.to_vec(), level };
        if let Err(error) = self.inner.store.ledger.record(invalidation).await {
            tracing::warn!(who, error = ?error, "an invalidation was applied but not recorded");
        }
    }
}
