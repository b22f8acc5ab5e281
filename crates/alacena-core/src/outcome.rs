//! What a read returned: the value, where it came from, how fresh it is, and a reason for every "no".

use std::{any::Any, fmt, marker::PhantomData, ops::Deref, time::Duration};

use crate::{
    freshness::Lifetime,
    marker::Token,
    memory::{Draft, Entry},
    runtime::Moment,
    value::Value,
};

mod reason;

pub use reason::{MissReason, NotStored, Origin, StaleReason};

/// The answer to a read: a share of the entry that it was answered with, and what became of the question.
///
/// ```
/// use alacena_core::outcome::{Facts, Origin, Outcome};
/// use std::time::Duration;
///
/// // As a test of what handles outcomes makes one; the engine answers with its own.
/// let facts = Facts { fresh_for: Duration::from_secs(290), ..Facts::of(Origin::L1) };
/// let outcome = Outcome::new(Some("cached".to_owned()), facts);
/// assert!(outcome.is_hit());
/// assert_eq!(outcome.value().map(String::as_str), Some("cached"));
/// assert_eq!(outcome.fresh_for(), Duration::from_secs(290));
/// let value = outcome.into_value().expect("there is one");
/// assert_eq!(value.len(), 6);
/// ```
pub struct Outcome<V = Value> {
    entry: Entry,
    /// When it was answered. Ages and the like are computed from it when somebody asks.
    at: Moment,
    /// `None` for a fresh hit, of which there is nothing more to tell.
    besides: Option<Box<Besides>>,
    /// Which type the value is of; checked when the outcome was made.
    of: PhantomData<fn() -> V>,
}

/// What became of a question that was not answered with a fresh entry.
#[derive(Clone, Debug)]
pub(crate) struct Besides {
    pub(crate) origin: Origin,
    pub(crate) miss: Option<MissReason>,
    pub(crate) stale: Option<StaleReason>,
    pub(crate) collapsed: bool,
    pub(crate) not_stored: Option<NotStored>,
}

/// What is told of an answer beside its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where the value came from.
    pub origin: Origin,
    /// Time since it was loaded.
    pub age: Duration,
    /// How much longer it is fresh; zero when it is not, or was not kept.
    pub fresh_for: Duration,
    /// How long past its time it is; zero when it is not.
    pub stale_for: Duration,
    /// Why there was no fresh entry; `None` on a hit.
    pub miss: Option<MissReason>,
    /// Why it is stale; `None` when it is not.
    pub stale: Option<StaleReason>,
    /// Whether this caller waited for a load that another one led.
    pub collapsed: bool,
    /// Why a loaded value was not kept; `None` when it was, or when nothing was loaded.
    pub not_stored: Option<NotStored>,
}

impl Facts {
    /// Nothing but where the value came from.
    #[must_use]
    pub const fn of(origin: Origin) -> Self {
        let (age, fresh_for, stale_for) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (miss, stale, collapsed, not_stored) = (None, None, false, None);
        Self { origin, age, fresh_for, stale_for, miss, stale, collapsed, not_stored }
    }
}

impl<V: Any + Send + Sync> Outcome<V> {
    /// An outcome that no engine has made: for tests of what handles outcomes.
    #[must_use]
    pub fn new(value: Option<V>, facts: Facts) -> Self {
        let Facts { origin, age, fresh_for, stale_for, miss, stale, collapsed, not_stored } = facts;
        let loaded_at = Moment::ORIGIN;
        // Nothing is past its time for longer than it is old.
        let at = loaded_at + age.max(stale_for);
        let fresh_until = loaded_at + (at + fresh_for - (loaded_at + stale_for));
        let lifetime =
            Lifetime { loaded_at, fresh_until, revalidate_until: fresh_until, stand_in_until: fresh_until };
        let value = value.map(|value| Value::new(value, 0, 0));
        let token = Token::default();
        let draft = Draft {
            value,
            token,
            lifetime,
            load_took: Duration::ZERO,
            asked_before: Duration::ZERO,
            changed: None,
        };
        let entry = draft.under(&[]);
        let besides = Some(Box::new(Besides { origin, miss, stale, collapsed, not_stored }));
        Self { entry, at, besides, of: PhantomData }
    }

    /// The value; `None` where the source knows that there is no such thing.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        held(&self.entry)
    }

    /// The value, to be kept for longer than the outcome.
    #[must_use]
    pub fn into_value(self) -> Option<Shared<V>> {
        self.value()?;
        Some(Shared { entry: self.entry, of: PhantomData })
    }
}

impl<V> Outcome<V> {
    /// Whether the answer came out of the cache without a word from the source.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        self.miss().is_none()
    }

    /// Where the value came from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.besides.as_ref().map_or(Origin::L1, |besides| besides.origin)
    }

    /// Time since it was loaded, as of the answer.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.at - self.entry.lifetime().loaded_at
    }

    /// How much longer it is fresh, as of the answer; zero when it is not, or was not kept.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        if self.stale().is_some() || self.not_stored().is_some() {
            return Duration::ZERO;
        }
        self.entry.lifetime().fresh_until - self.at
    }

    /// The end of its time, whether that is still to come or not. A hit may be answered on a clock that lags behind, and
    /// then what [`fresh_for`](Outcome::fresh_for) says is more than there is by as much; this is not.
    #[must_use]
    pub fn fresh_until(&self) -> Moment {
        self.entry.lifetime().fresh_until
    }

    /// How long past its time it is, as of the answer; zero when it is not.
    #[must_use]
    pub fn stale_for(&self) -> Duration {
        self.at - self.entry.lifetime().fresh_until
    }

    /// Why there was no fresh entry; `None` on a hit.
    #[must_use]
    pub fn miss(&self) -> Option<&MissReason> {
        self.besides.as_ref()?.miss.as_ref()
    }

    /// Why it is stale; `None` when it is not.
    #[must_use]
    pub fn stale(&self) -> Option<StaleReason> {
        self.besides.as_ref()?.stale
    }

    /// Whether this caller waited for a load that another one led.
    #[must_use]
    pub fn collapsed(&self) -> bool {
        self.besides.as_ref().is_some_and(|besides| besides.collapsed)
    }

    /// Why a loaded value was not kept; `None` when it was, or when nothing was loaded.
    #[must_use]
    pub fn not_stored(&self) -> Option<NotStored> {
        self.besides.as_ref()?.not_stored
    }

    /// Everything but the value.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            origin: self.origin(),
            age: self.age(),
            fresh_for: self.fresh_for(),
            stale_for: self.stale_for(),
            miss: self.miss().cloned(),
            stale: self.stale(),
            collapsed: self.collapsed(),
            not_stored: self.not_stored(),
        }
    }
}

impl<V: Any + Send + Sync> Outcome<V> {
    /// A fresh hit; `None` where there is no value of this type.
    #[inline]
    pub(crate) fn hit(entry: Entry, at: Moment) -> Option<Self> {
        held::<V>(&entry)?;
        Some(Self { entry, at, besides: None, of: PhantomData })
    }
}

impl Outcome {
    pub(crate) fn fresh(entry: Entry, at: Moment) -> Self {
        Self { entry, at, besides: None, of: PhantomData }
    }

    pub(crate) fn besides(entry: Entry, at: Moment, besides: Besides) -> Self {
        Self { entry, at, besides: Some(Box::new(besides)), of: PhantomData }
    }

    /// The same answer with another form of its value.
    #[must_use]
    pub fn with_value(self, value: Value) -> Self {
        Self { entry: self.entry.with_value(value), ..self }
    }

    /// The same, of values of type `W`; `None` where there is a value, and of another type.
    #[must_use]
    pub fn downcast<W: Any + Send + Sync>(self) -> Option<Outcome<W>> {
        if self.entry.value().is_some() && held::<W>(&self.entry).is_none() {
            return None;
        }
        Some(Outcome { entry: self.entry, at: self.at, besides: self.besides, of: PhantomData })
    }
}

/// A share of a cached value. Cheap to clone; the value lives as long as any share of it.
pub struct Shared<V> {
    entry: Entry,
    of: PhantomData<fn() -> V>,
}

impl<V: Any + Send + Sync> Shared<V> {
    /// Whether both are shares of the very same value, not only of equal ones.
    #[must_use]
    pub fn ptr_eq(one: &Self, other: &Self) -> bool {
        std::ptr::eq(&**one, &**other)
    }
}

impl Shared<Value> {
    /// The value of an entry, where there is one.
    pub(crate) fn of(entry: Entry) -> Option<Self> {
        entry.value()?;
        Some(Self { entry, of: PhantomData })
    }
}

impl<V: Any + Send + Sync> Deref for Shared<V> {
    type Target = V;

    fn deref(&self) -> &V {
        held(&self.entry).expect("a share is only made where there is a value of its type")
    }
}

/// What an entry holds as a `V`, which may be the [`Value`] itself.
#[inline]
fn held<V: Any + Send + Sync>(entry: &Entry) -> Option<&V> {
    let value = entry.value()?;
    (value as &dyn Any).downcast_ref().or_else(|| value.downcast_ref())
}

impl<V> Clone for Outcome<V> {
    fn clone(&self) -> Self {
        let (entry, besides) = (self.entry.clone(), self.besides.clone());
        Self { entry, at: self.at, besides, of: PhantomData }
    }
}

impl<V> Clone for Shared<V> {
    fn clone(&self) -> Self {
        Self { entry: self.entry.clone(), of: PhantomData }
    }
}

impl<V> fmt::Debug for Outcome<V> {
    /// Says what is told of it, and of the value how large it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outcome").field(&self.entry.value()).field(&self.facts()).finish()
    }
}

impl<V: Any + Send + Sync + fmt::Debug> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
