//! The first words on a connection.

use std::time::Duration;

use super::{
    super::{
        Address,
        resp::{Command, Frame},
    },
    Cause, Connection, Failure, RefusalReason,
};

/// The oldest version that is supported.
const OLDEST: (u32, u32) = (6, 2);
/// What the connection is called in `CLIENT LIST`.
const NAME: &str = "alacena";

/// What a server says of itself when it is greeted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// `redis`, `valkey`, or what else speaks its protocol.
    pub server: String,
    /// `7.0.15`.
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// `master` or `replica`.
    pub role: String,
    /// The number of the connection at the server, as `CLIENT TRACKING … REDIRECT` wants it.
    pub id: i64,
}

impl Greeting {
    fn of(frame: &Frame) -> Option<Self> {
        let text = |name| frame.field(name).and_then(Frame::text).unwrap_or_default().to_owned();
        let greeting = Self {
            server: text("server"),
            version: text("version"),
            mode: text("mode"),
            role: text("role"),
            id: frame.field("id").and_then(Frame::integer).unwrap_or_default(),
        };
        (frame.field("proto").and_then(Frame::integer) == Some(3)).then_some(greeting)
    }

    /// Whether the version is old enough to be known as one that is not supported.
    fn is_too_old(&self) -> bool {
        let mut numbers = self.version.split('.').map(str::parse);
        matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < OLDEST)
    }
}

/// Greets the server. One command after the other: a server that is refused a login in a pipeline has been seen to lose
/// a reply.
pub(super) async fn greet(
    connection: &Connection,
    address: &Address,
    within: Duration,
) -> Result<Greeting, Cause> {
    let mut hello = Command::new("HELLO 3");
    if let Some(login) = &address.credentials {
        hello =
            hello.arg("AUTH").arg(login.user.as_deref().unwrap_or("default")).arg(login.password.reveal());
    }
    let hello = hello.arg("SETNAME").arg(NAME);
    let answer = connection.call(&hello, within).await.map_err(not_greeted)?;
    let greeting =
        Greeting::of(&answer).ok_or_else(|| Cause::NotRedis("its greeting is not one of RESP3".into()))?;
    if greeting.is_too_old() {
        return Err(Cause::TooOld(greeting.version.into()));
    }
    if address.database > 0 {
        let select = Command::new("SELECT").number(address.database.into());
        connection.call(&select, within).await?;
    }
    Ok(greeting)
}

fn not_greeted(failure: Failure) -> Cause {
    let Failure::Refused(refusal) = failure else { return failure.into() };
    match refusal.reason {
        RefusalReason::NotLoggedIn => Cause::PasswordNeeded,
        RefusalReason::WrongPassword => Cause::WrongPassword,
        RefusalReason::NoResp3 | RefusalReason::Unknown => Cause::NotRedis(refusal.to_string().into()),
        _ => Cause::Refused(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_the_oldest_are_told_from_later_ones_and_from_none() {
        let is_too_old =
            |version: &str| Greeting { version: version.to_owned(), ..Greeting::default() }.is_too_old();
        assert!(is_too_old("6.0.16") && is_too_old("5.0.3"));
        assert!(!is_too_old("6.2.0") && !is_too_old("7.0.15") && !is_too_old("10.0") && !is_too_old(""));
    }
}
