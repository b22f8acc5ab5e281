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
        Attend, Cause, Connection, Refusal, State, connection,
        resp::{Command, Frame},
        scripts::Scripts,
    },
    RedisShard, ShardSettings,
    answers::{self, Unexpected},
    greet::{cause, identify},
    published,
    said::{Identity, Memory},
    shared::Shared,
    sleeper::Sleeper,
};

/// Makes a data connection ready: finds out who is there and what time it is, and makes the scripts known.
pub(super) struct DataAttendant {
    shared: Arc<Shared>,
    scripts: Arc<Scripts>,
    runtime: SharedRuntime,
    within: Duration,
    /// Who is told of this connection because there is no link.
    sleeper: Option<Arc<Sleeper>>,
}

impl DataAttendant {
    pub(super) fn new(
        shared: &Arc<Shared>,
        scripts: &Arc<Scripts>,
        runtime: &SharedRuntime,
        settings: &ShardSettings,
        sleeper: Option<&Arc<Sleeper>>,
    ) -> Self {
        Self {
            sleeper: sleeper.cloned(),
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
        // A server that refuses is asked again by the first step that needs one, and that says so. Where commands are paid
        // for that is soon enough.
        if self.sleeper.is_none() {
            let loads: Vec<_> = self.scripts.of_data().map(|script| script.load()).collect();
            connection.pipeline(&loads, self.within).await.map_err(cause)?;
        }
        self.shared.learn(identity, memory);
        Ok(())
    }
}

impl Attend for DataAttendant {
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.identify(connection))
    }

    fn changed(&self, state: &State) {
        // An idle connection is as good as one: it is made before it is used.
        self.shared.set_up(matches!(state, State::Up { .. } | State::Idle));
        if let Some(sleeper) = &self.sleeper {
            sleeper.changed(state, self.shared.era());
        }
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
                let looked = self.read(answers::looked(Vec::new(), answer))?;
                self.look_again_at_another(entry, pair, looked).await
            });
        }
        let count = markers.len();
        let read = Command::new("MGET").args(names(markers));
        Box::pin(async move {
            let [held, answer] = self.ask_with_echo([read, pair.clone()], self.settings.step_within).await?;
            let held = self.read(answers::nonces(held, count))?;
            let looked = self.read(answers::looked(held, answer))?;
            self.look_again_at_another(entry, pair, looked).await
        })
    }

    /// What was found, asked for once more by `pair` where it is another entry than this: either that lies there, or it
    /// was the answer to something else, and the connection cannot be trusted any more.
    async fn look_again_at_another(
        &self,
        entry: EntryId,
        pair: Command,
        looked: Looked,
    ) -> Result<Looked, Failure> {
        if !looked.entry.as_ref().is_some_and(|envelope| answers::is_foreign(entry, envelope)) {
            return Ok(looked);
        }
        let [answer] = self.ask_with_echo([pair], self.settings.step_within).await?;
        let Looked { markers, entry: said, .. } = looked;
        let again = self.read(answers::looked(markers, answer))?;
        if again.entry == said { Ok(again) } else { Err(self.garbled(&self.data, answers::OF_ANOTHER)) }
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
            let era = identity.era_with(&replication);
            if era != identity.era || !replication.is_primary {
                self.start_over(Some(&identity));
            }
            if !replication.is_primary {
                return Err(Failure::OtherEra);
            }
            Ok(Checked { era, good_replicas: replication.good_replicas, markers })
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
        let script = self.scripts.overwrite.on([entry.name(), lease, bucket.clone(), elsewhere.name()]);
        let over = over.map(|fill| fill.0.to_be_bytes());
        let script =
            script.arg(&*identity.replication_id).arg(over.as_ref().map_or(&[][..], |fill| &fill[..]));
        let echo = self.echo();
        let mut commands = vec![script.number(millis(keep)).arg(&envelope).number(echo)];
        commands.extend(published::removals(&[bucket]));
        let mut replies = self.ask_all_with_echo(commands, self.settings.step_within).await?.into_iter();
        let overwritten = replies.next().expect("there are as many replies as commands");
        match overwritten {
            Ok(answer) => {
                let is_there = self.read(answers::overwritten(answer, echo))?;
                self.hear_published(replies)?;
                Ok(is_there)
            }
            Err(refusal) if refusal.code() == super::OTHER_ERA => {
                self.start_over(Some(&identity));
                Ok(false)
            }
            Err(refusal) => Err(self.failed(connection::Failure::Refused(refusal), Some(&identity))),
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
            // What is published is published behind the removal: whoever hears of it and looks finds it done. In whatever way
            // this node hears of others, some may hear of it in this one only.
            let (count, published) = (names.len(), published::removals(&names));
            let mut commands = vec![Command::new("UNLINK").args(names)];
            commands.extend(published);
            let within = self.settings.remove_within;
            // Without a connection there is nothing to try twice.
            self.identity()?;
            let mut replies = match self.ask_all_with_echo(commands.clone(), within).await {
                Err(failure) if failure.is_in_doubt() => {
                    match self.rousing() {
                        Some(rousing) => rousing.await?,
                        None => self.until_up(within).await,
                    }
                    self.ask_all_with_echo(commands, within).await?
                }
                replies => replies?,
            }
            .into_iter();
            let removed = replies.next().expect("there are as many replies as commands");
            let removed =
                removed.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
            self.read(answers::count(&removed, count))?;
            self.hear_published(replies)
        })
    }

    /// What came of publishing what was removed: if it was refused, the removal is done all the same, and it is said that
    /// not everybody hears of it.
    fn hear_published(&self, replies: impl Iterator<Item = Result<Frame, Refusal>>) -> Result<(), Failure> {
        for reply in replies {
            match reply {
                Ok(Frame::Integer(_)) => {}
                Ok(_) => return Err(self.garbled(&self.data, Unexpected("how many have heard of it"))),
                Err(refusal) => {
                    self.shared.set_unpublished(&refusal.to_string(), self.runtime.now());
                    return Ok(());
                }
            }
        }
        self.shared.set_published();
        Ok(())
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
        let mut all = Vec::with_capacity(N + 1);
        all.extend(commands);
        let replies: Result<Vec<_>, _> = self.ask_all_with_echo(all, within).await?.into_iter().collect();
        let replies = replies.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
        self.read(replies.try_into().map_err(|_| Unexpected("one answer for each command")))
    }

    /// The same of any number, each of which may be refused by itself.
    async fn ask_all_with_echo(
        &self,
        mut commands: Vec<Command>,
        within: Duration,
    ) -> Result<Vec<Result<Frame, Refusal>>, Failure> {
        let echo = self.echo();
        commands.push(Command::new("ECHO").number(echo));
        let replies = self.data.pipeline(&commands, within).await;
        let mut replies = replies.map_err(|failure| self.failed(failure, None))?;
        let said = replies.pop().ok_or(Unexpected("one answer for each command"));
        let said =
            self.read(said)?.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
        self.read(answers::echoed(&said, echo))?;
        Ok(replies)
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

    /// Returns when there is a data connection, or nobody to have one with, or after so long.
    async fn until_up(&self, within: Duration) {
        let mut changes = self.data.changes();
        let up =
            pin!(changes.wait_for(|state| !matches!(state, State::Connecting(_)) || super::is_gone(state)));
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
