//! A connection: two directions, each of which keeps its order.

use std::sync::Arc;

use alacena_core::runtime::{Moment, SharedRuntime};
use tokio::sync::{mpsc, watch};

use super::faults::{Way, Weather, Wire};

/// What happens where something arrives.
pub(super) type Arrival = Box<dyn FnOnce() + Send>;

/// One connection, from when it was asked for until it is lost.
#[derive(Clone)]
pub(super) struct Line(Arc<Inner>);

struct Inner {
    wire: Wire,
    runtime: SharedRuntime,
    weather: watch::Receiver<Weather>,
    to_server: mpsc::UnboundedSender<(Moment, Arrival)>,
    back: mpsc::UnboundedSender<(Moment, Arrival)>,
    state: watch::Sender<LineState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineState {
    Connecting,
    Ready,
    Lost,
}

impl Line {
    pub(super) fn new(
        wire: Wire,
        state: LineState,
        runtime: &SharedRuntime,
        weather: &watch::Receiver<Weather>,
    ) -> Self {
        let (to_server, requests) = mpsc::unbounded_channel();
        let (back, answers) = mpsc::unbounded_channel();
        let line = Self(Arc::new(Inner {
            wire,
            runtime: runtime.clone(),
            weather: weather.clone(),
            to_server,
            back,
            state: watch::Sender::new(state),
        }));
        for (way, queue) in [(Way::ToServer, requests), (Way::Back, answers)] {
            runtime.spawn(Box::pin(carry(way, queue, wire, runtime.clone(), weather.clone())));
        }
        line
    }

    /// Sends something on its way; it arrives unless the connection is lost before.
    pub(super) fn send(&self, way: Way, arrival: impl FnOnce() + Send + 'static) {
        let delay = self.0.weather.borrow().delay(self.0.wire, way, &self.0.runtime);
        let line = self.clone();
        let arrival: Arrival = Box::new(move || {
            if !line.is_lost() {
                arrival();
            }
        });
        let queue = match way {
            Way::ToServer => &self.0.to_server,
            Way::Back => &self.0.back,
        };
        // An error: whoever carries has gone, and with them the runtime.
        let _ = queue.send((self.0.runtime.now() + delay, arrival));
    }

    pub(super) fn turn(&self, state: LineState) {
        self.0.state.send_replace(state);
    }

    pub(super) fn is_ready(&self) -> bool {
        *self.0.state.borrow() == LineState::Ready
    }

    pub(super) fn is_lost(&self) -> bool {
        *self.0.state.borrow() == LineState::Lost
    }

    /// Completes once the connection is lost.
    pub(super) async fn lost(&self) {
        let mut state = self.0.state.subscribe();
        // It lives as long as this line does.
        let _ = state.wait_for(|state| *state == LineState::Lost).await;
    }

    pub(super) fn wire(&self) -> Wire {
        self.0.wire
    }

    pub(super) fn is(&self, other: &Line) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Lets everything arrive in order, each not before its time, and nothing while it is held.
async fn carry(
    way: Way,
    mut queue: mpsc::UnboundedReceiver<(Moment, Arrival)>,
    wire: Wire,
    runtime: SharedRuntime,
    mut weather: watch::Receiver<Weather>,
) {
    while let Some((due, arrival)) = queue.recv().await {
        let wait = due - runtime.now();
        if !wait.is_zero() {
            runtime.sleep(wait).await;
        }
        // An error: the node is gone, and nothing holds anything any more.
        let _ = weather.wait_for(|weather| !weather.holds(wire, way)).await;
        arrival();
        // Whoever was waiting for this may act on it before the next arrives.
        tokio::task::yield_now().await;
    }
}
