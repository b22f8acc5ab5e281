//! Who makes the connection of a line, and again after each loss, and tells of it in order.

use std::{mem, pin::pin, sync::Arc, time::Duration};

use alacena_core::runtime::{BoxFuture, Moment, SharedRuntime, unit_interval};
use futures_util::future::select;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use super::{
    super::resp::Frame,
    Cause, Connection, Failure, Server,
    line::{LineSettings, State},
};

/// Who is told what becomes of a line.
///
/// # Ordering
/// For each connection: [`prepare`](Attend::prepare), beside which pushes may come; `changed` to [`State::Up`], if
/// it was prepared; then calls of others. Once it is lost: no more of its pushes, `changed` to [`State::Connecting`], and
/// only then do its callers learn of it. Two connections never overlap.
///
/// `pushed` and `changed` neither block nor wait, and do not close the line.
pub trait Attend: Send + Sync + 'static {
    /// Makes a new connection ready, before anybody else can use it: what is asked here is the first on it after the
    /// greeting. With an error the connection is dropped, and the next attempt follows after a pause.
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        let _ = connection;
        Box::pin(async { Ok(()) })
    }

    /// The server has sent a push. Called by the task that reads, before it hands out any answer behind the push.
    fn pushed(&self, push: Frame) {
        let _ = push;
    }

    /// The state is another one from now on.
    fn changed(&self, state: &State) {
        let _ = state;
    }
}

/// Nobody in particular: a line without preparation whose pushes interest no one.
impl Attend for () {}

/// What a line and the task of its keeper share.
pub(super) struct Keeper {
    server: Server,
    settings: LineSettings,
    runtime: SharedRuntime,
    attend: Arc<dyn Attend>,
    /// What calls use; locked for the moment in which one is queued.
    current: RwLock<Current>,
    state: watch::Sender<State>,
    /// Somebody needs a connection where none is kept up.
    wanted: Notify,
    /// Held during a change of state and while it is told, so that one comes after the other. Apart from `current`, so
    /// that whoever is told can call. Within: the connection that was lost last, and why.
    changing: Mutex<Option<(u64, Cause)>>,
}

enum Current {
    Connecting(Option<Cause>),
    Up(Connection),
    Closed,
}

impl Keeper {
    pub(super) fn new(
        server: Server,
        settings: LineSettings,
        runtime: SharedRuntime,
        attend: Arc<dyn Attend>,
    ) -> Arc<Self> {
        let state = if server.metering().is_some() { State::Idle } else { State::Connecting(None) };
        Arc::new(Self {
            server,
            settings,
            runtime,
            attend,
            current: RwLock::new(Current::Connecting(None)),
            state: watch::Sender::new(state),
            wanted: Notify::new(),
            changing: Mutex::new(None),
        })
    }

    /// Makes one attempt after the other, until the line is closed.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut states = self.state.subscribe();
        // An error would mean that the state has gone, which we hold.
        let closed = pin!(states.wait_for(|state| *state == State::Closed));
        let attempts = pin!(async {
            let mut failed = 0;
            for epoch in 1.. {
                if self.is_lazy() {
                    self.wanted.notified().await;
                }
                let began = self.runtime.now();
                let was_up = match self.connect(epoch).await {
                    Ok(()) => {
                        self.until_lost(epoch).await;
                        true
                    }
                    Err(cause) => {
                        self.failed(cause);
                        false
                    }
                };
                // An attempt that took long to fail is no connection that lasted.
                let has_lasted = was_up && self.runtime.now() - began >= self.settings.pause_max;
                failed = if has_lasted { 1 } else { failed + 1 };
                self.runtime.sleep(self.pause(failed)).await;
            }
        });
        select(attempts, closed).await;
    }

    async fn connect(self: &Arc<Self>, epoch: u64) -> Result<(), Cause> {
        let (attend, keeper) = (Arc::clone(&self.attend), Arc::clone(self));
        let connection = Connection::open(
            &self.server,
            &self.settings.connection,
            Arc::clone(&self.runtime),
            Box::new(move |push| attend.pushed(push)),
            Box::new(move |cause| keeper.lost(epoch, cause)),
        )
        .await?;
        self.attend.prepare(&connection).await?;
        self.up(epoch, connection)
    }

    /// Before pause number `failed`, counted from 1: half of it is random, so that nodes that lost a server together do
    /// not come back together.
    fn pause(&self, failed: u32) -> Duration {
        let doubled =
            self.settings.pause_first.saturating_mul(1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX));
        let chance = unit_interval(self.runtime.random());
        doubled.min(self.settings.pause_max).mul_f64(0.5 + chance / 2.0)
    }

    /// The connection is ready: from here on it is used, unless it is lost already.
    fn up(&self, epoch: u64, connection: Connection) -> Result<(), Cause> {
        let changing = self.changing.lock();
        match &*changing {
            Some((lost, cause)) if *lost == epoch => return Err(cause.clone()),
            _ if self.state() == State::Closed => return Err(Cause::Closed),
            _ => {}
        }
        let state = State::Up { epoch };
        self.attend.changed(&state);
        *self.current.write() = Current::Up(connection);
        self.state.send_replace(state);
        Ok(())
    }

    /// A connection has ended; it may not have been up yet.
    fn lost(&self, epoch: u64, cause: &Cause) {
        let mut changing = self.changing.lock();
        *changing = Some((epoch, cause.clone()));
        if self.state() == (State::Up { epoch }) {
            let state = if self.is_lazy() { State::Idle } else { State::Connecting(Some(cause.clone())) };
            self.change(state, Current::Connecting(Some(cause.clone())));
        }
    }

    /// An attempt has failed. Told only where that is news.
    fn failed(&self, cause: Cause) {
        let changing = self.changing.lock();
        let state = State::Connecting(Some(cause.clone()));
        if self.state() != State::Closed && self.state() != state {
            self.change(state, Current::Connecting(Some(cause)));
        }
        drop(changing);
    }

    pub(super) fn close(&self) {
        let changing = self.changing.lock();
        if self.state() != State::Closed {
            self.change(State::Closed, Current::Closed);
        }
        drop(changing);
    }

    fn change(&self, state: State, current: Current) {
        let before = mem::replace(&mut *self.current.write(), current);
        drop(before);
        self.state.send_replace(state.clone());
        self.attend.changed(&state);
    }

    async fn until_lost(&self, epoch: u64) {
        // An error would mean that the state has gone, which we hold.
        let _ = self.state.subscribe().wait_for(|state| *state != State::Up { epoch }).await;
    }

    /// Has `call` done with the connection, or with the reason why there is none.
    pub(super) fn with<T>(&self, call: impl FnOnce(Result<&Connection, Failure>) -> T) -> T {
        match &*self.current.read() {
            Current::Up(connection) => call(Ok(connection)),
            Current::Connecting(cause) => call(Err(Failure::Down(cause.clone()))),
            Current::Closed => call(Err(Failure::Closed)),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether a connection is made only when somebody needs it.
    fn is_lazy(&self) -> bool {
        self.server.metering().is_some()
    }

    /// Has a connection made where none is kept up.
    pub(super) fn want(&self) {
        if !matches!(self.state(), State::Up { .. }) {
            self.wanted.notify_one();
        }
    }

    pub(super) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.runtime.sleep(duration)
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn now(&self) -> Moment {
        self.runtime.now()
    }
}
