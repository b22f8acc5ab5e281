//! One connection that asks one question over and over: HTTP/1.1 and no more than that takes, so that what is measured
//! is the server.

use std::io::{self, ErrorKind};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What is read at once.
const READ_BYTES: usize = 32 * 1024;

/// What is asked, and where.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// `host:port`.
    pub(crate) authority: String,
    /// The whole request. It may hold a token.
    pub(crate) request: Vec<u8>,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether the cache had it.
    pub(super) hit: bool,
    /// Whether the server closes the connection after it.
    closes: bool,
    body_bytes: usize,
}

/// A connection, open or not yet.
pub(super) struct Connection {
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { stream: None, buffer: vec![0; READ_BYTES] }
    }

    /// Opens it where it is not open.
    pub(super) async fn open(&mut self, question: &Question) -> io::Result<&mut TcpStream> {
        match &mut self.stream {
            Some(_) => {}
            none => {
                let stream = TcpStream::connect(&question.authority).await?;
                stream.set_nodelay(true)?;
                *none = Some(stream);
            }
        }
        Ok(self.stream.as_mut().expect("it has just been opened"))
    }

    /// Asks, and reads the answer to its end. After an error the next one asks on a connection of its own.
    pub(super) async fn ask(&mut self, question: &Question) -> io::Result<Answer> {
        let asked = self.exchange(question).await;
        if asked.as_ref().map_or(true, |answer| answer.closes) {
            self.stream = None;
        }
        asked
    }

    async fn exchange(&mut self, question: &Question) -> io::Result<Answer> {
        self.open(question).await?.write_all(&question.request).await?;
        let mut filled = 0;
        let (head_bytes, answer) = loop {
            filled += self.read(filled).await?;
            if let Some(end) = find_end(&self.buffer[..filled]) {
                break (end, read_head(&self.buffer[..end])?);
            }
            if filled == HEAD_BYTES_MAX {
                return Err(malformed("its head has no end"));
            }
            if filled == self.buffer.len() {
                self.buffer.resize((filled * 2).min(HEAD_BYTES_MAX), 0);
            }
        };
        let mut left = (head_bytes + answer.body_bytes)
            .checked_sub(filled)
            .ok_or_else(|| malformed("it is longer than it says"))?;
        while left > 0 {
            left = left
                .checked_sub(self.read(0).await?)
                .ok_or_else(|| malformed("it is longer than it says"))?;
        }
        Ok(answer)
    }

    async fn read(&mut self, from: usize) -> io::Result<usize> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        match stream.read(&mut self.buffer[from..]).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// Where the head ends, behind its empty line.
fn find_end(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

fn read_head(head: &[u8]) -> io::Result<Answer> {
    let head = std::str::from_utf8(head).map_err(|_| malformed("its head is no text"))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| malformed("it does not begin like one"))?;
    let mut answer = Answer { status, hit: false, closes: false, body_bytes: 0 };
    let mut has_length = matches!(status, 204 | 304);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            answer.body_bytes = value.parse().map_err(|_| malformed("its length is no number"))?;
            has_length = true;
        } else if name.eq_ignore_ascii_case("cache-status") {
            answer.hit |= value.contains("; hit");
        } else if name.eq_ignore_ascii_case("connection") {
            answer.closes |= value.eq_ignore_ascii_case("close");
        }
    }
    if has_length { Ok(answer) } else { Err(malformed("it does not say how long it is")) }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("that is no answer of Alacena: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_length_and_what_the_cache_did() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nCache-Status: Alacena; hit; ttl=3\r\nConnection: close\r\n\r\n";
        assert_eq!(find_end(head), Some(head.len()));
        assert_eq!(find_end(&head[..head.len() - 1]), None);
        let answer = read_head(head).unwrap();
        assert_eq!(answer, Answer { status: 200, hit: true, closes: true, body_bytes: 12 });
        let forwarded =
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ncache-status: Alacena; fwd=bypass\r\n\r\n";
        assert_eq!(read_head(forwarded).unwrap().status, 404);
        assert!(!read_head(forwarded).unwrap().hit);
        for wrong in
            ["HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
        {
            assert!(read_head(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
