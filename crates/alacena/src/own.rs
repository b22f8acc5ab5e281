//! The classes of an application's own: of typed values, and of layers.
//!
//! A name is one class, whoever asks for it. All handles of it share keys, policy, counts and guard, so what is said of
//! it the second time must be what was said the first time: a policy that is silently not in force would be a mistake
//! that nobody sees. A layer is asked for once, and then cloned.

use std::{
    any::{TypeId, type_name},
    collections::BTreeMap,
    mem::discriminant,
    sync::Arc,
};

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::Rules,
    error::{Error, catalogue},
    guard::{Guard, GuardSettings},
    key::{Key, KeySpace},
    runtime::SharedRuntime,
    tier::Codec,
};
use parking_lot::Mutex;

use crate::{declaration::Meaning, handle::Alacena, prepared::Prepared, targets::Step};

/// Most classes of one application: each has markers that are never pushed out.
const CLASSES_MAX: usize = 1024;
/// Longest name of a source, in bytes.
const SOURCE_BYTES_MAX: usize = 128;

/// How a class of the application's own lives: by which policy, and behind which guard.
///
/// A [`Policy`] is settings, too, of a class that nothing guards. With a guard, a source that is down is not asked for
/// a while, one that is slow is not asked by more callers than it can bear, and refreshes that nobody waits for leave
/// room for those that somebody does.
///
/// ```
/// use alacena::{
///     Alacena, BulkheadSettings, Class, ClassSettings, GuardSettings,
///     class::Policy,
///     error::{Error, Retry, catalogue},
/// };
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let alacena = Alacena::builder().build();
/// let limits = GuardSettings {
///     bulkhead: BulkheadSettings { concurrency: 8, ..BulkheadSettings::default() },
///     ..GuardSettings::default()
/// };
/// let settings = ClassSettings::new(Policy::default()).guarded("db", limits);
/// let kpis: Class<u64> = alacena.class("kpis", settings)?;
///
/// let down = || async { Err(Error::new(&catalogue::SOURCE_UNREACHABLE, "no connection to the database")) };
/// for company in ["1", "2", "3", "4", "5"] {
///     kpis.get_or_fetch([company], &[], down).await.unwrap_err();
/// }
/// // From here on the database is left alone, and callers are told for how long.
/// let error = kpis.get_or_fetch(["6"], &[], down).await.unwrap_err();
/// assert_eq!(error.code(), &catalogue::BREAKER_OPEN);
/// assert!(matches!(error.retry(), Retry::After(_)));
/// assert_eq!(alacena.figures().sources[0].breaker.state, "OPEN");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassSettings {
    policy: Policy,
    /// The source that is asked by the loads, and its limits.
    guarded: Option<(String, GuardSettings)>,
    /// What its values mean besides their type.
    form: String,
}

impl ClassSettings {
    /// A class that lives by `policy`, and whose loads nothing holds back.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Puts a circuit breaker and a bulkhead before the loads: the guard of the source of this name, 1 to 128 bytes
    /// long. Classes that name the same source share it, with the same limits, since what one of them learns of the
    /// source is true for all.
    ///
    /// A load counts as a failure of the source where its error is of the kind `Unavailable`, `Timeout` or `Corrupt`, or
    /// where it takes longer than the policy's `hard_timeout`. An error of the kind `Overloaded` that says when to try
    /// again keeps everybody away until then.
    #[must_use]
    pub fn guarded(self, source: impl Into<String>, limits: GuardSettings) -> Self {
        Self { guarded: Some((source.into(), limits)), ..self }
    }

    /// Says what values mean besides their type, where nodes [share](Alacena::shared_class) them: another word whenever a
    /// field gets another meaning under its old name, so that two versions of a program never take one for the other.
    /// Default none.
    ///
    /// ```
    /// use alacena::{ClassSettings, class::Policy};
    ///
    /// let settings = ClassSettings::new(Policy::default()).form("amounts in cents");
    /// assert_ne!(settings, ClassSettings::new(Policy::default()));
    /// ```
    #[must_use]
    pub fn form(self, form: impl Into<String>) -> Self {
        Self { form: form.into(), ..self }
    }

    fn source(&self) -> Option<&str> {
        self.guarded.as_ref().map(|(source, _)| source.as_str())
    }
}

impl From<Policy> for ClassSettings {
    fn from(policy: Policy) -> Self {
        Self::new(policy)
    }
}

/// All of them, by name. Locked for a few instructions, and never by a read.
#[derive(Default)]
pub(crate) struct OwnClasses(Mutex<Known>);

#[derive(Default)]
struct Known {
    classes: BTreeMap<String, Arc<OwnClass>>,
    /// What stands before the sources that they ask, by the sources' names.
    guards: BTreeMap<String, (GuardSettings, Guard)>,
}

/// One of them.
pub(crate) struct OwnClass {
    pub(crate) rules: Arc<Rules>,
    settings: ClassSettings,
    /// What its values are, so that two types never meet in one class: their keys could be the same.
    values: TypeId,
    kind: OwnKind,
}

/// What a class of the application's own is.
pub(crate) enum OwnKind {
    /// Of typed values that stay on this node.
    Typed,
    /// Of typed values that nodes share.
    Shared(Arc<dyn Codec>),
    /// Of a layer. Callers' credentials can be part of its keys.
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "only a layer makes one"))]
    Layer,
}

impl Alacena {
    /// The rules of the class called `name`, whose values are of type `V`: those that are there, or new ones.
    pub(crate) fn own_class<V: 'static>(
        &self,
        name: &str,
        settings: ClassSettings,
        kind: OwnKind,
    ) -> Result<Arc<Rules>, Error> {
        let prepared = self.prepared_full();
        let space = KeySpace::new(&prepared.namespace, name, &[name])?;
        let refuse = |why: String| Error::new(&catalogue::CLASS_REFUSED, why).with("class", name);
        if prepared.classes.contains(name) {
            return Err(refuse(format!("`{name}` is a class of declared reads")));
        }
        let values = TypeId::of::<V>();
        let mut known = self.inner.own.0.lock();
        if let Some(there) = known.classes.get(name) {
            if there.values == values && matches!(kind, OwnKind::Layer) {
                // Its keys are made of requests alone: the services below two of them could answer the same otherwise.
                return Err(refuse(format!("`{name}` is a layer already; clone that, or take another name")));
            }
            return match there.unlike(values, &settings, &kind) {
                Some(why) => Err(refuse(why)),
                None => Ok(Arc::clone(&there.rules)),
            };
        }
        if known.classes.len() == CLASSES_MAX {
            return Err(refuse(format!("there are {CLASSES_MAX} classes already")));
        }
        let guard = match &settings.guarded {
            Some((source, limits)) => {
                Some(known.guard(source, limits, &prepared, self.runtime()).map_err(refuse)?)
            }
            None => None,
        };
        let policy = settings.policy.clone();
        let shared = match &kind {
            OwnKind::Typed | OwnKind::Layer => None,
            OwnKind::Shared(codec) => {
                let meaning = Meaning::of_class(name, type_name::<V>(), &settings.form, &policy);
                meaning.shared_form(Arc::clone(codec), &policy, prepared.is_sealed)
            }
        };
        let rules = Arc::new(Rules { guard, shared, ..Rules::new(space, policy) });
        let class = OwnClass { rules: Arc::clone(&rules), settings, values, kind };
        known.classes.insert(name.to_owned(), Arc::new(class));
        Ok(rules)
    }
}

impl OwnClasses {
    /// All of them, in order of name.
    pub(crate) fn list(&self) -> Vec<Arc<OwnClass>> {
        self.0.lock().classes.values().cloned().collect()
    }

    /// The guards of the sources that they ask, by the sources' names.
    pub(crate) fn guards(&self) -> Vec<(String, Guard)> {
        let known = self.0.lock();
        known.guards.iter().map(|(source, (_, guard))| (source.clone(), guard.clone())).collect()
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, class: &str) -> bool {
        self.0.lock().classes.contains_key(class)
    }

    /// Whether one of them asks a source of this name.
    pub(crate) fn ask(&self, source: &str) -> bool {
        self.0.lock().guards.contains_key(source)
    }
}

impl Known {
    /// The guard of `source`; the error says why there can be none.
    fn guard(
        &mut self,
        source: &str,
        limits: &GuardSettings,
        prepared: &Prepared,
        runtime: &SharedRuntime,
    ) -> Result<Guard, String> {
        if source.is_empty() || source.len() > SOURCE_BYTES_MAX {
            return Err(format!("the name of a source has 1 to {SOURCE_BYTES_MAX} bytes"));
        }
        if prepared.sources.contains_key(source) {
            return Err(format!("`{source}` is a declared source, which has a guard of its own"));
        }
        match self.guards.get(source) {
            Some((known, guard)) if known == limits => Ok(guard.clone()),
            Some(_) => Err(format!("the source `{source}` is guarded already, with other limits")),
            None => {
                let guard = Guard::new(source, limits.clone(), Arc::clone(runtime));
                self.guards.insert(source.to_owned(), (limits.clone(), guard.clone()));
                Ok(guard)
            }
        }
    }
}

impl OwnClass {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.rules.space.class()
    }

    /// The source that its loads ask, where it has a guard.
    pub(crate) fn source(&self) -> Option<&str> {
        self.settings.source()
    }

    /// What its keys look like.
    pub(crate) fn form(&self) -> String {
        format!("{}:…", alacena_core::key::escape(self.name()))
    }

    /// Whether callers' credentials can be part of its keys.
    pub(crate) fn is_partitioned(&self) -> bool {
        matches!(self.kind, OwnKind::Layer)
    }

    /// The key of these segments, the first of which is its name; `None` where it can have no such key.
    ///
    /// # Errors
    /// `Invalid` for a key beyond its limits.
    pub(crate) fn key(&self, segments: &[String]) -> Result<Option<Key>, Error> {
        let space = &self.rules.space;
        let rest = segments.strip_prefix(space.constant());
        rest.map(|rest| space.key(None, rest)).transpose()
    }

    /// What invalidates that key.
    ///
    /// # Errors
    /// As [`key`](OwnClass::key).
    pub(crate) fn key_steps(&self, segments: &[String]) -> Result<Vec<Step>, Error> {
        let Some(key) = self.key(segments)? else { return Ok(Vec::new()) };
        let mut steps = self.steps(key);
        if let (true, [name, host, address]) = (self.is_partitioned(), segments) {
            // What is too long for a key is nobody's.
            let spelled = spelled_otherwise(host, address);
            let keys =
                spelled.flat_map(|[host, address]| self.key(&[name.clone(), host, address]).ok().flatten());
            steps.extend(keys.flat_map(|key| self.steps(key)));
        }
        Ok(steps)
    }

    fn steps(&self, key: Key) -> Vec<Step> {
        let by_name = self.is_partitioned().then(|| Dep::key(self.rules.space.namespace(), &key.text()));
        by_name.map(Step::Dep).into_iter().chain([Step::Key(key)]).collect()
    }

    /// Why whoever means these cannot have it; `None` where they are its own.
    fn unlike(&self, values: TypeId, settings: &ClassSettings, kind: &OwnKind) -> Option<String> {
        let name = self.name();
        if self.values != values {
            return Some(format!("the values of `{name}` are of another type"));
        }
        if discriminant(&self.kind) != discriminant(kind) {
            return Some(format!(
                "`{name}` is there already, and its values are shared in one place and not in the other"
            ));
        }
        if self.settings == *settings {
            return None;
        }
        let mut differ = differences(&self.settings.policy, &settings.policy);
        if self.settings.guarded != settings.guarded {
            differ.push("guarded");
        }
        if self.settings.form != settings.form {
            differ.push("form");
        }
        Some(format!(
            "`{name}` is there already, with other settings ({}); share the handle, or say the same of it everywhere",
            differ.join(", ")
        ))
    }
}

/// What a request to this host for this address is called over HTTP/2, and by a proxy: with the host in the address, and
/// perhaps beside it, too.
fn spelled_otherwise(host: &str, address: &str) -> impl Iterator<Item = [String; 2]> {
    let is_plain = !host.is_empty() && address.starts_with('/');
    let schemes = if is_plain { ["http", "https"].as_slice() } else { &[] };
    schemes.iter().flat_map(move |scheme| {
        let whole = format!("{scheme}://{host}{address}");
        [[String::new(), whole.clone()], [host.to_owned(), whole]]
    })
}

/// The names of what differs. Taken apart without `..`: a rule that is added is compared, too.
fn differences(one: &Policy, other: &Policy) -> Vec<&'static str> {
    let Policy {
        ttl,
        jitter,
        negative_ttl,
        stale_while_revalidate,
        stale_if_error,
        refresh_ahead,
        sliding_max,
        unordered,
        soft_timeout,
        hard_timeout,
        item_bytes_max,
        read_mode,
        era,
        without_l2,
        l2,
        l1_ttl,
        l2_ttl,
        l2_compressed,
        readable_key_names,
    } = one;
    let rules = [
        ("ttl", *ttl != other.ttl),
        ("jitter", *jitter != other.jitter),
        ("negative_ttl", *negative_ttl != other.negative_ttl),
        ("stale_while_revalidate", *stale_while_revalidate != other.stale_while_revalidate),
        ("stale_if_error", *stale_if_error != other.stale_if_error),
        ("refresh_ahead", *refresh_ahead != other.refresh_ahead),
        ("sliding_max", *sliding_max != other.sliding_max),
        ("unordered", *unordered != other.unordered),
        ("soft_timeout", *soft_timeout != other.soft_timeout),
        ("hard_timeout", *hard_timeout != other.hard_timeout),
        ("item_bytes_max", *item_bytes_max != other.item_bytes_max),
        ("read_mode", *read_mode != other.read_mode),
        ("era", *era != other.era),
        ("without_l2", *without_l2 != other.without_l2),
        ("l2", *l2 != other.l2),
        ("l1_ttl", *l1_ttl != other.l1_ttl),
        ("l2_ttl", *l2_ttl != other.l2_ttl),
        ("l2_compressed", *l2_compressed != other.l2_compressed),
        ("readable_key_names", *readable_key_names != other.readable_key_names),
    ];
    rules.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
