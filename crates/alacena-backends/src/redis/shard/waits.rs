//! The connection on which loads begin, and on which those that wait are woken.
//!
//! ```text
//!   this node                               server                         who leads
//!   stands in `waiters`
//!   CLIENT CACHING YES, begin        →      reads entry and lease,
//!                                    ←      remembers who asked: WAIT
//!                                           entry stored, lease gone  ←    store
//!   pushed: this entry               ←      tells, once
//!   wakes those who stand there
//! ```
//!
//! The server remembers within the script, and whoever asks stands in the table before the script is sent: so nothing
//! falls between the answer and the waiting.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    runtime::{BoxFuture, unit_interval},
    tier::{Begin, Begun, EntryId, EntryName, Failure, Telling},
};
use bytes::Bytes;

use super::{
    super::{
        Attend, Cause, Connection, RefusalReason, State, connection,
        resp::{Command, Frame},
        scripts::Scripts,
    },
    RedisShard, ShardSettings,
    answers::{self, Start, Unexpected},
    data::millis,
    greet::cause,
    shared::Shared,
    waiters::Waiters,
};

/// How long those wait who cannot be woken before they ask again, at least and at most.
const ASK_AGAIN: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
/// The same where asking is paid for.
const ASK_AGAIN_METERED: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(1_000)];

/// Has the server track what loads read, and wakes those who wait.
pub(super) struct WaitsAttendant {
    shared: Arc<Shared>,
    scripts: Arc<Scripts>,
    waiters: Waiters,
    within: Duration,
    /// Whether the server may be told to tell.
    tracks: bool,
}

impl WaitsAttendant {
    pub(super) fn new(
        shared: &Arc<Shared>,
        scripts: &Arc<Scripts>,
        waiters: &Waiters,
        settings: &ShardSettings,
    ) -> Self {
        let (shared, scripts, waiters) = (Arc::clone(shared), Arc::clone(scripts), waiters.clone());
        let tracks = settings.ways().contains(&Telling::Tracked);
        Self { shared, scripts, waiters, within: settings.prepare_within, tracks }
    }

    async fn track(&self, connection: &Connection) -> Result<(), Cause> {
        if !self.tracks {
            self.shared.set_wakes(false);
            return connection.call(&self.scripts.begin.load(), self.within).await.map(drop).map_err(cause);
        }
        let commands = [self.scripts.begin.load(), Command::new("CLIENT TRACKING ON OPTIN")];
        let mut replies = connection.pipeline(&commands, self.within).await.map_err(cause)?;
        let tracked = match replies.pop().transpose() {
            Ok(answer) if answer.as_ref().is_some_and(Frame::is_ok) => true,
            // Without the right, or behind a proxy that does not know it: those who wait ask again.
            Err(refusal) if is_without_tracking(&refusal.reason) => false,
            Err(refusal) => return Err(Cause::Refused(refusal)),
            Ok(_) => return Err(Cause::Unasked),
        };
        self.shared.set_wakes(tracked);
        Ok(())
    }
}

/// Whether a server that refuses tracking for this reason can be used without.
pub(super) fn is_without_tracking(reason: &RefusalReason) -> bool {
    matches!(reason, RefusalReason::NotPermitted | RefusalReason::Unknown | RefusalReason::Other)
}

impl Attend for WaitsAttendant {
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.track(connection))
    }

    fn pushed(&self, push: Frame) {
        let Some(keys) = invalidated(&push) else { return };
        match keys {
            None => self.waiters.wake_all(),
            Some(names) => {
                let entries = names.iter().filter_map(|name| EntryId::from_name(name.bytes()?));
                entries.for_each(|entry| self.waiters.wake(entry));
            }
        }
    }

    fn changed(&self, state: &State) {
        if !matches!(state, State::Up { .. }) {
            self.waiters.wake_all();
        }
    }
}

/// Which keys a push says have changed, `Some(None)` being all; `None`: it says something else. One that says it in a
/// way that is not known here says that all have.
pub(super) fn invalidated(push: &Frame) -> Option<Option<&[Frame]>> {
    let (kind, rest) = push.items()?.split_first()?;
    (kind.bytes()? == "invalidate").then_some(match rest {
        [Frame::Array(keys)] => Some(keys.as_slice()),
        _ => None,
    })
}

impl RedisShard {
    pub(super) async fn begin_load(&self, load: Begin) -> Result<Begun, Failure> {
        let Begin { entry, attempt, seen, lease } = load;
        let identity = self.identity()?;
        if identity.era != attempt.era {
            return Err(Failure::OtherEra);
        }
        let is_woken = self.shared.wakes();
        let Some(waiter) = self.waiters.join(entry.id(), self.settings.waiters_max) else {
            return Err(self.failed(connection::Failure::Overloaded, None));
        };
        let seen = seen.map(|fill| fill.0.to_be_bytes());
        let begin = self.scripts.begin.on([entry.name(), entry.id().lease_name()]);
        let begin = begin.arg(&*identity.replication_id).arg(attempt.to_bytes()).number(millis(lease));
        let begin = begin.arg(seen.as_ref().map_or(&[][..], |fill| &fill[..]));
        let both = [Command::new("CLIENT CACHING YES"), begin];
        let commands = if is_woken { &both[..] } else { &both[1..] };

        let replies = self.waits.pipeline(commands, self.settings.step_within).await;
        let replies: Result<Vec<_>, _> = replies.and_then(|replies| {
            replies.into_iter().collect::<Result<_, _>>().map_err(connection::Failure::Refused)
        });
        let mut replies: Vec<Frame> = replies.map_err(|failure| self.failed(failure, Some(&identity)))?;
        let answer = replies.pop().ok_or(Unexpected("one answer for each of two commands"));
        let start = answer.and_then(|answer| match replies.as_slice() {
            [tracked] if !tracked.is_ok() => Err(Unexpected("whether what follows is tracked")),
            _ => answers::begun(answer),
        });
        let start = start.map_err(|unexpected| self.garbled(&self.waits, unexpected))?;
        if let Start::Hit(envelope) = &start
            && answers::is_foreign(entry.id(), envelope)
        {
            self.is_there_for_certain(&entry, envelope).await?;
        }
        Ok(match start {
            Start::Hit(envelope) => Begun::Hit(envelope),
            Start::Lead => Begun::Lead,
            Start::Alone => Begun::Alone,
            Start::Wait(left) if is_woken => Begun::Wait(left, Box::pin(waiter)),
            Start::Wait(left) => Begun::Wait(left, self.ask_again()),
        })
    }

    /// Whether what lies under the name of an entry is another one, as an answer said; else that was the answer to
    /// something else, and the connection cannot be trusted any more.
    async fn is_there_for_certain(&self, entry: &EntryName, said: &Bytes) -> Result<(), Failure> {
        let echo = self.echo();
        let commands = [Command::new("GET").arg(entry.name()), Command::new("ECHO").number(echo)];
        let replies = self.waits.pipeline(&commands, self.settings.step_within).await;
        let replies = replies.map_err(|failure| self.failed(failure, None))?;
        let is_there = match replies.as_slice() {
            [Ok(Frame::Bulk(envelope)), Ok(back)] => envelope == said && answers::echoed(back, echo).is_ok(),
            _ => false,
        };
        if is_there { Ok(()) } else { Err(self.garbled(&self.waits, answers::OF_ANOTHER)) }
    }

    /// Instead of a push, where none will come. By chance, so that those who wait do not ask at once.
    fn ask_again(&self) -> BoxFuture<'static, ()> {
        let [least, most] = if self.sleeper.is_some() { ASK_AGAIN_METERED } else { ASK_AGAIN };
        self.runtime.sleep(least + (most - least).mul_f64(unit_interval(self.runtime.random())))
    }
}
