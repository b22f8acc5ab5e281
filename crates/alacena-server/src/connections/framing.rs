//! Where the requests of an HTTP/1 connection begin and end.
//!
//! What a request says is read by hyper, from the same bytes. This follows only as much of them as two questions need:
//! is somebody in the middle of a head, and could another reader, a proxy in front of us, see its end elsewhere? The
//! latter is what request smuggling lives on. hyper takes such a head and makes the best of it (RFC 9112, 2.2 and
//! 6.1); here it is flawed, and so is whatever this cannot follow: it is better to refuse than to guess.

use memchr::memchr;

/// As much of a line as is looked at. What matters is shorter, unless somebody pads it.
const KEPT: usize = 64;
/// How every HTTP/2 connection begins, and how many bytes of that follow.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";
const HTTP2_REST: u64 = 8;

/// How far the bytes of a connection have come.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    line: Line,
    head: Head,
    heads: u64,
    flawed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between two requests, or in the empty lines that may stand before one.
    Boundary,
    Head,
    /// So many bytes of a body remain.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk remain, the end of its line included.
    Chunk(u64),
    Trailers,
    /// After a flawed head, or where this cannot follow. The connection is about to end.
    Lost,
    Preface(u64),
    Http2,
}

/// What the head that is arriving says about the body.
#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self { at: At::Boundary, line: Line::new(), head: Head::default(), heads: 0, flawed: false }
    }

    /// Takes note of the next bytes that arrived.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost | At::Http2 => return,
                At::Body(left) => {
                    let (left, rest) = passed(left, bytes);
                    self.at = if left == 0 { At::Boundary } else { At::Body(left) };
                    rest
                }
                At::Chunk(left) => {
                    let (left, rest) = passed(left, bytes);
                    self.at = if left == 0 { At::ChunkSize } else { At::Chunk(left) };
                    rest
                }
                At::Preface(left) => {
                    let (left, rest) = passed(left, bytes);
                    self.at = if left == 0 { At::Http2 } else { At::Preface(left) };
                    rest
                }
                At::Boundary | At::Head | At::ChunkSize | At::Trailers => {
                    let Some(end) = memchr(b'\n', bytes) else { return self.line.take(bytes) };
                    self.line.take(&bytes[..end]);
                    let line = std::mem::replace(&mut self.line, Line::new());
                    self.line_ended(&line);
                    &bytes[end + 1..]
                }
            }
        }
    }

    /// Whether a head has begun and not ended.
    pub(super) fn in_head(&self) -> bool {
        match self.at {
            At::Boundary => self.line.len > 0,
            At::Head | At::Preface(_) | At::Lost => true,
            _ => false,
        }
    }

    /// Heads that have ended.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// The number of the head that must not be answered, counted from one. Those before it are sound.
    pub(super) fn flawed(&self) -> Option<u64> {
        self.flawed.then_some(self.heads)
    }

    /// Whether the connection speaks HTTP/2, which says itself where its requests end.
    pub(super) fn is_http2(&self) -> bool {
        self.at == At::Http2
    }

    fn line_ended(&mut self, line: &Line) {
        let text = line.text();
        match self.at {
            At::Boundary if text.is_empty() && line.crlf() => {}
            At::Boundary if text == HTTP2 && self.heads == 0 => self.at = At::Preface(HTTP2_REST),
            At::Boundary => {
                self.at = At::Head;
                self.flawed |= !line.crlf();
                if text.is_empty() {
                    // An empty line before a request that does not end as lines do.
                    self.lose();
                }
            }
            At::Head => {
                self.flawed |= !line.crlf();
                if text.is_empty() { self.head_ended() } else { self.field(text, line.is_whole()) }
            }
            // Some readers take the line feed alone, and see the end of the body where hyper sees none.
            At::ChunkSize | At::Trailers if !line.crlf() => self.lose(),
            At::ChunkSize => match chunk_size(text) {
                Some(0) => self.at = At::Trailers,
                Some(size) if size < u64::MAX - 2 => self.at = At::Chunk(size + 2),
                _ => self.lose(),
            },
            At::Trailers if text.is_empty() => self.at = At::Boundary,
            _ => {}
        }
    }

    /// One field of a head. Names that hyper does not take for these are no concern: it refuses a head with spaces
    /// around a name.
    fn field(&mut self, text: &[u8], whole: bool) {
        if let Some(value) = value_of(b"content-length:", text) {
            let length = number(value.trim_ascii(), 10).filter(|_| whole && self.head.length.is_none());
            self.flawed |= length.is_none();
            self.head.length = length.or(self.head.length);
        } else if value_of(b"transfer-encoding:", text).is_some() {
            self.head.chunked = true;
        }
    }

    fn head_ended(&mut self) {
        let Head { length, chunked } = std::mem::take(&mut self.head);
        self.flawed |= chunked && length.is_some();
        self.heads += 1;
        self.at = match length {
            _ if self.flawed => At::Lost,
            _ if chunked => At::ChunkSize,
            Some(length) if length > 0 => At::Body(length),
            _ => At::Boundary,
        };
    }

    /// Gives up: no head from here on is sound.
    fn lose(&mut self) {
        self.heads += 1;
        self.flawed = true;
        self.at = At::Lost;
    }
}

/// A line as it arrives.
#[derive(Debug)]
struct Line {
    kept: [u8; KEPT],
    len: usize,
    last: u8,
}

impl Line {
    const fn new() -> Self {
        Self { kept: [0; KEPT], len: 0, last: 0 }
    }

    fn take(&mut self, part: &[u8]) {
        let Some(last) = part.last() else { return };
        self.last = *last;
        if let Some(room) = self.kept.get_mut(self.len..) {
            let more = part.len().min(room.len());
            room[..more].copy_from_slice(&part[..more]);
        }
        self.len += part.len();
    }

    fn crlf(&self) -> bool {
        self.last == b'\r'
    }

    /// Whether all of it is kept.
    fn is_whole(&self) -> bool {
        self.len <= KEPT
    }

    /// Its beginning, without the carriage return.
    fn text(&self) -> &[u8] {
        let end = self.len - usize::from(self.crlf());
        &self.kept[..end.min(KEPT)]
    }
}

/// What remains of `left` after `bytes`, and of `bytes` after `left`.
fn passed(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    (left - here as u64, &bytes[here..])
}

fn value_of<'a>(name: &[u8], text: &'a [u8]) -> Option<&'a [u8]> {
    let (start, value) = text.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

/// What stands before an extension.
fn chunk_size(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
    number(&text[..end], 16)
}

/// The number that these digits are; nothing where they are none, or too many for a length that anybody means.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() < 20 && !text.starts_with('+'))?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests;
