//! The connections of one node: made, lost and made again.

use std::sync::{Arc, Weak};

use alacena_core::tier::{Capabilities, Era, Telling, Watcher};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    FakeTier,
    faults::{Way, Weather, Wire},
    line::{Line, LineState},
};

pub(super) struct Node {
    pub(super) tier: FakeTier,
    this: Weak<Node>,
    weather: watch::Sender<Weather>,
    /// Guards what is connected; nobody is called while it is held.
    connected: Mutex<Connected>,
}

struct Connected {
    lines: [Option<Line>; 3],
    era: Option<Era>,
    watcher: Option<Arc<dyn Watcher>>,
    capabilities: Capabilities,
    closed: bool,
}

impl Node {
    /// A node whose connections are there already.
    pub(super) fn connected(tier: &FakeTier) -> Arc<Self> {
        let weather = watch::Sender::new(Weather::default());
        let open = |wire| Some(Line::new(wire, LineState::Ready, &tier.0.runtime, &weather.subscribe()));
        let lines = Wire::ALL.map(open);
        let link = lines[Wire::Link as usize].clone().expect("it has just been opened");
        let mut served = tier.0.served.lock();
        let connected = Connected {
            lines,
            era: Some(served.server.era()),
            watcher: None,
            capabilities: Capabilities {
                telling: Telling::Tracked,
                era: true,
                evicts: false,
                is_metered: false,
                is_heard: true,
            },
            closed: false,
        };
        let node = Arc::new_cyclic(|this: &Weak<Self>| Self {
            tier: tier.clone(),
            this: this.clone(),
            weather,
            connected: Mutex::new(connected),
        });
        served.nodes.push(node.this.clone());
        served.listeners.push((link, node.this.clone()));
        node
    }

    pub(super) fn watcher(&self) -> Option<Arc<dyn Watcher>> {
        self.connected.lock().watcher.clone()
    }

    /// From now on this one is told, first of all that it is connected, if it is.
    pub(super) fn watch(&self, watcher: Arc<dyn Watcher>) {
        let link = {
            let mut connected = self.connected.lock();
            connected.watcher = Some(watcher.clone());
            let link = connected.lines[Wire::Link as usize].clone();
            link.filter(Line::is_ready).zip(connected.era)
        };
        if let Some((link, era)) = link {
            link.send(Way::Back, move || watcher.connected(era));
        }
    }

    pub(super) fn era(&self) -> Option<Era> {
        self.connected.lock().era
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.connected.lock().capabilities
    }

    pub(super) fn set_capabilities(&self, capabilities: Capabilities) {
        self.connected.lock().capabilities = capabilities;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connected.lock().closed
    }

    pub(super) fn weather(&self) -> Weather {
        *self.weather.borrow()
    }

    /// The connection, if it is there.
    pub(super) fn line(&self, wire: Wire) -> Option<Line> {
        self.connected.lock().lines[wire as usize].clone().filter(Line::is_ready)
    }

    /// Something between this node and the server gets worse, or better.
    pub(super) fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
        let weather = self.weather();
        for wire in Wire::ALL {
            if weather.refuses(wire) {
                self.lose(wire);
            } else {
                self.connect(wire);
            }
        }
    }

    /// Every connection is lost, and made again.
    pub(super) fn reset(&self) {
        Wire::ALL.into_iter().for_each(|wire| self.lose(wire));
        Wire::ALL.into_iter().for_each(|wire| self.connect(wire));
    }

    /// One of the connections is of no use any more: it is made again.
    pub(super) fn renew(&self, line: &Line) {
        let wire = line.wire();
        let is_current = self.connected.lock().lines[wire as usize].as_ref().is_some_and(|of| of.is(line));
        if is_current {
            self.lose(wire);
            self.connect(wire);
        }
    }

    pub(super) fn close(&self) {
        self.connected.lock().closed = true;
        Wire::ALL.into_iter().for_each(|wire| self.lose(wire));
    }

    /// The node is no more: what it has sent still arrives, and nobody hears anything.
    pub(super) fn vanish(&self) {
        let lines = {
            let mut connected = self.connected.lock();
            (connected.closed, connected.era, connected.watcher) = (true, None, None);
            std::mem::take(&mut connected.lines)
        };
        let mut served = self.tier.0.served.lock();
        lines.iter().flatten().for_each(|line| served.forget(line));
    }

    fn lose(&self, wire: Wire) {
        let (line, watcher) = {
            let mut connected = self.connected.lock();
            let Some(line) = connected.lines[wire as usize].take() else { return };
            if wire == Wire::Data {
                connected.era = None;
            }
            // Of a connection that never came about nobody was told.
            let watcher = connected.watcher.clone().filter(|_| wire == Wire::Link && line.is_ready());
            (line, watcher)
        };
        line.turn(LineState::Lost);
        self.tier.0.served.lock().forget(&line);
        if let Some(watcher) = watcher {
            watcher.lost();
        }
    }

    /// Opens a connection, where there is none and none is refused. It is there once the server has answered.
    fn connect(&self, wire: Wire) {
        let line = {
            let mut connected = self.connected.lock();
            let is_there = connected.lines[wire as usize].is_some();
            if is_there || connected.closed || self.weather().refuses(wire) {
                return;
            }
            let weather = self.weather.subscribe();
            let line = Line::new(wire, LineState::Connecting, &self.tier.0.runtime, &weather);
            connected.lines[wire as usize].insert(line).clone()
        };
        let (tier, node, back) = (self.tier.clone(), self.this.clone(), line.clone());
        line.send(Way::ToServer, move || {
            tier.at_server(|served, _| {
                if wire == Wire::Link {
                    served.listeners.push((back.clone(), node.clone()));
                }
                let (era, of) = (served.server.era(), back.clone());
                back.send(Way::Back, move || {
                    if let Some(node) = node.upgrade() {
                        node.has_connected(wire, &of, era);
                    }
                });
            });
        });
    }

    fn has_connected(&self, wire: Wire, line: &Line, era: Era) {
        line.turn(LineState::Ready);
        let watcher = {
            let mut connected = self.connected.lock();
            connected.era = Some(era);
            connected.watcher.clone()
        };
        if let Some(watcher) = watcher.filter(|_| wire == Wire::Link) {
            watcher.connected(era);
        }
    }
}
