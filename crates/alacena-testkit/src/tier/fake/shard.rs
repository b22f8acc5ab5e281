//! What one node asks of the server.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    error::{Error, catalogue},
    runtime::BoxFuture,
    tier::{
        Answer, Begin, Begun, Capabilities, Checked, EntryId, EntryName, Era, Failure, Looked, MarkerId,
        Minted, Nonce, Overwrite, Shard, Store, Stored, Watcher,
    },
};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::{
    FakeTier, Faults,
    faults::{Way, Wire},
    line::Line,
    node::Node,
    round::{Served, Waiter},
};
use crate::tier::{Refusal, Started};

/// How long a step may take.
const STEP: Duration = Duration::from_millis(50);
/// How long removing may take: nobody gives it up lightly.
const REMOVAL: Duration = Duration::from_millis(250);
/// How long a ping may take before the connection counts as lost.
const PING: Duration = Duration::from_secs(1);

/// A [`Shard`] of a [`FakeTier`], as one node sees it. Its clones are the same.
///
/// A step is on its way when it has been asked for, whether its future is polled or not. Limits: 50 ms for a step, 250 ms
/// for one that invalidates, 1 s for a ping; a ping without an answer costs the connection.
#[derive(Clone)]
pub struct FakeShard(Arc<Node>);

impl FakeShard {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// From now on this, and nothing else, is wrong between this node and the server.
    pub fn set_faults(&self, faults: Faults) {
        self.0.change_weather(|weather| weather.faults = faults);
    }

    /// What is wrong between this node and the server.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.0.weather().faults
    }

    /// From now on the shard can do this. At first it tells of changes, knows its era, and does not evict.
    pub fn set_capabilities(&self, capabilities: Capabilities) {
        self.0.set_capabilities(capabilities);
    }

    /// Resets every connection of this node; they are made again at once.
    pub fn reset(&self) {
        self.0.reset();
    }

    /// The process whose shard this is has been killed: what it has sent still arrives, and nobody hears anything.
    pub fn vanish(&self) {
        self.0.vanish();
    }

    fn step<T: Send + 'static>(
        &self,
        wire: Wire,
        limit: Duration,
        step: impl FnOnce(&mut Served, u64) -> Result<T, Refusal> + Send + 'static,
    ) -> Answer<'static, T> {
        self.ask(wire, limit, move |tier, line, reply| {
            tier.at_server(|served, now| {
                let answer = step(served, now);
                let era = served.server.era();
                line.send(Way::Back, move || reply.arrived(era, answer.map_err(refusal)));
            });
        })
    }

    /// Sends a question; `serve` is called where it arrives, and has it answered then or later.
    fn ask<T: Send + 'static>(
        &self,
        wire: Wire,
        limit: Duration,
        serve: impl FnOnce(&FakeTier, &Line, Reply<T>) + Send + 'static,
    ) -> Answer<'static, T> {
        let line = match self.0.line(wire) {
            Some(line) if !self.0.is_closed() => line,
            _ => return Box::pin(std::future::ready(Err(unavailable("not connected")))),
        };
        let (answered, answer) = oneshot::channel();
        let reply = Reply { node: self.0.clone(), answered };
        let (tier, asked) = (self.0.tier.clone(), line.clone());
        line.send(Way::ToServer, move || {
            if reply.node.weather().faults.denied {
                let denied = Error::new(&catalogue::TIER_DENIED, "the user has no right to it");
                tier.at_server(|served, _| {
                    let era = served.server.era();
                    asked.send(Way::Back, move || reply.arrived(era, Err(Failure::Denied(denied))));
                });
            } else {
                serve(&tier, &asked, reply);
            }
        });
        let over = self.0.tier.0.runtime.sleep(limit);
        let node = self.0.clone();
        Box::pin(async move {
            let lost = Box::pin(line.lost());
            match select(answer, select(lost, over)).await {
                Either::Left((Ok(answer), _)) => answer,
                Either::Left((Err(_), _)) | Either::Right((Either::Left(_), _)) => {
                    Err(unavailable("the connection was lost"))
                }
                Either::Right((Either::Right(_), _)) => {
                    if wire == Wire::Link {
                        node.renew(&line);
                    }
                    Err(Failure::TimedOut(Error::new(&catalogue::TIER_TIMEOUT, "no answer in time")))
                }
            }
        })
    }
}

/// Who is to hear of an answer.
struct Reply<T> {
    node: Arc<Node>,
    answered: oneshot::Sender<Result<T, Failure>>,
}

impl<T> Reply<T> {
    /// An answer has arrived, of a server of this era. Where that is another than the node knows, it connects anew, to be
    /// told of changes by somebody who knows of them.
    fn arrived(self, era: Era, answer: Result<T, Failure>) {
        let is_other = self.node.era().is_some_and(|known| known != era);
        // Whoever asked may have gone.
        let _ = self.answered.send(answer);
        if is_other {
            self.node.reset();
        }
    }
}

impl Shard for FakeShard {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn era(&self) -> Option<Era> {
        self.0.era()
    }

    fn is_gone(&self) -> bool {
        self.0.weather().refuses(Wire::Data)
    }

    fn server_millis(&self) -> u64 {
        self.0.tier.server_millis()
    }

    fn look(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked> {
        let (entry, markers) = (entry.clone(), markers.to_vec());
        // Two steps, between which others may come.
        let held = self.step(Wire::Data, STEP, move |served, now| Ok(served.server.markers(&markers, now)));
        let kept = self.step(Wire::Data, STEP, move |served, now| Ok(served.server.entry(&entry, now)));
        Box::pin(async move {
            let markers = held.await?;
            let (bucket, entry) = kept.await?;
            Ok(Looked { markers, bucket, entry })
        })
    }

    fn check(&self, markers: &[MarkerId]) -> Answer<'_, Checked> {
        let markers = markers.to_vec();
        self.step(Wire::Data, STEP, move |served, now| served.server.check(&markers, now))
    }

    fn mint(&self, era: Era, markers: &[(MarkerId, Nonce)], keep: Duration) -> Answer<'_, Minted> {
        let (markers, keep) = (markers.to_vec(), u64::try_from(keep.as_millis()).unwrap_or(u64::MAX / 4));
        self.step(Wire::Data, STEP, move |served, now| served.server.mint(era, &markers, keep, now))
    }

    fn begin(&self, load: Begin) -> Answer<'_, Begun> {
        self.ask(Wire::Waits, STEP, move |tier, line, reply| {
            tier.at_server(|served, now| {
                let begun = served.begin(&load, line, now);
                let era = served.server.era();
                line.send(Way::Back, move || reply.arrived(era, begun.map_err(refusal)));
            });
        })
    }

    fn renew(&self, entry: EntryId, attempt: Nonce, lease: Duration) -> Answer<'_, bool> {
        self.step(Wire::Data, STEP, move |served, now| served.server.renew(entry, attempt, lease, now))
    }

    fn store(&self, store: Store) -> Answer<'_, Stored> {
        self.step(Wire::Data, STEP, move |served, now| served.server.store(&store, now))
    }

    fn overwrite(&self, overwrite: Overwrite) -> Answer<'_, bool> {
        self.step(Wire::Data, STEP, move |served, now| served.server.overwrite(&overwrite, now))
    }

    fn release(&self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) -> Answer<'_, ()> {
        self.step(Wire::Data, STEP, move |served, now| served.server.release(entry, attempt, alone, now))
    }

    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        let markers = markers.to_vec();
        self.step(Wire::Data, REMOVAL, move |served, _| served.server.invalidate(&markers))
    }

    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()> {
        let entries = entries.to_vec();
        self.step(Wire::Data, REMOVAL, move |served, _| served.server.invalidate_entries(&entries))
    }

    fn replicate(&self, replicas: u32, within: Duration) -> Answer<'_, u32> {
        self.ask(Wire::Data, within + STEP, move |tier, line, reply| {
            let (tier, line) = (tier.clone(), line.clone());
            let runtime = tier.0.runtime.clone();
            runtime.spawn(Box::pin(async move {
                let reached = tier.wait_for_replicas(replicas, within).await;
                tier.at_server(|served, _| {
                    let era = served.server.era();
                    line.send(Way::Back, move || reply.arrived(era, Ok(reached)));
                });
            }));
        })
    }

    fn touch(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        let markers = markers.to_vec();
        self.step(Wire::Data, STEP, move |served, now| {
            served.server.markers(&markers, now);
            Ok(())
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.ask(Wire::Link, PING, |tier, line, reply| {
            tier.at_server(|served, _| {
                served.is_pinged(line);
                let era = served.server.era();
                line.send(Way::Back, move || reply.arrived(era, Ok(())));
            });
        })
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.0.watch(watcher);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close();
        Box::pin(std::future::ready(()))
    }
}

impl Served {
    fn begin(&mut self, load: &Begin, line: &Line, now: u64) -> Result<Begun, Refusal> {
        Ok(match self.server.begin(load, now)? {
            Started::Hit(envelope) => Begun::Hit(envelope),
            Started::Lead => Begun::Lead,
            Started::Alone => Begun::Alone,
            Started::Wait(left) => {
                let (wake, woken) = oneshot::channel();
                self.waiters.push(Waiter { entry: load.entry.id(), line: line.clone(), wake });
                // An error: it cannot be heard of any more.
                Begun::Wait(left, Box::pin(async move { woken.await.unwrap_or_default() }))
            }
        })
    }
}

impl FakeTier {
    /// Waits until what is written now is on so many replicas, or the time is over. On how many it is.
    async fn wait_for_replicas(&self, replicas: u32, within: Duration) -> u32 {
        let mut replicated = self.0.replicated.subscribe();
        let (written, has_replica) = {
            let served = self.0.served.lock();
            (served.written(), served.server.has_replica())
        };
        if !has_replica {
            return 0;
        }
        let arrived = Box::pin(async { drop(replicated.wait_for(|until| *until >= written).await) });
        // A second replica is never there.
        match select(arrived, self.0.runtime.sleep(within)).await {
            Either::Left((_, over)) if replicas > 1 => {
                over.await;
                1
            }
            Either::Left(_) => 1,
            Either::Right(_) => 0,
        }
    }
}

fn unavailable(why: &str) -> Failure {
    Failure::Unavailable(Error::new(&catalogue::TIER_UNREACHABLE, why))
}

fn refusal(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::OtherEra => Failure::OtherEra,
        Refusal::OutOfMemory => Failure::OutOfMemory(Error::new(&catalogue::TIER_FULL, "no memory for it")),
    }
}
