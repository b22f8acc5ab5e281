//! What a server says when it refuses a command, sorted by what a caller does about it.

use std::{fmt, sync::Arc};

/// A command that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the caller can go by.
    pub reason: RefusalReason,
    /// The code, and what may be shown of the rest: see [`Refusal::new`].
    said: Arc<str>,
}

/// Why a server refuses a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// It loads its data from disk: wait.
    Loading,
    /// It runs a script that does not end: wait, or have it killed.
    Busy,
    /// It is a replica, or has become one: the primary is another server.
    ReadOnly,
    /// It is a replica without its primary, set not to answer meanwhile.
    MasterDown,
    /// Its cluster is not whole.
    ClusterDown,
    /// It has no memory left for what was to be written.
    OutOfMemory,
    /// It takes no writes because it cannot save them, or too few replicas follow it.
    WritesOff,
    /// The connection has to log in first.
    NotLoggedIn,
    /// The user or its password is wrong.
    WrongPassword,
    /// The user has no right to the command or a key.
    NotPermitted,
    /// It does not know the script.
    NoScript,
    /// It does not speak RESP3.
    NoResp3,
    /// The slot is another server's.
    Moved {
        /// Which slot.
        slot: u16,
        /// `host:port` of the server that has it.
        to: Arc<str>,
    },
    /// The slot is on its way to another server: ask there, this once.
    Ask {
        /// Which slot.
        slot: u16,
        /// `host:port` of the server to ask.
        at: Arc<str>,
    },
    /// Part of the slot has moved already: try again.
    TryAgain,
    /// The key holds another type of value.
    WrongType,
    /// It knows no such command, or not with these words.
    Unknown,
    /// Anything else; a script's own codes arrive like this.
    Other,
}

/// Most bytes of what a server says that are shown.
const SHOWN_BYTES_MAX: usize = 160;

impl Refusal {
    /// Sorts the text of an error.
    ///
    /// Of the text of a general error, all from the first quotation mark on is left out: servers quote what was sent
    /// to them there.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let text = within_script(&text);
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        let reason = reason(code, rest);
        let shown = if reason == RefusalReason::NotPermitted { text } else { unquoted(text) };
        let end = shown.floor_char_boundary(SHOWN_BYTES_MAX);
        Self { reason, said: shown[..end].trim_end().into() }
    }

    /// The code: the first word of what the server said. A script's own codes are told apart by it.
    #[must_use]
    pub fn code(&self) -> &str {
        self.said.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Refusal {}

fn reason(code: &str, rest: &str) -> RefusalReason {
    match code {
        "LOADING" => RefusalReason::Loading,
        "BUSY" => RefusalReason::Busy,
        "READONLY" => RefusalReason::ReadOnly,
        "MASTERDOWN" => RefusalReason::MasterDown,
        "CLUSTERDOWN" => RefusalReason::ClusterDown,
        "OOM" => RefusalReason::OutOfMemory,
        "MISCONF" | "NOREPLICAS" => RefusalReason::WritesOff,
        "NOAUTH" => RefusalReason::NotLoggedIn,
        "WRONGPASS" => RefusalReason::WrongPassword,
        "NOPERM" => RefusalReason::NotPermitted,
        "NOSCRIPT" => RefusalReason::NoScript,
        "NOPROTO" => RefusalReason::NoResp3,
        "TRYAGAIN" => RefusalReason::TryAgain,
        "WRONGTYPE" => RefusalReason::WrongType,
        "MOVED" => slot(rest).map_or(RefusalReason::Other, |(slot, to)| RefusalReason::Moved { slot, to }),
        "ASK" => slot(rest).map_or(RefusalReason::Other, |(slot, at)| RefusalReason::Ask { slot, at }),
        // Of a command within a script: Redis 6.2 and 7.0, then Valkey.
        "ERR"
            if ["The user executing the script can't", "ACL failure"]
                .iter()
                .any(|said| rest.contains(said)) =>
        {
            RefusalReason::NotPermitted
        }
        "ERR" if rest.to_ascii_lowercase().starts_with("unknown ") => RefusalReason::Unknown,
        _ => RefusalReason::Other,
    }
}

fn slot(rest: &str) -> Option<(u16, Arc<str>)> {
    let (slot, address) = rest.split_once(' ')?;
    Some((slot.parse().ok()?, address.into()))
}

/// Redis 6.2 wraps what a command within a script is refused with: `ERR Error running script (…): … -OOM command …`.
fn within_script(text: &str) -> &str {
    if !text.starts_with("ERR Error running script") {
        return text;
    }
    let is_code = |rest: &&str| {
        let code = rest.split(' ').next().unwrap_or_default();
        code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    text.match_indices(": -").map(|(at, found)| &text[at + found.len()..]).find(is_code).unwrap_or(text)
}

fn unquoted(text: &str) -> &str {
    text.find(['\'', '`', '"']).map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_that_callers_tell_apart_is_told_apart() {
        let table = [
            ("LOADING Redis is loading the dataset in memory", RefusalReason::Loading),
            ("BUSY Redis is busy running a script.", RefusalReason::Busy),
            ("READONLY You can't write against a read only replica.", RefusalReason::ReadOnly),
            ("MASTERDOWN Link with MASTER is down", RefusalReason::MasterDown),
            ("CLUSTERDOWN The cluster is down", RefusalReason::ClusterDown),
            ("OOM command not allowed when used memory > 'maxmemory'.", RefusalReason::OutOfMemory),
            ("MISCONF Redis is configured to save RDB snapshots", RefusalReason::WritesOff),
            ("NOREPLICAS Not enough good replicas to write.", RefusalReason::WritesOff),
            ("NOAUTH Authentication required.", RefusalReason::NotLoggedIn),
            ("WRONGPASS invalid username-password pair", RefusalReason::WrongPassword),
            ("NOPERM this user has no permissions to run the 'info' command", RefusalReason::NotPermitted),
            (
                "ERR The user executing the script can't run this command or subcommand",
                RefusalReason::NotPermitted,
            ),
            (
                "ERR ACL failure in script: User app has no permissions to run the 'set' command",
                RefusalReason::NotPermitted,
            ),
            ("NOSCRIPT No matching script. Please use EVAL.", RefusalReason::NoScript),
            ("NOPROTO unsupported protocol version", RefusalReason::NoResp3),
            ("MOVED 3999 127.0.0.1:6381", RefusalReason::Moved { slot: 3999, to: "127.0.0.1:6381".into() }),
            ("ASK 3999 [::1]:6381", RefusalReason::Ask { slot: 3999, at: "[::1]:6381".into() }),
            ("MOVED somewhere", RefusalReason::Other),
            ("TRYAGAIN Multiple keys request during rehashing of slot", RefusalReason::TryAgain),
            ("WRONGTYPE Operation against a key", RefusalReason::WrongType),
            ("ERR unknown command 'HELLO', with args beginning with: '3'", RefusalReason::Unknown),
            ("ERR Unknown subcommand or wrong number of arguments", RefusalReason::Unknown),
            ("ERR syntax error", RefusalReason::Other),
            ("WRONGERA", RefusalReason::Other),
            ("", RefusalReason::Other),
        ];
        for (text, reason) in table {
            assert_eq!(Refusal::new(text.as_bytes()).reason, reason, "{text}");
        }
        assert_eq!(Refusal::new(b"WRONGERA 5").code(), "WRONGERA");
    }

    #[test]
    fn what_a_command_in_a_script_was_refused_with_counts_also_where_it_is_wrapped() {
        let text = "ERR Error running script (call to f_0123): @user_script:3: @user_script: 3: -OOM command not \
            allowed when used memory > 'maxmemory'.";
        assert_eq!(Refusal::new(text.as_bytes()).reason, RefusalReason::OutOfMemory);
        let text = "ERR Error running script (call to f_0123): @user_script:3: @user_script: 3: The user executing \
            the script can't run this command or subcommand";
        assert_eq!(Refusal::new(text.as_bytes()).reason, RefusalReason::NotPermitted);
        let text = "ERR Error running script (call to f_0123): @user_script:3: attempt to index a nil value";
        assert_eq!(Refusal::new(text.as_bytes()).reason, RefusalReason::Other);
    }

    #[test]
    fn what_was_sent_is_not_shown() {
        let said = |text: &str| Refusal::new(text.as_bytes()).to_string();
        assert_eq!(
            said("ERR unknown command `GOT`, with args beginning with: `hunter2`, "),
            "ERR unknown command"
        );
        assert_eq!(
            said("NOPERM this user has no permissions to run the 'client|tracking' command"),
            "NOPERM this user has no permissions to run the 'client|tracking' command"
        );
        assert!(said(&format!("ERR {}", "é".repeat(500))).len() <= SHOWN_BYTES_MAX);
    }
}
