//! The second tier of an engine: what it has stored for other nodes, and they for it.
//!
//! A read that memory cannot answer takes its turn at the flight of its key, and whoever leads goes on here:
//!
//! 1. `consult.rs`: reads the entry, and the markers whose copies are in doubt, in one round trip. Nearly always that is
//!    all;
//! 2. `fill.rs`: takes the lease of the key, or waits for whoever holds it; loads; stores;
//! 3. `spread.rs` is the other way in: an invalidation, at every shard that it concerns.
//!
//! `post.rs` is one shard as this node sees it: whether it answers, what it tells, until when its silence means anything.
//! `after.rs` lets whoever has changed something insist on seeing it, on whatever node.
//! `put.rs` is what comes without a load. `shown.rs` shows people what lies there under a key.
//! While a shard that a read needs is away, the read goes on under markers of this process alone.

mod after;
mod batch;
mod consult;
mod counted;
mod fill;
mod post;
mod put;
mod shown;
mod spread;

pub use counted::{STEP_BOUNDS, StepFigures};
pub use post::PostFigures;
pub use shown::{Found, Shown};
pub use spread::{Level, Reached, Spread, Wish};

pub(super) use consult::{Consulted, Proved};
pub(super) use fill::{Claim, Licence, Ticket};

use std::{sync::Arc, time::Duration};

use super::{Engine, Question, Rules};
use crate::{
    dep::Dep,
    envelope::SealKeys,
    guard::{BreakerSettings, Switch},
    journal::{Drain, DrainSettings, Journal, Limits, ShardName},
    key::Key,
    marker::Token,
    memory::Entry,
    runtime::Moment,
    tier::{Copied, EntryId, EntryName, Era, HashKey, MarkerId, Shard},
};
use counted::{Counted, Counts};
use post::Post;

/// How long a value that was loaded without the second tier is kept, where other nodes may change what it is about.
pub const LOCAL_MAX: Duration = Duration::from_secs(5);
/// How long a copy in memory is answered before the second tier is asked for it again, where its class says nothing.
pub const COPY_MAX: Duration = Duration::from_secs(5);

/// What an engine is to share with other nodes.
pub struct Tier {
    /// The shards, in an order that is the same on every node.
    pub shards: Vec<(ShardName, Arc<dyn Shard>)>,
    /// What names are hashed with; the same on every node.
    pub names: HashKey,
    /// What entries are sealed with; `None`: they are not.
    pub seal: Option<SealKeys>,
    /// Where invalidations are kept that a shard could not be told of.
    pub journal: Arc<dyn Journal>,
    /// When a shard that does not answer is switched off, and for how long.
    pub breaker: BreakerSettings,
    /// How long a step at a shard may take; one that takes more than half of it is slow, and a shard that is slow nearly
    /// always is switched off for a while. Default 50 ms.
    pub step_within: Duration,
    /// For how long the right to load one key is held at a time. Default 3 seconds.
    pub lease: Duration,
    /// Replicas that must not be behind, or the shard counts as away for strict reads. Default 0.
    pub good_replicas_min: u32,
    /// Whether this is the only node: what it loads without the second tier is kept for its whole time.
    pub is_only_node: bool,
}

/// The second tier of an engine.
pub(super) struct Second {
    posts: Vec<Arc<Post>>,
    names: HashKey,
    seal: Option<SealKeys>,
    step_within: Duration,
    lease: Duration,
    good_replicas_min: u32,
    is_only_node: bool,
}

impl Engine {
    /// Shares with other nodes from now on. To be called once, before anything is asked.
    ///
    /// What nobody has shared yet is answered as ever until the first heartbeats are through.
    pub fn share(&self, tier: Tier) {
        let Tier {
            shards,
            names,
            seal,
            journal,
            breaker,
            step_within,
            lease,
            good_replicas_min,
            is_only_node,
        } = tier;
        self.0.markers.share(names.clone());
        let runtime = &self.0.runtime;
        let posts = shards.into_iter().enumerate().map(|(number, (name, shard))| {
            let settings = DrainSettings {
                shard: name,
                whole: vec![names.marker(&Dep::everything())],
                limits: Limits::default(),
            };
            let counts = Arc::new(Counts::since(runtime.now()));
            let shard: Arc<dyn Shard> = Arc::new(Counted::new(shard, &counts, runtime));
            let drain = Drain::new(settings, Arc::clone(&shard), Arc::clone(&journal), Arc::clone(runtime));
            let switch = || Switch::new(breaker.clone(), step_within, Arc::clone(runtime));
            Arc::new(Post::new(number, shard, drain, [switch(), switch()], counts, Arc::clone(runtime)))
        });
        let posts = posts.collect();
        let second = Second { posts, names, seal, step_within, lease, good_replicas_min, is_only_node };
        if self.0.second.set(second).is_ok() {
            self.man_posts();
        }
    }

    /// What the second tier of this engine is like; empty where there is none.
    #[must_use]
    pub fn second_tier(&self) -> Vec<PostFigures> {
        let posts = self.0.second.get().map_or(&[] as &[_], |second| &second.posts);
        posts.iter().map(|post| post.figures()).collect()
    }

    /// What this question's answer depends on, as it stands now: by the markers that nodes share, or while those are away
    /// by those of this process alone. To be called before the source is asked.
    pub(super) fn capture(&self, question: &Question) -> Token {
        let Some(second) = self.0.second.get() else { return question.capture(&self.0.markers) };
        // Captured first: what this node invalidates and owes a shard from here on ends what was captured, and what it owed
        // before has shut the gate.
        let token = second.capture(self, question);
        if second.is_away(question) { question.capture(&self.0.markers) } else { token }
    }

    /// Whether there is a second tier, and a part of it that this question needs is away.
    pub(super) fn is_away(&self, question: &Question) -> bool {
        self.0.second.get().is_some_and(|second| second.is_away(question))
    }

    /// Whether an entry that is fresh as far as this node knows may not be answered before others have been asked.
    pub(super) fn is_unproved(&self, question: &Question, entry: &Entry, now: Moment) -> bool {
        let Some(second) = self.0.second.get() else { return false };
        let copied = Copied {
            is_shared: entry.token().is_shared(),
            is_strict: question.is_strict(),
            is_away: second.is_away(question),
            is_due: now >= entry.check_again_at(),
            stands: self.0.markers.stand_by_at(entry.token(), now),
        };
        !copied.may_be_answered()
    }

    /// The entry in the second tier that this key is, with what the key is called, for whoever removes it; `None` where
    /// there is none.
    #[must_use]
    pub fn shared_entry(&self, key: &Key) -> Option<EntryName> {
        Some(self.0.second.get()?.names.entry(key).called(key))
    }
}

impl Second {
    /// How long one step may take, and so how long it takes at most to hear that nobody answers.
    pub(super) fn step_within(&self) -> Duration {
        self.step_within
    }

    /// The entry of this key, as it lies where values of these rules do; `None` where they stay on this node.
    fn entry(&self, rules: &Rules, key: &Key) -> Option<EntryName> {
        if rules.shared.is_none() || !rules.policy.l2 {
            return None;
        }
        let entry = self.names.entry(key);
        Some(if rules.policy.readable_key_names { entry.called(key) } else { entry.into() })
    }

    fn capture(&self, engine: &Engine, question: &Question) -> Token {
        // Also where the value stays on this node: an invalidation of the key elsewhere must be heard.
        let bucket = Dep::bucket(self.names.entry(&question.key).bucket());
        let soft = question.soft_deps().chain([bucket]);
        let token = engine.0.markers.capture_shared(soft, question.hard_tags.iter());
        token.expect("a second tier shares markers")
    }

    /// Whether every shard tells of what changes on it.
    fn is_told(&self) -> bool {
        self.posts.iter().all(|post| post.tells())
    }

    /// Brings connections about that are not kept up while nobody needs them.
    pub(super) async fn rouse(&self) {
        for post in &self.posts {
            post.rouse().await;
        }
    }

    /// The era of every shard, in their order, where it is known.
    fn eras(&self) -> Vec<Option<Era>> {
        self.posts.iter().map(|post| post.shard.era()).collect()
    }

    /// Where an entry lies.
    fn post_of_entry(&self, entry: EntryId) -> &Arc<Post> {
        self.post_of_bucket(entry.bucket())
    }

    /// Where a marker lies: a bucket's beside its entries.
    fn post_of(&self, marker: MarkerId) -> &Arc<Post> {
        match marker {
            MarkerId::Bucket(bucket) => self.post_of_bucket(bucket),
            MarkerId::Dep(hash) => self.post_of_bucket(EntryId(hash).bucket()),
        }
    }

    fn post_of_bucket(&self, bucket: u16) -> &Arc<Post> {
        &self.posts[usize::from(bucket) % self.posts.len()]
    }

    /// Whether a shard that this question needs is away.
    fn is_away(&self, question: &Question) -> bool {
        if let [post] = self.posts.as_slice() {
            return !post.is_there();
        }
        let markers = question.deps().map(|dep| self.post_of(self.names.marker(dep)));
        let bucket = self.post_of_entry(self.names.entry(&question.key));
        markers.chain([bucket]).any(|post| !post.is_there())
    }
}

/// How long a value may stay in memory that was loaded without the second tier.
pub(super) fn local_max(second: &Second) -> Duration {
    if second.is_only_node { Duration::MAX } else { LOCAL_MAX }
}

/// Whether what others have stored is kept in memory by these rules once it has been read.
pub(super) fn keeps_copies(rules: &Rules) -> bool {
    rules.policy.l1_ttl != Some(Duration::ZERO)
}

/// Whether these rules want every read to look the markers up, and so what is stored by them to be looked up.
pub(super) fn is_strict(rules: &Rules) -> bool {
    rules.policy.read_mode == crate::class::ReadMode::Strict
}
