//! One of the two that are compared.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use alacena_core::tier::{
    Begin, Begun, Era, Failure, MarkerId, Nonce, Overwrite, Push, Shard, Store, Watcher, Woken,
};
use futures_util::FutureExt;
use parking_lot::Mutex;

use super::{Asked, ENTRIES, EntryId, Fill, MARKERS, NODES, Stage, called, name};
use crate::tier::suite::envelope;

pub(super) struct Side<'s> {
    stage: &'s dyn Stage,
    nodes: Vec<Node>,
    era: Era,
    /// Who waits, in the order in which they began to.
    waiting: Vec<(usize, EntryId, Woken)>,
}

struct Node {
    shard: Arc<dyn Shard>,
    told: Arc<Told>,
}

/// Guards what a node was told since that was last asked.
#[derive(Default)]
struct Told(Mutex<BTreeSet<Option<MarkerId>>>);

impl Watcher for Told {
    fn connected(&self, _: Era) {}

    fn lost(&self) {
        panic!("nothing that is done here costs a connection");
    }

    fn pushed(&self, push: Push) {
        self.0.lock().insert(match push {
            Push::Marker(marker) => Some(marker),
            Push::Everything => None,
        });
    }
}

const PATIENCE: Duration = Duration::from_millis(5);

impl<'s> Side<'s> {
    pub(super) async fn of(stage: &'s dyn Stage) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let (shard, told) = (stage.shard(), Arc::<Told>::default());
            shard.watch(told.clone());
            nodes.push(Node { shard, told });
        }
        let mut side = Self { stage, nodes, era: Era(0), waiting: Vec::new() };
        side.era = side.connected().await;
        side
    }

    /// Waits until every node is connected.
    async fn connected(&self) -> Era {
        for _ in 0..1_000 {
            let mut eras = Vec::new();
            for node in &self.nodes {
                eras.extend(node.shard.ping().await.ok().and(node.shard.era()));
            }
            if eras.len() == NODES {
                return eras[0];
            }
            self.stage.pass(PATIENCE).await;
        }
        panic!("a shard does not connect");
    }

    /// What comes of a step: its answer, what each node is told, who is woken.
    pub(super) async fn ask(&mut self, asked: &Asked) -> String {
        let answer = self.answer(asked).await;
        let told = self.told().await;
        if matches!(asked, Asked::Passes(_)) {
            // When a server notices that something has expired is its own affair.
            self.waiting.clear();
            return answer;
        }
        format!("{answer}; told {told:?}; woken {:?}", self.woken())
    }

    async fn answer(&mut self, asked: &Asked) -> String {
        let shard = |node: &usize| self.nodes[*node].shard.clone();
        match asked {
            Asked::Look { node, entry, markers } => said(shard(node).look(entry, markers).await, |looked| {
                let fill = looked.entry.as_deref().map(fill_of);
                format!("{:?}, {:?} and {fill:?}", self.all(&looked.markers), self.one(looked.bucket))
            }),
            Asked::Check { node, markers } => said(shard(node).check(markers).await, |checked| {
                format!("{:?} of {}", self.all(&checked.markers), checked.era == self.era)
            }),
            Asked::Mint { node, markers, keep, of_era } => {
                let era = self.era(*of_era);
                let markers: Vec<_> = markers
                    .iter()
                    .map(|(marker, random)| (*marker, Nonce { era, random: *random }))
                    .collect();
                said(shard(node).mint(era, &markers, *keep).await, |minted| {
                    format!("{:?}", minted.into_iter().map(|nonce| self.one(Some(nonce))).collect::<Vec<_>>())
                })
            }
            Asked::Begin { node, entry, attempt, seen, lease, of_era } => {
                let attempt = Nonce { era: self.era(*of_era), random: *attempt };
                let load = Begin { entry: entry.clone(), attempt, seen: *seen, lease: *lease };
                let begun = shard(node).begin(load).await;
                self.begun(*node, entry.id(), begun)
            }
            Asked::Renew { node, entry, attempt, lease } => {
                said(shard(node).renew(*entry, self.nonce(*attempt), *lease).await, |held| held.to_string())
            }
            Asked::Store { node, entry, attempt, fill, keep } => {
                let (attempt, envelope) = (self.nonce(*attempt), envelope(*fill, "compared"));
                let store = Store { entry: entry.clone(), attempt, envelope, keep: *keep };
                said(shard(node).store(store).await, |stored| format!("{stored:?}"))
            }
            Asked::Overwrite { node, entry, over, fill, keep, of_era } => {
                let (plain, readable) = (entry.without_key(), called(entry.id()));
                let elsewhere = if *entry == plain { readable } else { plain };
                let (era, envelope) = (self.era(*of_era), envelope(*fill, "put"));
                let entry = entry.clone();
                let overwrite = Overwrite { entry, elsewhere, era, over: *over, envelope, keep: *keep };
                said(shard(node).overwrite(overwrite).await, |was_there| was_there.to_string())
            }
            Asked::Release { node, entry, attempt, alone } => {
                said(shard(node).release(*entry, self.nonce(*attempt), *alone).await, |()| "done".to_owned())
            }
            Asked::Invalidate { node, markers } => {
                said(shard(node).invalidate(markers).await, |()| "done".to_owned())
            }
            Asked::InvalidateEntries { node, entries } => {
                said(shard(node).invalidate_entries(entries).await, |()| "done".to_owned())
            }
            Asked::Touch { node, markers } => said(shard(node).touch(markers).await, |()| "done".to_owned()),
            Asked::Happens(happening) => self.stage.happen(happening.clone()).await.to_string(),
            Asked::Passes(time) => {
                self.stage.pass(*time).await;
                // Whatever has expired is noticed by this at the latest.
                said(self.nodes[0].shard.check(&MARKERS).await, |checked| {
                    format!("{:?}", self.all(&checked.markers))
                })
            }
        }
    }

    fn begun(&mut self, node: usize, entry: EntryId, begun: Result<Begun, Failure>) -> String {
        said(begun, |begun| match begun {
            Begun::Hit(envelope) => format!("hits {:?}", fill_of(&envelope)),
            Begun::Lead => "leads".to_owned(),
            Begun::Alone => "goes alone".to_owned(),
            Begun::Wait(left, woken) => {
                self.waiting.push((node, entry, woken));
                // What a server is slow by does not count.
                format!("waits about {} s", (left.as_millis() + 900) / 1_000)
            }
        })
    }

    /// What each node has been told since this was last asked; everything that was done before has been.
    async fn told(&self) -> Vec<BTreeSet<Option<MarkerId>>> {
        let mut told = Vec::new();
        for node in &self.nodes {
            for _ in 0..2 {
                node.shard.ping().await.expect("a ping is answered");
            }
            told.push(std::mem::take(&mut *node.told.0.lock()));
        }
        told
    }

    /// Who has been woken since this was last asked.
    fn woken(&mut self) -> Vec<(usize, EntryId)> {
        let mut woken = Vec::new();
        self.waiting.retain_mut(|(node, entry, waiting)| {
            let is_woken = waiting.now_or_never().is_some();
            if is_woken {
                woken.push((*node, *entry));
            }
            !is_woken
        });
        woken
    }

    /// Everything that is kept.
    pub(super) async fn kept(&self) -> (BTreeSet<String>, Vec<Option<(bool, u64)>>, Vec<Option<Fill>>) {
        let names = self.stage.names().await;
        let is_compared =
            |name: &String| ["alc:m:", "alc:e:", "alc:l:"].iter().any(|prefix| name.starts_with(prefix));
        let checked = self.nodes[0].shard.check(&MARKERS).await.expect("it can be read");
        let mut fills = Vec::new();
        for entry in ENTRIES {
            let looked = self.nodes[0].shard.look(&name(entry), &[]).await.expect("it can be read");
            fills.push(looked.entry.as_deref().map(fill_of));
        }
        (names.into_iter().filter(is_compared).collect(), self.all(&checked.markers), fills)
    }

    fn era(&self, current: bool) -> Era {
        if current { self.era } else { Era(self.era.0 ^ 1) }
    }

    fn nonce(&self, random: u64) -> Nonce {
        Nonce { era: self.era, random }
    }

    fn one(&self, nonce: Option<Nonce>) -> Option<(bool, u64)> {
        nonce.map(|nonce| (nonce.era == self.era, nonce.random))
    }

    fn all(&self, nonces: &[Option<Nonce>]) -> Vec<Option<(bool, u64)>> {
        nonces.iter().map(|nonce| self.one(*nonce)).collect()
    }
}

fn said<T>(answer: Result<T, Failure>, show: impl FnOnce(T) -> String) -> String {
    match answer {
        Ok(answer) => show(answer),
        Err(failure) => failure.as_str().to_owned(),
    }
}

fn fill_of(envelope: &[u8]) -> Fill {
    let bytes = envelope.get(4..12).and_then(|bytes| bytes.first_chunk());
    Fill(u64::from_be_bytes(*bytes.expect("it is one of ours")))
}
