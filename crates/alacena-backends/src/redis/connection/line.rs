//! One connection kept up.
//!
//! ```text
//!                      prepared                      lost
//!   Connecting(cause) ──────────► Up { epoch } ──────────────► Connecting(cause) ─► …        close()
//!        ▲    │ failed: a pause, 50 ms to 5 s, and again                          any state ────────► Closed
//!        └────┘
//! ```
//!
//! Where commands are [metered](Server::metered) a line is `Idle` at first, and again after a loss, until it is
//! [roused](Line::rouse).
//!
//! One task, the keeper, makes one attempt at a time. Calls never wait for it: while no connection is up, they fail with
//! [`Failure::Down`] and the cause.
//!
//! Who is told what, and in which order, is the contract of [`Attend`].

use std::{fmt, future::Future, pin::pin, slice, sync::Arc, time::Duration};

use alacena_core::runtime::{Moment, SharedRuntime};
use futures_util::future::select;
use tokio::sync::watch;

use super::{
    super::resp::{Command, Frame},
    Attend, Cause, Failure, Pipelined, Refusal, RefusalReason, Reply, Server, Settings,
    keeper::Keeper,
};

/// What a line may take, and how it comes back.
#[derive(Clone, Copy, Debug)]
pub struct LineSettings {
    /// Of each connection.
    pub connection: Settings,
    /// The pause after the first failed attempt, doubled after each further one; 50 ms by default. Every pause is
    /// shortened at random, to no less than half.
    pub pause_first: Duration,
    /// The longest pause; 5 s by default. A connection that lasted as long begins with the shortest again.
    pub pause_max: Duration,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self {
            connection: Settings::default(),
            pause_first: Duration::from_millis(50),
            pause_max: Duration::from_secs(5),
        }
    }
}

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// None yet or not any more, for this reason, if it is known.
    Connecting(Option<Cause>),
    /// None, and none is made before somebody needs it: the server's commands are paid for.
    Idle,
    /// There is one.
    Up {
        /// Its number: each connection has a greater one than those before it.
        epoch: u64,
    },
    /// There will be none any more.
    Closed,
}

/// A connection to one server that is made again whenever it is lost.
///
/// Dropping it closes it.
pub struct Line(Arc<Keeper>);

impl Line {
    /// Begins to connect to `server`, and tells `attend` of what becomes of it.
    #[must_use]
    pub fn open(
        server: Server,
        settings: LineSettings,
        runtime: SharedRuntime,
        attend: Arc<dyn Attend>,
    ) -> Self {
        let keeper = Keeper::new(server, settings, Arc::clone(&runtime), attend);
        runtime.spawn(Box::pin(Arc::clone(&keeper).keep()));
        Self(keeper)
    }

    /// Sends `command`, before this returns, and answers with its reply. A script that the server does not know is
    /// loaded, and the command sent once more.
    ///
    /// # Errors
    /// [`Failure`] says which of them mean that nothing was sent.
    ///
    /// # Cancellation
    /// Dropping the future does not take the command back.
    pub fn call<'a>(
        &'a self,
        command: &'a Command,
        within: Duration,
    ) -> impl Future<Output = Result<Frame, Failure>> + Send + 'a {
        let until = self.end_of_script(slice::from_ref(command), within);
        let reply = self.send(command, within);
        async move {
            match reply.await {
                Err(Failure::Refused(refusal)) if refusal.reason == RefusalReason::NoScript => {
                    let mut replies = self.send_again(slice::from_ref(command), until, refusal).await?;
                    replies.pop().expect("there are as many replies as commands").map_err(Failure::Refused)
                }
                reply => reply,
            }
        }
    }

    /// Sends `commands` on one connection with nobody else's between them, before this returns, and answers with their
    /// replies. Where the server does not know a script, all of it is loaded, and **all commands are sent once more**:
    /// those beside a script must bear being carried out twice.
    ///
    /// # Errors
    /// As for [`call`](Line::call), of the pipeline as a whole; a refusal is the reply to its command.
    ///
    /// # Cancellation
    /// Dropping the future does not take the commands back.
    pub fn pipeline<'a>(
        &'a self,
        commands: &'a [Command],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<Result<Frame, Refusal>>, Failure>> + Send + 'a {
        let until = self.end_of_script(commands, within);
        let replies = self.send_all(commands, within);
        async move {
            let replies = replies.await?;
            let unknown = replies.iter().find_map(|reply| {
                reply.as_ref().err().filter(|refusal| refusal.reason == RefusalReason::NoScript)
            });
            match unknown {
                Some(refusal) => self.send_again(commands, until, refusal.clone()).await,
                None => Ok(replies),
            }
        }
    }

    fn send(&self, command: &Command, within: Duration) -> Reply {
        self.0.with(|connection| match connection {
            Ok(connection) => connection.call(command, within),
            Err(failure) => Reply::failed(failure),
        })
    }

    fn send_all(&self, commands: &[Command], within: Duration) -> Pipelined {
        self.0.with(|connection| match connection {
            Ok(connection) => connection.pipeline(commands, within),
            Err(failure) => Pipelined::failed(failure),
        })
    }

    /// When a call with a script has to be over; of no interest without one.
    fn end_of_script(&self, commands: &[Command], within: Duration) -> Moment {
        let has_script = commands.iter().any(|command| command.script().is_some());
        if has_script { self.0.now() + within } else { Moment::ORIGIN }
    }

    /// Loads the scripts of `commands` and sends them again, in one pipeline. `refusal` is what they came back with.
    async fn send_again(
        &self,
        commands: &[Command],
        until: Moment,
        refusal: Refusal,
    ) -> Result<Vec<Result<Frame, Refusal>>, Failure> {
        let mut all: Vec<Command> = Vec::with_capacity(commands.len() * 2);
        let mut scripts: Vec<_> = commands.iter().filter_map(Command::script).collect();
        scripts.dedup();
        all.extend(scripts.iter().map(|script| script.load()));
        let loads = all.len();
        if loads == 0 {
            return Err(Failure::Refused(refusal));
        }
        all.extend_from_slice(commands);
        let mut replies = self.send_all(&all, until - self.0.now()).await?;
        replies
            .drain(..loads)
            .find_map(Result::err)
            .map_or(Ok(()), |refusal| Err(Failure::Refused(refusal)))?;
        Ok(replies)
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// The state, and every later one as long as somebody looks often enough: for those who wait for one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<State> {
        self.0.changes()
    }

    /// Has an idle line connect, and returns once it has, or could not, or the time is over. One that could not a moment
    /// ago is tried again, and nobody waits for that.
    ///
    /// # Errors
    /// Why there is no connection.
    ///
    /// # Cancellation
    /// The line connects all the same.
    pub async fn rouse(&self, within: Duration) -> Result<(), Failure> {
        let mut changes = self.changes();
        self.0.want();
        let no_more_idle = pin!(changes.wait_for(|state| *state != State::Idle));
        // Whichever it was, and also where the line has gone: its state says what has become of it.
        select(no_more_idle, self.0.sleep(within)).await;
        match self.state() {
            State::Up { .. } => Ok(()),
            State::Idle => Err(Failure::TimedOut),
            State::Connecting(cause) => Err(Failure::Down(cause)),
            State::Closed => Err(Failure::Closed),
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.0.server()
    }

    /// Gives up the connection that is up, as if it had been lost for this reason, so that another one is made.
    ///
    /// For whoever finds out that it cannot be trusted, or does not lead where it should.
    pub fn restart(&self, cause: &Cause) {
        self.0.with(|connection| {
            if let Ok(connection) = connection {
                connection.end(cause);
            }
        });
    }

    /// Ends the connection, and makes no other one. Whoever waits gets [`Failure::Closed`].
    pub fn close(&self) {
        self.0.close();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({}, {:?})", self.0.server().address(), self.state())
    }
}
