//! Classes of typed values, for applications that load their values themselves.

use std::{any::Any, fmt, future::Future, sync::Arc};

use alacena_core::{
    dep::Dep,
    engine::{Engine, Loaded, Put, Question, Rules},
    error::{Error, catalogue},
    key::{Key, KeyBytes},
    outcome::Outcome,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{Named, weighed},
    handle::{Alacena, Invalidated, Mode, Wish},
    own::{ClassSettings, OwnKind},
    targets::Step,
};

/// A class of values of one type. Cheap to clone.
///
/// Values live beside those of declared reads, in the same memory and under the same rules; they are shared, never
/// copied.
///
/// ```
/// use alacena::{Alacena, Class, class::Policy};
/// use std::time::Duration;
///
/// #[derive(serde::Serialize)]
/// struct Kpis { revenue: u64 }
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let alacena = Alacena::builder().build();
/// let kpis: Class<Kpis> = alacena.class("kpis", Policy { ttl: Duration::from_secs(60), ..Policy::default() })?;
///
/// let load = || async { Ok(Some(Kpis { revenue: 7 })) }; // the slow part: ask a database
/// let outcome = kpis.get_or_fetch(["42"], &["company:42"], load).await?;
/// assert_eq!(outcome.value().unwrap().revenue, 7);
///
/// // After a change of company 42:
/// kpis.invalidate_tag("company:42").await?;
/// # Ok::<(), alacena::error::Error>(())
/// # }).unwrap();
/// ```
pub struct Class<V> {
    alacena: Alacena,
    rules: Arc<Rules>,
    /// The version of a value at its source, where values have one. Also says which type they are of.
    version: Option<fn(&V) -> u64>,
}

impl Alacena {
    /// The class called `name`, of values of type `V`. `settings` is a [`Policy`](crate::class::Policy), or
    /// [`ClassSettings`] that put a guard before the loads.
    ///
    /// A name is one class: its handles share entries, counts and guard, and so it has one policy. Whoever asks for it
    /// again says the same of it, or clones the handle.
    ///
    /// # Errors
    /// `Invalid` when the name is empty or longer than 128 bytes, when it is that of a class of declared reads, of a layer
    /// or of one whose values are of another type or whose settings are others, when its source is a declared one or is
    /// guarded with other limits, and beyond 1,024 classes.
    pub fn class<V: 'static>(
        &self,
        name: &str,
        settings: impl Into<ClassSettings>,
    ) -> Result<Class<V>, Error> {
        let rules = self.own_class::<V>(name, settings.into(), OwnKind::Typed)?;
        Ok(Class { alacena: self.clone(), rules, version: None })
    }

    /// The same, of values that nodes share: where there is a second tier, what one node has loaded serves all of them. It needs to read values, too, not only to write them. Those of
    /// [`class`](Alacena::class) stay on their node; invalidations reach every node in either case.
    ///
    /// ```
    /// use alacena::{Alacena, Class, class::Policy};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Kpis { revenue: u64 }
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let alacena = Alacena::builder().build();
    /// let kpis: Class<Kpis> = alacena.shared_class("kpis", Policy::default())?;
    /// # kpis.get_or_fetch(["42"], &[], || async { Ok(Some(Kpis { revenue: 7 })) }).await?;
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// Nodes meet where name, type, [form](ClassSettings::form) and the times of the policy are the same. Values go by the
    /// names of their fields, and are at most 128 levels deep; one that this node cannot read is a miss.
    ///
    /// # Errors
    /// As [`class`](Alacena::class), and where the class is there already and is not shared.
    pub fn shared_class<V: Serialize + DeserializeOwned + Send + Sync + 'static>(
        &self,
        name: &str,
        settings: impl Into<ClassSettings>,
    ) -> Result<Class<V>, Error> {
        let rules =
            self.own_class::<V>(name, settings.into(), OwnKind::Shared(Arc::new(Named::<V>::default())))?;
        Ok(Class { alacena: self.clone(), rules, version: None })
    }
}

impl<V: Serialize + Send + Sync + 'static> Class<V> {
    /// The same class, of whose values `version` is told apart the newer from the older: a revision, a time of change.
    #[must_use]
    pub fn versioned_by(self, version: fn(&V) -> u64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Puts a value in the place of an older version of it; without a version on both, or without anything to compare
    /// with, it is refused, and the next read loads. For values that arrive unasked, with an event or the answer to a
    /// write, late ones included.
    ///
    /// ```
    /// # use alacena::{Alacena, Class, Put, class::Policy};
    /// #[derive(serde::Serialize)]
    /// struct Job { revision: u64 }
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let alacena = Alacena::builder().build();
    /// let jobs: Class<Job> = alacena.class("jobs", Policy::default())?.versioned_by(|job| job.revision);
    /// jobs.get_or_fetch(["7"], &[], || async { Ok(Some(Job { revision: 2 })) }).await?;
    /// assert_eq!(jobs.put_if_newer(["7"], Job { revision: 3 }).await?, Put::Replaced);
    /// assert_ne!(jobs.put_if_newer(["7"], Job { revision: 2 }).await?, Put::Replaced);
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// In a [shared class](Alacena::shared_class) it takes the place of what all nodes hold: from then on this node answers
    /// nothing older, and the others do not after 0.9 seconds. It costs two round trips, and each node asks once about the
    /// copies that it has in memory of one in 4,096 keys. In any other class it is about this node's memory alone.
    ///
    /// # Errors
    /// `Invalid` for a key beyond its limits.
    ///
    /// # Cancellation
    /// It may be put all the same; then this node, too, may answer what is older for 0.9 seconds.
    pub async fn put_if_newer(
        &self,
        key: impl IntoIterator<Item = impl AsRef<str>>,
        value: V,
    ) -> Result<Put, Error> {
        let question = self.question(key, &[])?;
        Ok(self.engine().put_if_newer(&question, weighed(value, self.version)?).await)
    }

    /// Keeps a value without a load; the last one that arrives wins, at the second tier where nodes share the class. Only
    /// in a class whose policy is `unordered`.
    ///
    /// # Errors
    /// `Invalid` in any other class, for a key or tag beyond its limits, and for a value that is too large. `Unavailable`
    /// where nodes share the class and the second tier has not taken it; it may be there all the same.
    ///
    /// # Cancellation
    /// As of [`put_if_newer`](Class::put_if_newer).
    pub async fn set(
        &self,
        key: impl IntoIterator<Item = impl AsRef<str>>,
        tags: &[&str],
        value: V,
    ) -> Result<(), Error> {
        let question = self.question(key, tags)?;
        self.engine().set(&question, weighed(value, self.version)?).await
    }

    /// The value of `key`, out of the memory or by `load`, once for everyone who asks meanwhile. `load` answers `None`
    /// where there is no such thing, and that is kept for the class's `negative_ttl`.
    ///
    /// `key` names everything that the value varies with; `tags` name what it depends on and must not be read out of
    /// the value itself, since they are captured before the load.
    ///
    /// # Errors
    /// `Invalid` for a key beyond its limits, or a tag, which nobody looks at where there is a fresh value; what `load`
    /// failed with, where nothing may stand in; `Timeout` after the class's hard limit; `Internal` when `load` panicked.
    ///
    /// # Cancellation
    /// A caller that goes away neither ends the load nor keeps its value from being stored.
    pub async fn get_or_fetch<F>(
        &self,
        key: impl IntoIterator<Item = impl AsRef<str>>,
        tags: &[&str],
        load: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Outcome<V>, Error>
    where
        F: Future<Output = Result<Option<V>, Error>> + Send + 'static,
    {
        let mode = self.alacena.mode(Mode::Normal);
        match self.look(key, mode)? {
            Looked::Hit(outcome) => Ok(outcome),
            // In a box of its own, so that a hit moves nothing of it about.
            Looked::Missed(key) => Box::pin(self.ask(key, tags, mode, load)).await,
        }
    }

    /// The values of many keys of one segment, in their order: out of the memory, or by one `load` for all that nobody
    /// else is loading. `tags` names what each key's value depends on; `load` is given the keys to load and answers as
    /// many values in the same order.
    ///
    /// ```
    /// # use alacena::{Alacena, Class, class::Policy};
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let users: Class<String> = Alacena::builder().build().class("users", Policy::default())?;
    /// let load = |ids: Vec<String>| async move { Ok(ids.iter().map(|id| Some(format!("user {id}"))).collect()) };
    /// let ids = vec!["1".to_owned(), "2".to_owned()];
    /// let answers = users.get_many_or_fetch(ids, |id| vec![format!("user:{id}")], load).await?;
    /// assert_eq!(answers[1].as_ref().unwrap().value().unwrap(), "user 2");
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `Invalid` for more than 1,000 keys, or a key or tag beyond its limits. What goes wrong with a key stands in its
    /// place, as for [`get_or_fetch`](Class::get_or_fetch).
    ///
    /// # Cancellation
    /// As [`get_or_fetch`](Class::get_or_fetch).
    pub async fn get_many_or_fetch<F>(
        &self,
        keys: Vec<String>,
        tags: impl Fn(&str) -> Vec<String>,
        load: impl Fn(Vec<String>) -> F + Send + Sync + 'static,
    ) -> Result<Vec<Result<Outcome<V>, Error>>, Error>
    where
        F: Future<Output = Result<Vec<Option<V>>, Error>> + Send + 'static,
    {
        let questions = keys.iter().map(|key| {
            let tags = tags(key);
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            Ok(self.question([key], &tags)?.with_mode(self.alacena.mode(Mode::Normal)))
        });
        let questions = questions.collect::<Result<Vec<_>, Error>>()?;
        let version = self.version;
        let load = move |positions: Vec<usize>, _no_cache| {
            let loading = load(positions.iter().map(|at| keys[*at].clone()).collect());
            async move { loading.await?.into_iter().map(|value| loaded(value, version)).collect() }
        };
        let answers = self.engine().get_many_or_fetch(questions, load).await?;
        Ok(answers.into_iter().map(|answer| typed(answer?)).collect())
    }

    /// The value of `key` by `load`, whatever is in the memory, and kept there.
    ///
    /// # Errors
    /// As [`get_or_fetch`](Class::get_or_fetch).
    ///
    /// # Cancellation
    /// As [`get_or_fetch`](Class::get_or_fetch).
    pub async fn refresh<F>(
        &self,
        key: impl IntoIterator<Item = impl AsRef<str>>,
        tags: &[&str],
        load: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Outcome<V>, Error>
    where
        F: Future<Output = Result<Option<V>, Error>> + Send + 'static,
    {
        self.ask(self.key(key)?, tags, self.alacena.mode(Mode::Refresh), load).await
    }

    /// The value of `key` out of the memory, or `None`: no source is asked.
    ///
    /// # Errors
    /// `Invalid` for a key beyond its limits.
    pub fn get(&self, key: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Option<Outcome<V>>, Error> {
        let mode = self.alacena.mode(Mode::Normal);
        let key = match self.look(key, mode)? {
            Looked::Hit(outcome) => return Ok(Some(outcome)),
            Looked::Missed(key) => key,
        };
        let question = Question::new(&self.rules, key, [])?.with_mode(mode);
        self.engine().get(&question).map(typed).transpose()
    }

    /// Invalidates one key.
    ///
    /// # Errors
    /// `Invalid` for a key beyond its limits.
    ///
    /// # Cancellation
    /// On this node it is done before the first await; what is begun elsewhere goes on.
    pub async fn invalidate_key(
        &self,
        key: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Invalidated, Error> {
        let key = self.key(key)?;
        Ok(self.apply(Step::Key(key)).await)
    }

    /// Invalidates everything with this tag, of this class and of all others.
    ///
    /// # Errors
    /// `Invalid` for a tag beyond its limits.
    ///
    /// # Cancellation
    /// As of [`invalidate_key`](Class::invalidate_key).
    pub async fn invalidate_tag(&self, tag: &str) -> Result<Invalidated, Error> {
        let tag = Dep::tag(self.rules.space.namespace(), tag)?;
        Ok(self.apply(Step::Dep(tag)).await)
    }

    /// Invalidates every entry of the class.
    ///
    /// # Cancellation
    /// As of [`invalidate_key`](Class::invalidate_key).
    pub async fn invalidate(&self) -> Invalidated {
        self.apply(Step::Dep(Dep::class(self.rules.space.namespace(), self.rules.space.class()))).await
    }

    /// The short way: neither a key nor a tag is made.
    #[inline(always)]
    fn look(&self, key: impl IntoIterator<Item = impl AsRef<str>>, mode: Mode) -> Result<Looked<V>, Error> {
        let mut bytes = KeyBytes::default();
        self.rules.space.write_key(&mut bytes, None, key)?;
        let engine = self.engine();
        if mode == Mode::Normal
            && let Some(outcome) = engine.hit(&self.rules, bytes.as_bytes(), engine.runtime().coarse())
        {
            return Ok(Looked::Hit(outcome));
        }
        Ok(Looked::Missed(bytes.to_key()))
    }

    async fn ask<F>(
        &self,
        key: Key,
        tags: &[&str],
        mode: Mode,
        load: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Outcome<V>, Error>
    where
        F: Future<Output = Result<Option<V>, Error>> + Send + 'static,
    {
        let question = self.question_of(key, tags)?.with_mode(mode);
        let version = self.version;
        let load = move |_no_cache| {
            let loading = load();
            async move { loaded(loading.await?, version) }
        };
        typed(self.engine().get_or_fetch(&question, load).await?)
    }

    fn question(
        &self,
        key: impl IntoIterator<Item = impl AsRef<str>>,
        tags: &[&str],
    ) -> Result<Question, Error> {
        self.question_of(self.key(key)?, tags)
    }

    fn question_of(&self, key: Key, tags: &[&str]) -> Result<Question, Error> {
        let namespace = self.rules.space.namespace();
        let tags = tags.iter().map(|tag| Dep::tag(namespace, tag)).collect::<Result<Vec<_>, _>>()?;
        Question::new(&self.rules, key, tags)
    }

    async fn apply(&self, step: Step) -> Invalidated {
        let who = format!("class {}", self.rules.space.class());
        self.alacena.apply(&[step], &[], &who, Wish::Applied).await
    }

    fn engine(&self) -> &Engine {
        &self.alacena.inner.engine
    }

    fn key(&self, key: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Key, Error> {
        self.rules.space.key(None, key)
    }
}

/// What a look into the memory gives a class.
enum Looked<V> {
    Hit(Outcome<V>),
    Missed(Key),
}

/// What a load brought home, as the engine takes it.
fn loaded<V: Serialize + Send + Sync + 'static>(
    value: Option<V>,
    version: Option<fn(&V) -> u64>,
) -> Result<Loaded, Error> {
    Ok(match value {
        Some(value) => Loaded::found(weighed(value, version)?),
        None => Loaded::absent(),
    })
}

/// The value as what it was stored as.
pub(crate) fn typed<V: Any + Send + Sync>(outcome: Outcome) -> Result<Outcome<V>, Error> {
    let mistaken = || Error::new(&catalogue::INTERNAL, "an entry holds a value of another type");
    outcome.downcast().ok_or_else(mistaken)
}

impl<V> Clone for Class<V> {
    fn clone(&self) -> Self {
        Self { alacena: self.alacena.clone(), rules: Arc::clone(&self.rules), version: self.version }
    }
}

impl<V> fmt::Debug for Class<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Class({})", self.rules.space.class())
    }
}
