//! What is asked of the engine, and the rules that the answer is subject to.

use std::{fmt, sync::Arc};

use crate::{
    class::{Policy, ReadMode},
    dep::{DEPS_MAX, Dep},
    error::{Error, catalogue},
    figures::Counters,
    guard::Guard,
    key::{Key, KeySpace},
    marker::{Markers, Token},
    tier::Codec,
};

/// Whether the cache may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It may.
    #[default]
    Normal,
    /// The source is asked, and its answer kept.
    Refresh,
    /// The source is asked, and its answer neither shared nor kept.
    Bypass,
}

/// What the questions of one declared read, or of one class of a library, have in common.
pub struct Rules {
    /// Where their keys live.
    pub space: KeySpace,
    /// Their freshness rules.
    pub policy: Policy,
    /// What stands between them and their source; `None`: nothing does.
    pub guard: Option<Guard>,
    /// What is counted of them.
    pub counters: Counters,
    /// How their values are kept in a second tier; `None`: they stay on this node.
    pub shared: Option<SharedForm>,
}

/// How values are kept where other nodes read them.
#[derive(Clone)]
pub struct SharedForm {
    /// Turns them into bytes and back.
    pub codec: Arc<dyn Codec>,
    /// What an entry means: the declaration that it is loaded by, and the form of its bytes. Equal on all nodes that
    /// declare the same, another one wherever anything is declared otherwise.
    pub fingerprint: [u8; 8],
    /// Whether large ones are compressed.
    pub compressed: bool,
}

impl Rules {
    /// Rules without a guard, with nothing counted yet.
    #[must_use]
    pub fn new(space: KeySpace, policy: Policy) -> Self {
        Self { space, policy, guard: None, counters: Counters::default(), shared: None }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("space", &self.space)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// One question. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Question {
    /// The rules for it.
    pub rules: Arc<Rules>,
    /// Its identity: equal questions have equal keys.
    pub key: Key,
    /// What the answer depends on besides the key space. A tag that only the value shows cannot be here, since deps
    /// are captured before the load.
    pub tags: Arc<[Dep]>,
    /// What the answer depends on so strictly that, once it is invalidated, nobody may see the answer again, whatever
    /// becomes of the source: permissions, deletions.
    pub hard_tags: Arc<[Dep]>,
    /// Whether the cache may answer.
    pub mode: Mode,
    /// Whether every marker is looked up before a cache answers, whatever its class says.
    pub(super) insists: bool,
}

impl Question {
    /// A question that the cache may answer.
    ///
    /// # Errors
    /// `Invalid` when the answer would have more than [`DEPS_MAX`] deps.
    pub fn new(rules: &Arc<Rules>, key: Key, tags: impl Into<Arc<[Dep]>>) -> Result<Self, Error> {
        let question = Self {
            rules: Arc::clone(rules),
            key,
            tags: tags.into(),
            hard_tags: Arc::default(),
            mode: Mode::Normal,
            insists: false,
        };
        question.checked()
    }

    /// The same question, whose answer also depends on `hard_tags`.
    ///
    /// # Errors
    /// `Invalid` when the answer would have more than [`DEPS_MAX`] deps.
    pub fn with_hard_tags(self, hard_tags: impl Into<Arc<[Dep]>>) -> Result<Self, Error> {
        Self { hard_tags: hard_tags.into(), ..self }.checked()
    }

    fn checked(self) -> Result<Self, Error> {
        let (room, given) =
            (DEPS_MAX - self.rules.space.deps().len(), self.tags.len() + self.hard_tags.len());
        if given > room {
            let detail = format!("an entry of this read has at most {room} tags, this one has {given}");
            return Err(Error::new(&catalogue::KEY_INVALID, detail));
        }
        Ok(self)
    }

    /// The same question in another mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same question, whose asker has changed something that its answer depends on and must see it: no cache answers
    /// before every marker has been looked up, and no load that had begun before does. Without a second tier it always is
    /// so.
    #[must_use]
    pub fn insisting(self) -> Self {
        Self { insists: true, ..self }
    }

    /// Whether no cache may answer before every marker has been looked up.
    pub(super) fn is_strict(&self) -> bool {
        self.insists || self.rules.policy.read_mode == ReadMode::Strict
    }

    /// Everything that the answer depends on.
    pub(super) fn deps(&self) -> impl Iterator<Item = &Dep> {
        self.soft_deps().chain(self.hard_tags.iter())
    }

    pub(super) fn soft_deps(&self) -> impl Iterator<Item = &Dep> {
        self.rules.space.deps().iter().chain(self.tags.iter())
    }

    /// What all of it holds now.
    pub(super) fn capture(&self, markers: &Markers) -> Token {
        markers.capture_with_hard(self.soft_deps(), self.hard_tags.iter())
    }
}
