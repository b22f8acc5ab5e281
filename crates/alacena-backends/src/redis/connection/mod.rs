//! One connection to one server, shared by everybody, and what keeps one up.
//!
//! ```text
//!   Line          connects, prepares, connects again; fails fast in between
//!    └ Connection   call, pipeline: encode into the queue, wait for the answer
//!       ├ Queue      bytes to send, answers to come, who waits               (a lock, held for moments)
//!       └ Task       the only one that touches the socket: writes what is queued, reads, hands out
//! ```
//!
//! Rules, each with its test:
//!
//! 1. Answers belong to commands by their order alone. So a caller that goes away leaves its place behind, and whatever
//!    could have shifted an answer (bytes that are not the protocol, an answer without a question) ends the connection.
//! 2. A call that fails before it is sent says so ([`Failure::Down`], [`Failure::Overloaded`]); of all others, whether
//!    they were carried out is unknown.
//! 3. Pushes are handled by the task that reads, before any answer that came after them is handed out.
//! 4. Nothing waits without a limit: a call has its own, and a server that leaves the oldest command without an answer
//!    for [`Settings::silence_max`] loses the connection.

mod failure;
mod greeting;
mod keeper;
mod line;
mod metering;
mod queue;
mod refusal;
mod reply;
mod socket;
mod task;

use std::{fmt, slice, sync::Arc, time::Duration};

use alacena_core::runtime::SharedRuntime;
use parking_lot::Mutex;

use self::{queue::Queue, task::Task};
use super::resp::{Command, Frame, Limits};

pub use failure::{Cause, Failure};
pub use greeting::Greeting;
pub use keeper::Attend;
pub use line::{Line, LineSettings, State};
pub use queue::InFlight;
pub use refusal::{Refusal, RefusalReason};
pub use reply::{Pipelined, Reply};
pub use socket::Server;

/// What a connection may take and bear.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long looking up the addresses of the host may take; 1 s by default.
    pub look_up_within: Duration,
    /// How long connecting to them may take, all together; 250 ms by default.
    pub connect_within: Duration,
    /// How long the TLS handshake may take; 1 s by default.
    pub tls_within: Duration,
    /// How old the oldest command without an answer may become before the connection is given up; 1 s by default. No
    /// command that takes longer at the server by design can be sent.
    pub silence_max: Duration,
    /// How much may be on its way.
    pub in_flight: InFlight,
    /// How large an answer may be.
    pub answer: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            look_up_within: Duration::from_secs(1),
            connect_within: Duration::from_millis(250),
            tls_within: Duration::from_secs(1),
            silence_max: Duration::from_secs(1),
            in_flight: InFlight::default(),
            answer: Limits::default(),
        }
    }
}

/// Hears the pushes of a connection, in order. Called by the task that reads: it neither blocks nor waits.
pub type OnPush = Box<dyn FnMut(Frame) + Send>;

/// Hears why a connection has ended, once, before anybody who waits is told. Called by the task that reads.
pub type OnClose = Box<dyn FnOnce(&Cause) + Send>;

/// One socket to one server, with a greeting behind it.
///
/// # Cancellation
/// Dropping the future of a call at any time is without effect on any other call.
pub struct Connection {
    queue: Arc<Mutex<Queue>>,
    runtime: SharedRuntime,
    greeting: Greeting,
}

impl Connection {
    /// Connects to `server` and greets it: `HELLO 3` with credentials and name, then `SELECT` where a database is named.
    ///
    /// # Errors
    /// Why there is no connection. `on_close` has been called then, if ever there was one.
    pub async fn open(
        server: &Server,
        settings: &Settings,
        runtime: SharedRuntime,
        on_push: OnPush,
        on_close: OnClose,
    ) -> Result<Self, Cause> {
        let socket = server.connect(settings, &*runtime).await?;
        let metering = server.metering().cloned();
        let queue = Queue::new(settings.in_flight, settings.silence_max, metering);
        let queue = Arc::new(Mutex::new(queue));
        let task =
            Task::new(Arc::clone(&queue), Arc::clone(&runtime), socket, settings.answer, on_push, on_close);
        runtime.spawn(Box::pin(task));
        let mut connection = Self { queue, runtime, greeting: Greeting::default() };
        connection.greeting = greeting::greet(&connection, server.address(), settings.silence_max).await?;
        Ok(connection)
    }

    /// What the server said of itself.
    #[must_use]
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Queues `command`, in the order of the calls, and answers with its reply to come.
    ///
    /// # Errors
    /// Of the reply: [`Failure::Refused`] if the server answers with an error, [`Failure::TimedOut`] `within` from now.
    pub fn call(&self, command: &Command, within: Duration) -> Reply {
        Reply::new(self.ask(slice::from_ref(command), false, within))
    }

    /// Queues `commands` with nobody else's between them, and answers with their replies to come, in their order.
    ///
    /// # Errors
    /// Of the replies as a whole, as for [`call`](Connection::call); a refusal is the reply to its command.
    pub fn pipeline(&self, commands: &[Command], within: Duration) -> Pipelined {
        if commands.is_empty() {
            return Pipelined::empty();
        }
        Pipelined::new(self.ask(commands, true, within))
    }

    fn ask(&self, commands: &[Command], is_pipeline: bool, within: Duration) -> reply::Asked {
        let now = self.runtime.now();
        let mut queue = self.queue.lock();
        let asked = queue.ask(commands, is_pipeline, now, within);
        let task = queue.rouse();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
        reply::Asked::new(&self.queue, asked)
    }

    /// Ends the connection; whoever waits gets [`Failure::Closed`].
    pub fn close(&self) {
        self.end(&Cause::Closed);
    }

    /// Ends the connection as if it had been lost for this reason. No answer is handed out any more, not even one that has
    /// arrived.
    pub fn end(&self, cause: &Cause) {
        let mut queue = self.queue.lock();
        queue.end(Failure::of_end(cause));
        let task = queue.rouse();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("greeting", &self.greeting).finish_non_exhaustive()
    }
}
