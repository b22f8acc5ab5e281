//! A ping on the link, which brings something along.

use std::sync::Arc;

use alacena_core::tier::Failure;
use futures_util::future::join;

use super::{
    super::{Line, RefusalReason, connection, resp::Command},
    RedisShard,
    answers::{self, Unexpected},
    greet::unsuitable,
    link::{FALLEN, Link, TWO_SERVERS},
    said::Identity,
};

impl RedisShard {
    /// Asks the server for its time and its era: two commands that are served in their order, after all that was sent
    /// before. So it is a ping that brings something along.
    pub(super) async fn ping_link(&self) -> Result<(), Failure> {
        let Some((line, link)) = self.markers.get() else {
            return Err(self.failed(connection::Failure::Down(None), None));
        };
        let ping = self.ping_once(line, link);
        if !link.takes_a_look() {
            return ping.await;
        }
        if !link.is_best() {
            let improve = Arc::clone(link).improve(Arc::clone(line));
            self.runtime.spawn(Box::pin(improve));
            // One canary at a time.
            return ping.await;
        }
        let telling = self.shared.telling();
        let (answer, proved) = join(ping, link.prove(telling)).await;
        answer?;
        // Where it could not be sent nothing is proved.
        let Ok(Err(why)) = proved else { return Ok(()) };
        link.fall(line, telling, &why);
        Err(self.failed(connection::Failure::Down(Some(unsuitable(FALLEN))), None))
    }

    async fn ping_once(&self, line: &Line, link: &Link) -> Result<(), Failure> {
        let meant = link.identity();
        let both = [Command::new("INFO replication"), Command::new("TIME")];
        let is_known = meant.as_ref().is_some_and(Identity::is_known);
        let commands = if is_known { &both[..] } else { &both[1..] };
        let asked = self.runtime.now();
        let replies = line.pipeline(commands, self.settings.ping_within).await;
        let replies = replies.map_err(|failure| self.failed(failure, None))?;
        let answered = self.runtime.now();
        let garbled = |unexpected| self.garbled(line, unexpected);
        let mut replies = replies.into_iter().rev();
        let time = replies.next().ok_or_else(|| garbled(Unexpected("a time")))?;
        match time {
            Ok(time) => self.shared.hear_time(answers::time(&time).map_err(garbled)?, asked, answered),
            // Who may not ask for the time hears at least that it is refused, which is as good a ping.
            Err(refusal) if refusal.reason == RefusalReason::NotPermitted => {}
            Err(refusal) => return Err(self.failed(connection::Failure::Refused(refusal), None)),
        }
        if let Some(info) = replies.next() {
            let info = info.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
            let said = answers::replication(&info).map_err(garbled)?;
            if !said.is_primary || meant.as_ref().is_some_and(|meant| meant.era_with(&said) != meant.era) {
                self.start_over(None);
                return Err(Failure::OtherEra);
            }
        }
        // The data connection has been made anew since, and leads elsewhere.
        if self.shared.identity() != meant {
            line.restart(&unsuitable(TWO_SERVERS));
            return Err(Failure::OtherEra);
        }
        Ok(())
    }
}
