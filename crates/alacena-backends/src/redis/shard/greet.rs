//! What a new connection of a shard begins with: who is there.

use std::time::Duration;

use super::{
    super::{
        Cause, Connection, Failure, Refusal, RefusalReason,
        resp::{Command, Frame},
    },
    said::{Identity, Replication},
};

/// Asks who is there; `more` goes with it, and its replies come back.
///
/// # Errors
/// Whoever is there is no primary, does not answer, or says something that is not understood.
pub(super) async fn identify(
    connection: &Connection,
    more: &[Command],
    within: Duration,
) -> Result<(Identity, Vec<Result<Frame, Refusal>>), Cause> {
    // Said by every greeting: also to those who may not ask for more.
    if connection.greeting().role == "replica" {
        return Err(unsuitable(REPLICA));
    }
    let mut commands = vec![Command::new("INFO server"), Command::new("INFO replication")];
    commands.extend_from_slice(more);
    let mut replies = connection.pipeline(&commands, within).await.map_err(cause)?;
    let more = replies.split_off(2);
    let mut texts = Vec::with_capacity(2);
    for reply in replies {
        match reply {
            Ok(text) => texts.push(text),
            Err(refusal) if refusal.reason == RefusalReason::NotPermitted => {
                return Ok((Identity::unknown(), more));
            }
            Err(refusal) => return Err(Cause::Refused(refusal)),
        }
    }
    let text = |at: usize| texts.get(at).and_then(Frame::text).unwrap_or_default();
    let replication = Replication::read(text(1)).ok_or_else(|| unsuitable(NO_ROLE))?;
    if !replication.is_primary {
        return Err(unsuitable(REPLICA));
    }
    let identity = Identity::read(text(0), &replication).ok_or_else(|| unsuitable(NO_ROLE))?;
    Ok((identity, more))
}

const NO_ROLE: &str =
    "INFO does not say which server it is and in which role: something stands in between that hides it";
const REPLICA: &str = "it is a replica: put the address of its primary into the URL, or have it promoted";

pub(super) fn unsuitable(why: &str) -> Cause {
    Cause::Unsuitable(why.into())
}

/// Why a connection could not be made ready.
pub(super) fn cause(failure: Failure) -> Cause {
    failure.into()
}
