//! The kit's own connection to a server: as much RESP as it takes to ask one thing after the other.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// Whoever changes the rights of the default user must not lock the kit out, so it has a user of its own.
pub(super) const USER: &str = "testkit";
/// Not a secret: whoever can reach the server is on this machine.
pub(super) const PASSWORD: &str = "testkit";
/// After this much silence a server is not busy but stuck, most likely because the test has paused it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status, as `OK`.
    Status(String),
    /// A number.
    Integer(i64),
    /// A value; its bytes are whatever was stored.
    Bulk(Vec<u8>),
    /// No value, or no list.
    Nil,
    /// A list, whose members may be errors.
    Array(Vec<Reply>),
    /// An error: its code, a space, what went wrong.
    Error(String),
}

impl Reply {
    /// A status or a value as text; bytes that are not UTF-8 are replaced.
    ///
    /// # Panics
    ///
    /// If it is neither.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Reply::Status(text) => text.clone(),
            Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?} is not a text"),
        }
    }

    /// A number.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn integer(&self) -> i64 {
        match self {
            Reply::Integer(number) => *number,
            other => panic!("{other:?} is not an integer"),
        }
    }

    /// The members of a list.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn array(&self) -> &[Reply] {
        match self {
            Reply::Array(members) => members,
            other => panic!("{other:?} is not a list"),
        }
    }
}

/// A connection over the server's Unix socket, with every right.
#[derive(Debug)]
pub(super) struct Admin {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    /// How many commands the server has executed for the kit, or before the kit found that it answers.
    own: u64,
}

impl Admin {
    /// Connects, unless the server is not there or does not execute commands yet.
    pub(super) fn connect(socket: PathBuf) -> io::Result<Self> {
        let mut admin = Self { stream: dial(&socket)?, socket, own: 0 };
        admin.log_in()?;
        if let error @ Reply::Error(_) = admin.exchange(&["PING"])? {
            return Err(io::Error::other(format!("{error:?}")));
        }
        let executed = admin.executed()?;
        admin.own = executed + 1;
        Ok(admin)
    }

    /// Sends a command and reads its reply, over a new connection if the old one was closed.
    pub(super) fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Reply> {
        match self.exchange(command) {
            Err(error) if is_closed(&error) => {
                self.stream = dial(&self.socket)?;
                self.log_in()?;
                self.exchange(command)
            }
            answered => answered,
        }
    }

    /// How many commands the server has executed for others.
    pub(super) fn executed_for_others(&mut self) -> io::Result<u64> {
        let before = self.own;
        Ok(self.executed()?.saturating_sub(before))
    }

    fn executed(&mut self) -> io::Result<u64> {
        let info = self.exchange(&["INFO", "stats"])?.text();
        let total = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        total.and_then(|total| total.parse().ok()).ok_or_else(|| io::Error::other("INFO counts no commands"))
    }

    fn log_in(&mut self) -> io::Result<()> {
        match self.exchange(&["AUTH", USER, PASSWORD])? {
            Reply::Error(error) => Err(io::Error::other(error)),
            _ => Ok(()),
        }
    }

    fn exchange<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command.iter().map(AsRef::as_ref) {
            write!(request, "${}\r\n", argument.len())?;
            request.extend([argument, b"\r\n"].concat());
        }
        self.stream.get_mut().write_all(&request)?;
        let reply = self.reply()?;
        // What a server refuses to execute it does not count.
        self.own += u64::from(!matches!(reply, Reply::Error(_)));
        Ok(reply)
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let Some((kind, rest)) = line.strip_suffix("\r\n").and_then(|line| line.split_at_checked(1)) else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
        };
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(number()?),
            "$" | "*" if number()? < 0 => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; usize::try_from(number()?).map_err(io::Error::other)? + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Bulk(bytes)
            }
            "*" => Reply::Array((0..number()?).map(|_| self.reply()).collect::<io::Result<_>>()?),
            _ => return Err(io::Error::other(format!("{line:?} is not a reply of RESP2"))),
        })
    }
}

fn dial(socket: &Path) -> io::Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
