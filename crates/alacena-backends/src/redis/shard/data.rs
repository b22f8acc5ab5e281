//! The data connection: everything that is neither waited for nor told.

use std::{pin::pin, sync::Arc, time::Duration};

use alacena_core::{
    runtime::{BoxFuture, SharedRuntime},
    tier::{
        Answer, Checked, EntryId, EntryName, Era, Failure, Looked, MarkerId, Minted, Nonce, Overwrite, Store,
        Stored,
    },
};
use futures_util::future::select;

use super::{
    super::{
        Attend, Cause, Connection, State, connection,
        resp::{Command, Frame},
        scripts::Scripts,
    },
    RedisShard, ShardSettings,
    answers::{self, Unexpected},
    greet::{cause, identify},
    said::{Identity, Memory},
    shared::Shared,
};

/// Makes a data connection ready: finds out who is there and what time it is, and makes the scripts known.
pub(super) struct DataAttendant {
    shared: Arc<Shared>,
    scripts: Arc<Scripts>,
    runtime: SharedRuntime,
    within: Duration,
}

impl DataAttendant {
    pub(super) fn new(
        shared: &Arc<Shared>,
        scripts: &Arc<Scripts>,
        runtime: &SharedRuntime,
        settings: &ShardSettings,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            scripts: Arc::clone(scripts),
            runtime: Arc::clone(runtime),
            within: settings.prepare_within,
        }
    }

    async fn identify(&self, connection: &Connection) -> Result<(), Cause> {
        let info = [Command::new("INFO memory")];
        let (identity, replies) = identify(connection, &info, self.within).await?;
        // Who may not ask is not told, and takes the server for one that evicts.
        let memory =
            replies.iter().flatten().next().and_then(Frame::text).map(Memory::read).unwrap_or_default();

        let asked = self.runtime.now();
        let time = connection.call(&Command::new("TIME"), self.within).await;
        match time {
            Ok(time) => match answers::time(&time) {
                Ok(said) => self.shared.hear_time(said, asked, self.runtime.now()),
                Err(Unexpected(_)) => return Err(Cause::Unasked),
            },
            // Who may not ask for the time goes by the clock of this node.
            Err(connection::Failure::Refused(_)) => {}
            Err(failure) => return Err(cause(failure)),
        }
        // A server that refuses is asked again by the first step that needs one, and that says so.
        let loads: Vec<_> = self.scripts.of_data().map(|script| script.load()).collect();
        connection.pipeline(&loads, self.within).await.map_err(cause)?;
        self.shared.learn(identity, memory);
        Ok(())
    }
}

impl Attend for DataAttendant {
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.identify(connection))
    }

    fn changed(&self, state: &State) {
        self.shared.set_up(matches!(state, State::Up { .. }));
    }
}

impl RedisShard {
    /// Reads markers and then the entry with the marker of its bucket. Plain commands, since this is asked for each read
    /// that memory does not answer; in this order, since an entry is judged by markers that were read before it.
    pub(super) fn look_up(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked> {
        let pair = Command::new("MGET").arg(entry.id().bucket_marker().name()).arg(entry.name());
        let entry = entry.id();
        if markers.is_empty() {
            return Box::pin(async move {
                let answer = self.ask(&pair, None).await?;
                self.read(answers::looked(entry, Vec::new(), answer))
            });
        }
        let count = markers.len();
        let read = Command::new("MGET").args(names(markers));
        Box::pin(async move {
            let [held, pair] = self.ask_with_echo([read, pair], self.settings.step_within).await?;
            let held = self.read(answers::nonces(held, count))?;
            self.read(answers::looked(entry, held, pair))
        })
    }

    pub(super) fn check_markers(&self, markers: &[MarkerId]) -> Answer<'_, Checked> {
        let (count, names) = (markers.len(), names(markers));
        Box::pin(async move {
            let identity = self.identity()?;
            let (echo, info) = (self.echo(), if identity.is_known() { "info" } else { "" });
            let command = self.scripts.check.on(names).number(echo).arg(info);
            let answer = self.ask(&command, Some(&identity)).await?;
            let (replication, markers) = self.read(answers::checked(answer, echo, count))?;
            let Some(replication) = replication else {
                return Ok(Checked { era: identity.era, good_replicas: 0, markers });
            };
            let current = identity.with(&replication);
            if current != identity || !replication.is_primary {
                self.start_over(Some(&identity));
            }
            if !replication.is_primary {
                return Err(Failure::OtherEra);
            }
            Ok(Checked { era: current.era, good_replicas: replication.good_replicas, markers })
        })
    }

    pub(super) fn mint_markers(
        &self,
        era: Era,
        markers: &[(MarkerId, Nonce)],
        keep: Duration,
    ) -> Answer<'_, Minted> {
        let (count, names) = (markers.len(), markers.iter().map(|(marker, _)| marker.name()));
        let script = self.scripts.mint.on(names);
        let nonces: Vec<_> = markers.iter().map(|(_, nonce)| nonce.to_bytes()).collect();
        Box::pin(async move {
            let identity = self.identity()?;
            if identity.era != era {
                return Err(Failure::OtherEra);
            }
            if count == 0 {
                return Ok(Vec::new());
            }
            let echo = self.echo();
            let command = script.arg(&*identity.replication_id).arg(era.0.to_be_bytes()).number(millis(keep));
            let answer = self.ask(&command.number(echo).args(nonces), Some(&identity)).await?;
            self.read(answers::minted(answer, echo, count, era))
        })
    }

    pub(super) async fn store_entry(&self, store: Store) -> Result<Stored, Failure> {
        let Store { entry, attempt, envelope, keep } = store;
        let command = |id: &str| {
            let command = self.scripts.store.on([entry.name(), entry.id().lease_name()]);
            command.arg(id).arg(attempt.to_bytes()).number(millis(keep)).arg(&envelope)
        };
        let is_kept = self.with_lease(attempt, command).await?;
        Ok(if is_kept { Stored::Kept } else { Stored::LeaseLost })
    }

    pub(super) async fn overwrite_entry(&self, overwrite: Overwrite) -> Result<bool, Failure> {
        let Overwrite { entry, elsewhere, era, over, envelope, keep } = overwrite;
        let identity = self.identity()?;
        if identity.era != era {
            return Ok(false);
        }
        let (lease, bucket) = (entry.id().lease_name(), entry.id().bucket_marker().name());
        let script = self.scripts.overwrite.on([entry.name(), lease, bucket, elsewhere.name()]);
        let over = over.map(|fill| fill.0.to_be_bytes());
        let script =
            script.arg(&*identity.replication_id).arg(over.as_ref().map_or(&[][..], |fill| &fill[..]));
        let command = script.number(millis(keep)).arg(&envelope);
        match self.data.call(&command, self.settings.step_within).await {
            Ok(answer) => self.read(answers::flag(&answer)),
            Err(connection::Failure::Refused(refusal)) if refusal.code() == super::OTHER_ERA => {
                self.start_over(Some(&identity));
                Ok(false)
            }
            Err(failure) => Err(self.failed(failure, Some(&identity))),
        }
    }

    pub(super) async fn renew_lease(
        &self,
        entry: EntryId,
        attempt: Nonce,
        lease: Duration,
    ) -> Result<bool, Failure> {
        let command = |id: &str| {
            self.scripts.renew.on([entry.lease_name()]).arg(id).arg(attempt.to_bytes()).number(millis(lease))
        };
        self.with_lease(attempt, command).await
    }

    pub(super) async fn release_lease(
        &self,
        entry: EntryId,
        attempt: Nonce,
        alone: Option<Duration>,
    ) -> Result<(), Failure> {
        let command = |id: &str| {
            let command = self.scripts.release.on([entry.lease_name()]).arg(id).arg(attempt.to_bytes());
            command.number(alone.map_or(0, millis))
        };
        self.with_lease(attempt, command).await.map(|_| ())
    }

    /// Does what only the holder of a lease may do; whether the attempt still was. In another era nobody is.
    async fn with_lease(&self, attempt: Nonce, command: impl Fn(&str) -> Command) -> Result<bool, Failure> {
        let identity = self.identity()?;
        if identity.era != attempt.era {
            return Ok(false);
        }
        let within = self.settings.step_within;
        match self.data.call(&command(&identity.replication_id), within).await {
            Ok(answer) => self.read(answers::flag(&answer)),
            Err(connection::Failure::Refused(refusal)) if refusal.code() == super::OTHER_ERA => {
                self.start_over(Some(&identity));
                Ok(false)
            }
            Err(failure) => Err(self.failed(failure, Some(&identity))),
        }
    }

    /// Removes keys, however many and whether they are there or not: one command is one step. It needs no memory, and is
    /// the same done twice: so it is tried twice.
    pub(super) fn remove(&self, names: Vec<String>) -> Answer<'_, ()> {
        Box::pin(async move {
            if names.is_empty() {
                return Ok(());
            }
            let (count, command) = (names.len(), Command::new("UNLINK").args(names));
            let within = self.settings.remove_within;
            // Without a connection there is nothing to try twice.
            self.identity()?;
            let [removed] = match self.ask_with_echo([command.clone()], within).await {
                Err(failure) if failure.is_in_doubt() => {
                    self.until_up(within).await;
                    self.ask_with_echo([command], within).await?
                }
                answer => answer?,
            };
            self.read(answers::count(&removed, count)).map(|_| ())
        })
    }

    /// Uses markers; told of nobody. So many to a command, so that no command is long.
    pub(super) fn use_markers(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        const MARKERS_MAX: usize = 256;
        let touch = |some: &[MarkerId]| Command::new("TOUCH").args(names(some));
        let commands: Vec<_> = markers.chunks(MARKERS_MAX).map(touch).collect();
        Box::pin(async move {
            let within = self.settings.step_within;
            let replies =
                self.data.pipeline(&commands, within).await.map_err(|failure| self.failed(failure, None))?;
            for reply in replies {
                let reply =
                    reply.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
                self.read(answers::count(&reply, MARKERS_MAX))?;
            }
            Ok(())
        })
    }

    /// Asks several things in one pipeline, in which one more command says whose answers these are.
    async fn ask_with_echo<const N: usize>(
        &self,
        commands: [Command; N],
        within: Duration,
    ) -> Result<[Frame; N], Failure> {
        let echo = self.echo();
        let mut all = Vec::with_capacity(N + 1);
        all.extend(commands);
        all.push(Command::new("ECHO").number(echo));
        let replies = self.data.pipeline(&all, within).await.map_err(|failure| self.failed(failure, None))?;
        let replies: Result<Vec<_>, _> = replies.into_iter().collect();
        let mut replies =
            replies.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
        let said = replies.pop().ok_or(Unexpected("one answer for each command"));
        self.read(said.and_then(|said| answers::echoed(&said, echo)))?;
        self.read(replies.try_into().map_err(|_| Unexpected("one answer for each command")))
    }

    async fn ask(&self, command: &Command, meant: Option<&Identity>) -> Result<Frame, Failure> {
        self.data
            .call(command, self.settings.step_within)
            .await
            .map_err(|failure| self.failed(failure, meant))
    }

    fn read<T>(&self, answer: Result<T, Unexpected>) -> Result<T, Failure> {
        answer.map_err(|unexpected| self.garbled(&self.data, unexpected))
    }

    /// Returns when there is a data connection, or after so long.
    async fn until_up(&self, within: Duration) {
        let mut changes = self.data.changes();
        let up = pin!(changes.wait_for(|state| !matches!(state, State::Connecting(_))));
        // Whichever it was, and also where the line has gone: whoever calls it then learns what became of it.
        select(up, self.runtime.sleep(within)).await;
    }
}

fn names(markers: &[MarkerId]) -> Vec<String> {
    markers.iter().map(|marker| marker.name()).collect()
}

/// At least one, since a server takes no time of none; at most ten years, since it adds to that.
pub(super) fn millis(span: Duration) -> u64 {
    const MOST: u128 = 10 * 365 * 86_400_000;
    u64::try_from(span.as_millis().clamp(1, MOST)).expect("ten years are few enough")
}
