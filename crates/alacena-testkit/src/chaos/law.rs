//! The rules in force, as one direction of one connection meets them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{
    connection::Common,
    line::{Chance, now},
    pump::Ending,
    replies::{Deed, Kind},
    rule::{Active, Direction, Fault, Rules, Seen},
};

/// How often a trickle is written that brings a byte more often.
const TICK: Duration = Duration::from_millis(10);

/// What is to be done with the next bytes.
pub(super) enum Step {
    /// Write so many of them, and then wait.
    Write {
        most: usize,
        then: Duration,
    },
    /// Nothing, until the rules are others.
    Wait,
    /// Nothing for so long.
    Pause(Duration),
    End(Ending),
}

/// What the rules say to one direction of one connection.
pub(super) struct Law<'a> {
    common: &'a Common,
    direction: Direction,
    rules: watch::Receiver<Rules>,
    chance: Chance,
    /// Until when a burst is gathered, for each rule that wants one.
    bursts: HashMap<u64, Instant>,
    met: HashMap<u64, Met>,
}

/// What a rule has to do with this direction of this connection.
#[derive(Clone, Copy)]
struct Met {
    /// The position at which they met.
    since: u64,
    /// Chance was for it, and it is not done.
    is_on: bool,
}

impl<'a> Law<'a> {
    pub(super) fn new(
        common: &'a Common,
        direction: Direction,
        rules: watch::Receiver<Rules>,
        seed: u64,
    ) -> Self {
        let chance = Chance::new(seed, common.number, direction == Direction::ToClient);
        Self { common, direction, rules, chance, bursts: HashMap::new(), met: HashMap::new() }
    }

    /// Waits until the rules are others.
    pub(super) async fn changed(&mut self) {
        if self.rules.changed().await.is_err() {
            // The proxy is gone, and takes its connections along.
            std::future::pending::<()>().await;
        }
        let rules = self.rules();
        let is_in_force = |id: &u64| rules.iter().any(|active| active.id == *id);
        self.met.retain(|id, _| is_in_force(id));
        self.bursts.retain(|id, _| is_in_force(id));
    }

    /// How long what has just been read is to be held back.
    pub(super) fn delay(&mut self) -> Duration {
        let mut delay = Duration::ZERO;
        for active in self.mine() {
            delay += match active.rule.fault {
                Fault::Latency { delay, jitter } if active.is_drawn(self.chance.draw()) && active.act() => {
                    delay + self.chance.part_of(jitter)
                }
                Fault::Burst { hold } => self.burst(&active, hold),
                _ => Duration::ZERO,
            };
        }
        delay
    }

    fn burst(&mut self, active: &Arc<Active>, hold: Duration) -> Duration {
        let now = now();
        if let Some(left) = self.bursts.get(&active.id).and_then(|end| end.checked_duration_since(now)) {
            return left;
        }
        if !active.is_drawn(self.chance.draw()) || !active.act() {
            return Duration::ZERO;
        }
        self.bursts.insert(active.id, now + hold);
        hold
    }

    /// Who decides what becomes of replies and pushes, if anybody does.
    pub(super) fn judge(&mut self) -> Option<impl FnMut(Kind) -> Deed> {
        let mut rules = self.mine();
        rules.retain(|active| active.rule.fault.is_about_replies());
        let chance = &mut self.chance;
        let has_any = !rules.is_empty();
        let judge = move |kind| {
            let is_for =
                |active: &&Arc<Active>| (active.rule.fault == Fault::OmitPush) == (kind == Kind::Push);
            for active in rules.iter().filter(is_for).filter(|active| active.is_drawn(chance.draw())) {
                match active.rule.fault {
                    // It has acted when the neighbour has come.
                    Fault::SwapReplies { wait } => return Deed::Swap(Arc::clone(active), wait),
                    _ if !active.act() => {}
                    Fault::DuplicateReply => return Deed::Twice,
                    Fault::ErrorReply { error } => return Deed::Instead(error),
                    _ => return Deed::Omit,
                }
            }
            Deed::Pass
        };
        has_any.then_some(judge)
    }

    /// What is to be done with the next bytes, of which there are `length`, after so many that have `passed`. With none,
    /// the end is next.
    pub(super) fn step(&mut self, passed: u64, length: usize) -> Step {
        let (mut most, mut then) = (length, Duration::ZERO);
        for active in self.mine() {
            let met = self.meet(&active, passed);
            // How far it is to the place that a rule names.
            let left =
                |at: u64| usize::try_from((met.since + at).saturating_sub(passed)).unwrap_or(usize::MAX);
            match active.rule.fault {
                _ if !met.is_on => {}
                Fault::Blackhole => return Step::Wait,
                Fault::Pieces { size, gap } => (most, then) = (most.min(size.max(1)), then.max(gap)),
                Fault::Trickle { bytes_per_second } => {
                    let (size, every) = trickle(bytes_per_second);
                    (most, then) = (most.min(size), then.max(every));
                }
                Fault::Split { at, .. } | Fault::Reset { at } | Fault::Finish { at } if left(at) > 0 => {
                    most = most.min(left(at));
                }
                fault @ (Fault::Split { .. } | Fault::Reset { .. } | Fault::Finish { .. }) if length > 0 => {
                    self.met.insert(active.id, Met { is_on: false, ..met });
                    match fault {
                        _ if !active.act() => {}
                        Fault::Split { pause, .. } => return Step::Pause(pause),
                        Fault::Reset { .. } => return Step::End(Ending::Reset),
                        _ => return Step::End(Ending::Finish),
                    }
                }
                _ => {}
            }
        }
        Step::Write { most, then }
    }

    /// What a rule has to do with us, decided when we first meet.
    fn meet(&mut self, active: &Arc<Active>, passed: u64) -> Met {
        if let Some(met) = self.met.get(&active.id) {
            return *met;
        }
        let fault = active.rule.fault;
        let is_drawn = fault.is_drawn_each_time() || active.is_drawn(self.chance.draw());
        // These act all the time; those that name a place do when we come to it.
        let acts_now = matches!(fault, Fault::Blackhole | Fault::Pieces { .. } | Fault::Trickle { .. });
        let met = Met { since: passed, is_on: is_drawn && (!acts_now || active.act()) };
        self.met.insert(active.id, met);
        met
    }

    /// The rules that are for us now.
    fn mine(&self) -> Vec<Arc<Active>> {
        let rules = self.rules();
        if rules.is_empty() {
            return Vec::new();
        }
        let sent = self.common.sent.lock();
        let seen = Seen { number: self.common.number, sent: &sent };
        rules.iter().filter(|active| active.is_for(self.direction, &seen)).cloned().collect()
    }

    fn rules(&self) -> Rules {
        Arc::clone(&self.rules.borrow())
    }
}

/// How many bytes to write how often.
fn trickle(bytes_per_second: u32) -> (usize, Duration) {
    let rate = bytes_per_second.max(1);
    let in_a_tick = rate / 100;
    if in_a_tick == 0 { (1, Duration::from_secs(1) / rate) } else { (in_a_tick as usize, TICK) }
}
