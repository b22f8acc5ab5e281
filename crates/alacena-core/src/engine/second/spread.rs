//! Invalidation at every shard that it concerns.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::{join, join_all};

use super::post::Post;
use crate::{
    dep::Dep,
    engine::{Change, Engine},
    journal::{Deferred, Removal},
    key::Key,
    ledger::Target,
    tier::{EntryName, Failure, HORIZON, MarkerId, OUTAGE_MIN},
};

/// How many times as long as a step an invalidation may take, in all: it is tried twice, for five times as long each. But
/// never less than [`OUTAGE_MIN`], since others take nobody to owe anything before that.
const STEPS_PER_INVALIDATION: u32 = 10;

/// How far an invalidation has gone.
///
/// The order is that of the worst: of several shards the last counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// On the primary of everything that it concerns: no strict read that begins now is answered with anything from
    /// before, nor is any other by the time that [`HORIZON`] is over. And no copy in memory, wherever it is: that has
    /// been waited for.
    Barrier,
    /// On the primary, and on as many replicas as were asked for.
    Replicated,
    /// On the primary of everything that it concerns: no strict read that begins now is answered with anything from
    /// before, nor is any other by the time that [`HORIZON`] is over. On this node nobody is from now on.
    Applied,
    /// On this node, and written down durably: a shard could not be told. It is told as soon as it can be, before this
    /// node reads it again; until then other nodes may answer with what was there before.
    Deferred,
    /// The same, written down nowhere but in the memory of this process.
    DeferredVolatile,
}

impl Level {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Barrier => "barrier",
            Level::Replicated => "replicated",
            Level::Applied => "applied",
            Level::Deferred => "deferred",
            Level::DeferredVolatile => "deferred-volatile",
        }
    }

    /// Whether everything that it concerns has been told.
    #[must_use]
    pub const fn is_applied(self) -> bool {
        matches!(self, Level::Barrier | Level::Replicated | Level::Applied)
    }
}

/// How far an invalidation is to go before it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// To the primaries.
    #[default]
    Applied,
    /// To so many replicas of each primary, too, within this time.
    Replicated(u32, Duration),
    /// Until no node can answer with anything from before, connected or not: [`HORIZON`] longer.
    Barrier,
}

/// What is to be invalidated, who asks for it, and how far it is to go.
#[derive(Clone, Copy, Debug)]
pub struct Spread<'a> {
    /// What.
    pub changes: &'a [Change<'a>],
    /// The entries that keys stand for where they are shared; in memory they are found by the keys themselves.
    pub entries: &'a [EntryName],
    /// Who asks, as in [`Invalidation`](crate::ledger::Invalidation).
    pub who: &'a str,
    /// What was asked for, for people to read in the journal.
    pub targets: &'a [Target],
    /// How far.
    pub wish: Wish,
}

/// What came of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// How far it has gone.
    pub level: Level,
    /// Markers and keys that this node held and holds no more; not the number of entries, which nobody counts.
    pub dropped: u64,
}

impl Engine {
    /// Invalidates on this node at once, and at every shard; how far that has gone when this returns. Without a second
    /// tier it is applied, always.
    ///
    /// # Cancellation
    /// On this node everything is invalidated before the first await. What was begun goes on: nothing that a shard could
    /// not be told of is forgotten.
    pub async fn spread(&self, spread: Spread<'_>) -> Reached {
        let dropped = self.invalidate_here(spread.changes);
        if self.0.second.get().is_none() {
            return Reached { level: Level::Applied, dropped };
        }
        let removals = self.removals(&spread);
        let (engine, who) = (self.clone(), spread.who.to_owned());
        let (targets, wish) = (spread.targets.to_vec(), spread.wish);
        let changes: Vec<Changed> = spread.changes.iter().map(Changed::of).collect();
        let (tell, told) = tokio::sync::oneshot::channel();
        // An engine that closes waits for it; one that is closed does it all the same.
        let work = self.0.running.enter().ok();
        self.0.runtime.spawn(Box::pin(async move {
            let level = engine.tell_posts(&removals, &who, &targets, wish).await;
            // What was read on this node after the first time, and before the shard had heard of it.
            let changes: Vec<Change<'_>> = changes.iter().map(Changed::change).collect();
            engine.end_here(&changes);
            // Whoever asked may be gone.
            let _ = tell.send(level);
            drop(work);
        }));
        let level = told.await.unwrap_or(Level::DeferredVolatile);
        if level == Level::Barrier {
            self.0.runtime.sleep(HORIZON).await;
        }
        Reached { level, dropped }
    }

    /// What each shard is to remove, in the order of the shards.
    fn removals(&self, spread: &Spread<'_>) -> Vec<BTreeSet<Removal>> {
        let second = self.0.second.get().expect("there are shards");
        let mut removals = vec![BTreeSet::new(); second.posts.len()];
        for change in spread.changes {
            if let Change::Dep(dep) = change {
                let marker = second.names.marker(dep);
                removals[second.post_of(marker).number].insert(Removal::Marker(marker));
            }
        }
        for entry in spread.entries {
            removals[second.post_of_entry(entry.id()).number].insert(Removal::Entry(entry.clone()));
        }
        removals
    }

    /// How far it has gone: a barrier from here on only takes time.
    async fn tell_posts(
        &self,
        removals: &[BTreeSet<Removal>],
        who: &str,
        targets: &[Target],
        wish: Wish,
    ) -> Level {
        let second = self.0.second.get().expect("there are shards");
        let concerned = second.posts.iter().zip(removals).filter(|(_, removals)| !removals.is_empty());
        let told = concerned.map(|(post, removals)| async move {
            let within = (second.step_within * STEPS_PER_INVALIDATION).max(OUTAGE_MIN);
            match tell(post, removals, within, wish).await {
                Ok(level) => level,
                Err(failure) => {
                    tracing::warn!(shard = post.drain.shard_name(), %failure, "an invalidation is deferred");
                    match post.drain.defer(removals.clone(), who, targets).await {
                        Deferred::Durable => Level::Deferred,
                        Deferred::Volatile => Level::DeferredVolatile,
                    }
                }
            }
        });
        let least = if wish == Wish::Barrier { Level::Barrier } else { Level::Applied };
        join_all(told).await.into_iter().max().unwrap_or(least)
    }
}

/// A [`Change`] that outlives who asked for it.
enum Changed {
    Dep(Dep),
    Key(Key),
}

impl Changed {
    fn of(change: &Change<'_>) -> Self {
        match change {
            Change::Dep(dep) => Self::Dep((*dep).clone()),
            Change::Key(key) => Self::Key((*key).clone()),
        }
    }

    fn change(&self) -> Change<'_> {
        match self {
            Self::Dep(dep) => Change::Dep(dep),
            Self::Key(key) => Change::Key(key),
        }
    }
}

/// Tells one shard within so long, twice if need be: removing what is gone removes nothing.
async fn tell(
    post: &Post,
    removals: &BTreeSet<Removal>,
    within: Duration,
    wish: Wish,
) -> Result<Level, Failure> {
    let is_of = |removal: &Removal| match removal {
        Removal::Marker(marker) => Some(*marker),
        Removal::Entry(_) | Removal::Whole => None,
    };
    let markers: Vec<MarkerId> = removals.iter().filter_map(is_of).collect();
    let entries: Vec<EntryName> = removals
        .iter()
        .filter_map(|removal| match removal {
            Removal::Entry(entry) => Some(entry.clone()),
            Removal::Marker(_) | Removal::Whole => None,
        })
        .collect();
    // Written down instead of tried while the shard is away: nobody waits for what is not going to answer.
    let removed = post.insist(within, async {
        post.connected().await?;
        let markers =
            async { if markers.is_empty() { Ok(()) } else { post.shard.invalidate(&markers).await } };
        let entries =
            async { if entries.is_empty() { Ok(()) } else { post.shard.invalidate_entries(&entries).await } };
        let (markers, entries) = join(markers, entries).await;
        markers.and(entries)
    });
    removed.await?;
    match wish {
        // Who has not been told answers for longer than a barrier waits.
        Wish::Barrier if post.shard.capabilities().is_heard => Ok(Level::Barrier),
        Wish::Applied | Wish::Barrier => Ok(Level::Applied),
        Wish::Replicated(replicas, within) => match post.shard.replicate(replicas, within).await {
            Ok(reached) if reached >= replicas => Ok(Level::Replicated),
            Ok(_) | Err(_) => Ok(Level::Applied),
        },
    }
}
