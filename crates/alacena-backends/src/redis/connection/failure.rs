//! Why a call has no answer, and why there is no connection.

use std::{fmt, io::ErrorKind, sync::Arc, time::Duration};

use alacena_core::{
    error::{Error, catalogue},
    tier,
};

use super::{
    super::{
        Address,
        resp::{Frame, Malformed},
    },
    Refusal, RefusalReason,
};

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No connection is up, and nothing was sent. Why, if that is known.
    Down(Option<Cause>),
    /// As much is under way as may be, and nothing was sent.
    Overloaded,
    /// The day has no commands left, and nothing was sent.
    Spent,
    /// No answer came in time. Whether the command was carried out is unknown.
    TimedOut,
    /// The connection was lost before the answer came. Whether the command was carried out is unknown.
    Lost(Cause),
    /// The server refused the command.
    Refused(Refusal),
    /// The connection has been closed on this side.
    Closed,
}

/// Why a connection could not be made, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The name of the host has no address.
    NoAddress,
    /// Nobody could be reached there.
    Unreachable(ErrorKind),
    /// Nobody answered there in time.
    Unanswered,
    /// The TLS handshake failed.
    Tls(Arc<str>),
    /// Whoever answered does not greet as Redis 6 and newer do.
    NotRedis(Arc<str>),
    /// Older than the oldest version that is supported, 6.2.
    TooOld(Arc<str>),
    /// A password is needed, and none is configured.
    PasswordNeeded,
    /// The user or its password is wrong.
    WrongPassword,
    /// The server turned it away, before or during the greeting: too many clients, protected mode, a missing right.
    Refused(Refusal),
    /// The server closed it.
    Ended,
    /// Reading or writing failed.
    Broken(ErrorKind),
    /// The oldest command had no answer for too long.
    Silent,
    /// What came was not the protocol.
    Malformed(Malformed),
    /// An answer came that nothing had been asked for: none can be trusted any more.
    Unasked,
    /// Whoever prepares connections cannot use the server, for this reason.
    Unsuitable(Arc<str>),
    /// It was closed on this side.
    Closed,
}

impl Failure {
    /// What is asked of a connection that has ended fails with.
    pub(super) fn of_end(cause: &Cause) -> Self {
        if *cause == Cause::Closed { Failure::Closed } else { Failure::Down(Some(cause.clone())) }
    }
}

impl Cause {
    /// The cause where `frame` came and nothing had been asked. A server that turns a connection away says so unasked.
    pub(super) fn unasked(frame: &Frame) -> Self {
        match frame {
            Frame::Error(text) => Cause::Refused(Refusal::new(text)),
            _ => Cause::Unasked,
        }
    }
}

impl From<Failure> for Cause {
    /// What a connection is given up for, when it could not be made ready.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Cause::Refused(refusal),
            Failure::Lost(cause) | Failure::Down(Some(cause)) => cause,
            Failure::TimedOut | Failure::Overloaded | Failure::Down(None) => Cause::Silent,
            Failure::Spent => Cause::Unsuitable(SPENT.into()),
            Failure::Closed => Cause::Closed,
        }
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Self {
        Cause::Refused(refusal)
    }
}

const SPENT: &str = "the commands that redis.metered gives to a day are used up";
/// When to ask again what failed because of the moment.
const SOON: Duration = Duration::from_millis(50);
/// When to ask a server again that says itself that it cannot serve for now.
const LATER: Duration = Duration::from_secs(1);

impl Failure {
    /// The failure as everyone else sees it: one of the catalogue, which knows a remedy.
    #[must_use]
    pub fn error(&self, address: &Address) -> Error {
        let error = match self {
            Failure::Down(Some(cause)) | Failure::Lost(cause) => return cause.error(address),
            Failure::Refused(refusal) => return refusal.error(address),
            Failure::Down(None) => {
                Error::new(&catalogue::TIER_UNREACHABLE, "not connected yet").retry_after(SOON)
            }
            Failure::Overloaded => {
                Error::new(&catalogue::TIER_OVERLOADED, "as much is on its way as may be").retry_after(SOON)
            }
            Failure::Spent => Error::new(&catalogue::TIER_SPENT, SPENT),
            Failure::TimedOut => Error::new(&catalogue::TIER_TIMEOUT, "no answer in time").retry_after(SOON),
            Failure::Closed => Error::new(&catalogue::CLOSED, "the connection has been closed"),
        };
        error.with("redis", address)
    }

    /// The failure as the second tier tells it apart.
    #[must_use]
    pub fn of_tier(&self, address: &Address) -> tier::Failure {
        let error = self.error(address);
        match self {
            Failure::Overloaded | Failure::Spent => tier::Failure::Overloaded(error),
            Failure::TimedOut => tier::Failure::TimedOut(error),
            Failure::Lost(Cause::Malformed(_) | Cause::Unasked) => tier::Failure::Garbled(error),
            Failure::Down(Some(Cause::PasswordNeeded | Cause::WrongPassword)) => tier::Failure::Denied(error),
            Failure::Down(Some(Cause::Refused(refusal))) | Failure::Refused(refusal) => {
                refusal.of_tier(error)
            }
            Failure::Down(_) | Failure::Lost(_) | Failure::Closed => tier::Failure::Unavailable(error),
        }
    }
}

impl Cause {
    /// The cause as everyone else sees it: one of the catalogue, which knows a remedy.
    #[must_use]
    pub fn error(&self, address: &Address) -> Error {
        let code = match self {
            Cause::Refused(refusal) => return refusal.error(address),
            Cause::PasswordNeeded | Cause::WrongPassword => &catalogue::TIER_DENIED,
            Cause::TooOld(_) | Cause::NotRedis(_) | Cause::Unsuitable(_) => &catalogue::TIER_UNSUITABLE,
            Cause::Malformed(_) | Cause::Unasked => &catalogue::TIER_GARBLED,
            Cause::Closed => &catalogue::CLOSED,
            _ => {
                let error = Error::new(&catalogue::TIER_UNREACHABLE, self.to_string());
                return error.retry_after(SOON).with("redis", address);
            }
        };
        Error::new(code, self.to_string()).with("redis", address)
    }
}

impl Refusal {
    /// The refusal as everyone else sees it: one of the catalogue, which knows a remedy.
    #[must_use]
    pub fn error(&self, address: &Address) -> Error {
        let (code, again) = match self.reason {
            RefusalReason::NotLoggedIn | RefusalReason::WrongPassword | RefusalReason::NotPermitted => {
                (&catalogue::TIER_DENIED, None)
            }
            RefusalReason::NoResp3 | RefusalReason::Unknown => (&catalogue::TIER_UNSUITABLE, None),
            RefusalReason::OutOfMemory => (&catalogue::TIER_FULL, Some(LATER)),
            RefusalReason::NoScript | RefusalReason::WrongType | RefusalReason::Other => {
                (&catalogue::TIER_REFUSED, None)
            }
            _ => (&catalogue::TIER_REFUSED, Some(LATER)),
        };
        let error = Error::new(code, self.to_string()).with("redis", address);
        again.map_or(error.clone(), |delay| error.retry_after(delay))
    }

    fn of_tier(&self, error: Error) -> tier::Failure {
        match self.reason {
            RefusalReason::OutOfMemory => tier::Failure::OutOfMemory(error),
            RefusalReason::ReadOnly => tier::Failure::OtherEra,
            // Somebody has put something else in the place of one key: that says nothing of the server.
            RefusalReason::WrongType
            | RefusalReason::NotLoggedIn
            | RefusalReason::WrongPassword
            | RefusalReason::NotPermitted => tier::Failure::Denied(error),
            RefusalReason::NoResp3 | RefusalReason::Unknown | RefusalReason::Other => {
                tier::Failure::Garbled(error)
            }
            _ => tier::Failure::Unavailable(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Down(None) => f.write_str("not connected yet"),
            Failure::Down(Some(cause)) => write!(f, "not connected: {cause}"),
            Failure::Overloaded => f.write_str("as many commands or bytes are on their way as may be"),
            Failure::Spent => f.write_str(SPENT),
            Failure::TimedOut => f.write_str("no answer in time"),
            Failure::Lost(cause) => write!(f, "the connection was lost: {cause}"),
            Failure::Refused(refusal) => write!(f, "refused: {refusal}"),
            Failure::Closed => f.write_str("the connection has been closed"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NoAddress => {
                f.write_str("the name of its host has no address: check the name and the resolver")
            }
            Cause::Unreachable(kind) => {
                write!(f, "{kind}: check that it runs, listens there and may be reached")
            }
            Cause::Unanswered => {
                f.write_str("nobody answered in time: check the address and what filters the way to it")
            }
            Cause::Tls(why) => f.write_str(why),
            Cause::NotRedis(said) => {
                write!(f, "it does not speak RESP3, which Redis 6.2 and newer and Valkey do: {said}")
            }
            Cause::TooOld(version) => {
                write!(f, "version {version} is older than 6.2, the oldest that is supported")
            }
            Cause::PasswordNeeded => f.write_str("it wants a password: put user and password into its URL"),
            Cause::WrongPassword => {
                f.write_str("the user or its password is wrong, or the user is switched off")
            }
            Cause::Refused(refusal) => write!(f, "it refused the connection: {refusal}"),
            Cause::Ended => f.write_str("it closed the connection"),
            Cause::Broken(kind) => write!(f, "the connection broke: {kind}"),
            Cause::Silent => f.write_str("it said nothing for too long"),
            Cause::Malformed(malformed) => write!(f, "it sent {malformed}"),
            Cause::Unasked => f.write_str("it answered what nobody had asked"),
            Cause::Unsuitable(why) => f.write_str(why),
            Cause::Closed => f.write_str("it was closed on this side"),
        }
    }
}

impl std::error::Error for Failure {}
impl std::error::Error for Cause {}
