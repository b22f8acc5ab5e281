//! Waiting until replicas have what was removed.
//!
//! WAIT covers the writes of its own connection, and blocks it meanwhile: on the data connection, every read would wait
//! with it. So each call under way has a connection of its own, and writes something there itself (`scripts/pulse.lua`):
//! replicas are told of writes in one order, so whoever has that write has every removal that was answered before. To
//! repeat the removals there instead would not do: to remove what is not there is no write, and a current server only
//! remembers where the writes of a connection were (measured: Valkey 9.1 answers the WAIT after the UNLINK of an absent
//! key at once, Redis 6.2 and 7.0 do not).

use std::time::Duration;

use alacena_core::tier::Failure;
use parking_lot::Mutex;

use super::{
    super::{
        Connection, connection,
        resp::{Command, Frame},
    },
    RedisShard, answers,
    data::millis,
    said::Identity,
};

/// What is written: one key for all nodes, of no meaning.
const PULSE: &str = "alc:w";
/// How long it lives in the server.
const PULSE_KEEP: Duration = Duration::from_secs(3600);
/// Connections that are kept for the next call.
const IDLE_MAX: usize = 4;
/// The longest that a call can wait for.
const WITHIN_MAX: Duration = Duration::from_secs(10);
/// How much longer an answer may be under way.
const SLACK: Duration = Duration::from_millis(100);
/// More replicas than any primary has.
const REPLICAS_MAX: usize = 1 << 16;

/// Connections on which nobody waits now. Guarded by a lock that is held for a push or a pop.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Connection>>);

impl Idle {
    pub(super) fn clear(&self) {
        let connections = std::mem::take(&mut *self.0.lock());
        drop(connections);
    }

    fn keep(&self, connection: Connection) {
        let mut connections = self.0.lock();
        if connections.len() < IDLE_MAX {
            connections.push(connection);
        }
    }
}

impl RedisShard {
    /// Of what was removed in an era before this one nothing is known: that is for those to compare who removed it.
    pub(super) async fn wait_for_replicas(&self, replicas: u32, within: Duration) -> Result<u32, Failure> {
        let identity = self.identity()?;
        let within = within.min(WITHIN_MAX);
        let pulse = self.scripts.pulse.on([PULSE]).arg(&*identity.replication_id).number(millis(PULSE_KEEP));
        let wait = Command::new("WAIT").number(replicas.into()).number(millis(within));
        // The script may have been forgotten, and nothing is sent twice here.
        let commands = [self.scripts.pulse.load(), pulse, wait];
        let idle = self.idle.0.lock().pop();
        if let Some(connection) = idle {
            match self.wait_on(connection, &commands, within).await {
                // Nobody has looked after it while it was idle.
                Err(connection::Failure::Lost(_) | connection::Failure::Down(_)) => {}
                answer => return self.reached(answer, &identity),
            }
        }
        let answer = match self.open_for_replicas().await {
            Ok(connection) => self.wait_on(connection, &commands, within).await,
            Err(failure) => Err(failure),
        };
        self.reached(answer, &identity)
    }

    /// What the last of these commands is answered, if all are done; then the connection is kept.
    async fn wait_on(
        &self,
        connection: Connection,
        commands: &[Command],
        within: Duration,
    ) -> Result<Frame, connection::Failure> {
        let replies = connection.pipeline(commands, within + SLACK).await?;
        let replies: Result<Vec<_>, _> = replies.into_iter().collect();
        let last = replies.map_err(connection::Failure::Refused)?.pop();
        self.idle.keep(connection);
        Ok(last.expect("there are as many replies as commands"))
    }

    fn reached(&self, answer: Result<Frame, connection::Failure>, meant: &Identity) -> Result<u32, Failure> {
        let count = answer.map_err(|failure| self.failed(failure, Some(meant)))?;
        answers::count(&count, REPLICAS_MAX).map_err(|unexpected| self.unexpected(unexpected))
    }

    async fn open_for_replicas(&self) -> Result<Connection, connection::Failure> {
        let mut settings = self.settings.line.connection;
        settings.silence_max = WITHIN_MAX + 2 * SLACK;
        let runtime = std::sync::Arc::clone(&self.runtime);
        let opened = Connection::open(&self.server, &settings, runtime, Box::new(|_| {}), Box::new(|_| {}));
        opened.await.map_err(|cause| connection::Failure::Down(Some(cause)))
    }
}
