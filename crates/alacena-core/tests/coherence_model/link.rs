//! What passes between a node and a shard beside questions: what is told, signs of life, outages, and what is owed.

use std::collections::{BTreeSet, VecDeque};

use alacena_core::{
    journal::{Backlog, Limits, Removal},
    runtime::Moment,
    tier::{GRACE, HORIZON, Heartbeat, OUTAGE_MIN, Outage},
};

use super::{
    model::{Action, Protocol},
    mutation::Mutation,
    state::{Beat, Link, State, Told, Warned},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The next thing on the wire arrives.
    Hear,
    /// The node learns that the server is of another era, and connects anew.
    Renew,
    /// Nothing comes through from here on.
    Cut,
    /// The node notices it.
    Lose,
    /// It is over, and the node is connected again.
    Return,
    Ping,
    /// The server answers the ping.
    ServePing,
    /// It answers the question for its era.
    ServeCheck,
    /// What is owed is sent, and done.
    Send,
    /// The answer to that arrives.
    Sent,
    /// What was loaded without the tier ends.
    EndLocal,
    /// The node dies, and another process begins with its journal.
    Crash,
}

impl Protocol {
    pub(crate) fn new_link(&self) -> Link {
        let mut backlog = Backlog::new(Limits::default());
        backlog.found([]);
        Link {
            is_up: true,
            view: Some(alacena_core::tier::Era(1)),
            wire: VecDeque::new(),
            heartbeat: Heartbeat::default(),
            beat: None,
            proved_until: Moment::ORIGIN,
            outage: Outage::default(),
            backlog: self.config.journal.then_some(backlog),
            owes: None,
            sends: None,
            cut_at: None,
            warned: None,
        }
    }

    pub(crate) fn link_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, node) in
            state.nodes.iter().enumerate().filter(|(number, _)| self.is_here(state, *number))
        {
            let is_read = self.is_read(state, number);
            for (shard, link) in node.links.iter().enumerate() {
                let mut can = |event, may: bool| {
                    if may {
                        actions.push(Action::Link(number, shard, event));
                    }
                };
                let era = Some(self.server_era(state, shard));
                let is_there = link.is_up && link.view.is_some();
                can(Event::Hear, link.is_up && !link.wire.is_empty());
                can(Event::Renew, is_there && link.view != era);
                // Once: another time would not be another thing. And who invalidates needs a journal for it.
                let is_first = link.is_up && link.outage == Outage::default();
                let may_be_cut = self.config.journal || !self.config.writers.contains(&number);
                can(Event::Cut, is_first && may_be_cut && state.left.cuts > 0);
                can(Event::Lose, !link.is_up && link.view.is_some());
                can(Event::Return, link.view.is_none());
                if self.config.heartbeats {
                    can(Event::Ping, is_read && is_there && link.beat.is_none() && state.left.pings > 0);
                    let waits = |beat: &Beat| !beat.is_served;
                    can(Event::ServePing, link.is_up && link.beat.as_ref().is_some_and(waits));
                    let waits = |beat: &Beat| beat.checked.is_none();
                    can(Event::ServeCheck, link.is_up && link.beat.as_ref().is_some_and(waits));
                }
                if let Some(backlog) = &link.backlog {
                    can(
                        Event::Send,
                        is_there && link.view == era && link.owes.is_some() && link.sends.is_none(),
                    );
                    can(Event::Sent, is_there && link.sends.is_some());
                    let has_own = node.own.iter().any(Option::is_some);
                    can(Event::EndLocal, is_there && backlog.is_open() && has_own);
                    can(Event::Crash, state.left.crashes > 0 && link.owes.is_some());
                }
            }
        }
    }

    pub(crate) fn link(&self, state: &mut State, node: usize, shard: usize, event: Event) {
        let now = self.now(state);
        let era = self.server_era(state, shard);
        let link = &mut state.nodes[node].links[shard];
        match event {
            Event::Hear => match link.wire.pop_front().expect("there is something") {
                Told::Changed(marker) => self.doubt(state, node, shard, Some(marker)),
                Told::Pong => {
                    link.beat.as_mut().expect("it was sent").has_come_back = true;
                    self.beat(state, node, shard);
                }
            },
            Event::Renew => {
                self.go_away(state, node, shard);
                self.come_back(state, node, shard);
            }
            Event::Cut => {
                state.left.cuts -= 1;
                for other in 0..self.config.nodes {
                    if other == node || self.config.cut_for_all {
                        let link = &mut state.nodes[other].links[shard];
                        (link.is_up, link.cut_at) = (false, Some(now));
                        link.wire.clear();
                        state.servers[shard].round[other].clear();
                    }
                }
            }
            Event::Lose => self.go_away(state, node, shard),
            Event::Return => {
                link.is_up = true;
                self.come_back(state, node, shard);
            }
            Event::Ping => {
                state.left.pings -= 1;
                link.heartbeat.ping(now);
                link.beat = Some(Beat { sent: now, is_served: false, has_come_back: false, checked: None });
            }
            Event::ServePing => {
                link.beat.as_mut().expect("it was sent").is_served = true;
                // Answered at once: before what is told at the end of the round.
                state.servers[shard].round[node].insert(0, Told::Pong);
            }
            Event::ServeCheck => {
                link.beat.as_mut().expect("it was sent").checked = Some(era);
                self.beat(state, node, shard);
            }
            Event::Send => self.send(state, node, shard),
            Event::Sent => {
                let version = link.sends.take().expect("it was sent");
                link.backlog.as_mut().expect("there is one").acknowledged();
                self.promise(state, version);
            }
            Event::EndLocal => self.end_own(state, node),
            Event::Crash => self.crash(state, node, shard),
        }
    }

    /// A heartbeat is over once both answers are there.
    fn beat(&self, state: &mut State, node: usize, shard: usize) {
        let link = &mut state.nodes[node].links[shard];
        let Some(Beat { sent, has_come_back: true, checked: Some(era), .. }) = link.beat else { return };
        link.beat = None;
        if Some(era) != link.view {
            return link.heartbeat.lost();
        }
        let proved = link.heartbeat.pong();
        let proved = if self.is(Mutation::OnePing) { Some(sent + HORIZON) } else { proved };
        link.proved_until = link.proved_until.max(proved.unwrap_or(Moment::ORIGIN));
    }

    fn go_away(&self, state: &mut State, node: usize, shard: usize) {
        let now = self.now(state);
        self.doubt(state, node, shard, None);
        let link = &mut state.nodes[node].links[shard];
        link.outage.begin(link.cut_at.unwrap_or(now));
        (link.view, link.proved_until, link.beat) = (None, Moment::ORIGIN, None);
        link.wire.clear();
        link.heartbeat.lost();
        if link.sends.is_some() {
            link.owes = link.owes.max(link.sends.take());
            link.backlog.as_mut().expect("there is one").failed();
        }
        state.servers[shard].round[node].clear();
    }

    fn come_back(&self, state: &mut State, node: usize, shard: usize) {
        let now = self.now(state);
        if self.config.left.cuts > 0 {
            state.stamp += 1;
        }
        let era = self.server_era(state, shard);
        self.doubt(state, node, shard, None);
        let stamp = state.stamp;
        let link = &mut state.nodes[node].links[shard];
        link.view = Some(era);
        link.outage.end(now, stamp.into());
        let was_short = link.cut_at.take().is_none_or(|at| now - at < OUTAGE_MIN);
        let back = |warned: Warned| Warned { until: Some(now + GRACE), ..warned };
        link.warned = link.warned.filter(|_| !was_short).map(back);
        self.ask_later(state);
    }

    /// Nodes that are cut off now will be back without knowing what is owed; others are not, and may not know at all.
    pub(crate) fn warn(&self, state: &mut State, version: u8) {
        let now = self.now(state);
        for link in
            state.nodes.iter_mut().flat_map(|node| &mut node.links).filter(|link| link.cut_at.is_some())
        {
            link.warned = Some(Warned { version, acknowledged: now, until: None });
        }
    }

    fn send(&self, state: &mut State, node: usize, shard: usize) {
        let link = &mut state.nodes[node].links[shard];
        let Some(batch) = link.backlog.as_mut().expect("there is one").send() else { return };
        link.sends = link.owes.take();
        self.serve(state, shard, |server| {
            server.invalidate(&batch.markers).unwrap();
            server.invalidate_entries(&batch.entries).unwrap();
        });
    }

    fn crash(&self, state: &mut State, node: usize, shard: usize) {
        state.left.crashes -= 1;
        self.clear(state, node);
        let link = &mut state.nodes[node].links[shard];
        let owed = link.owes.max(link.sends.take());
        let removals: BTreeSet<Removal> = self.removals(shard);
        let mut backlog = Backlog::new(Limits::default());
        backlog.found(owed.map(|version| (u64::from(version), removals, 0)));
        (link.backlog, link.owes) = (Some(backlog), owed);
    }
}
