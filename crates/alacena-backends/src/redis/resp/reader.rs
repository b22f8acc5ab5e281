//! Bytes to frames, as they arrive.
//!
//! The reader takes from the buffer whatever it has understood and remembers where it stands in a frame: the lengths
//! that are still open on a stack, the bulk string that is not there yet, how far a line has been searched for its end.
//! So each byte is looked at once, even where each comes alone.
//!
//! ```text
//!                    ┌──────── a length (`*3`): open an aggregate ───────┐
//!                    ▼                                                   │
//!   between values ──┴── a line ──┬── a value (`:1`): place it ──────────┤ until nothing is open: a frame
//!                                 └── a length (`$5`) ── its bytes ── place it
//! ```
//!
//! An error is final: nobody knows where the next frame begins.

use bytes::{Buf, Bytes, BytesMut};

use super::{Frame, Malformed};

/// What one frame may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a frame with all that is in it, so also of one bulk string; 64 MiB by default.
    pub frame_bytes_max: usize,
    /// Values in a frame, all levels together; 1,048,576 by default.
    pub values_max: usize,
    /// Levels of values within values; 8 by default.
    pub depth_max: usize,
    /// Bytes of a line, its end included; 64 KiB by default.
    pub line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 64 * 1024 * 1024,
            values_max: 1024 * 1024,
            depth_max: 8,
            line_bytes_max: 64 * 1024,
        }
    }
}

/// Room that is made for the values of one aggregate before they are there: more has to be sent first.
const FORESEEN_VALUES: usize = 64;

/// The bytes that a line can begin with; the last two belong to streamed values.
const TYPES: &[u8] = b"$*:+-%>#,_(~=!|;.";

/// Reads frames from what arrives on one connection.
///
/// ```
/// use alacena_backends::redis::resp::{Frame, Limits, Reader};
/// use bytes::BytesMut;
///
/// let mut reader = Reader::new(Limits::default());
/// let mut arrived = BytesMut::from("+OK\r\n*2\r\n:1\r\n$3\r\nab");
/// assert!(reader.read(&mut arrived)?.is_some_and(|frame| frame.is_ok()));
/// assert_eq!(reader.read(&mut arrived)?, None);
/// arrived.extend_from_slice(b"c\r\n");
/// let frame = reader.read(&mut arrived)?.expect("it is whole now");
/// assert_eq!(frame.items().map(<[Frame]>::len), Some(2));
/// # Ok::<(), alacena_backends::redis::resp::Malformed>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// How much of the buffer has been searched for the end of a line.
    searched: usize,
    /// The bulk string that has begun.
    bulk: Option<(Bulk, usize)>,
    /// The aggregates that are open, the outermost first.
    open: Vec<Open>,
    /// What the frame may still take.
    bytes_left: usize,
    values_left: usize,
}

#[derive(Clone, Copy, Debug)]
enum Bulk {
    Plain,
    Verbatim,
    Error,
}

#[derive(Debug)]
struct Open {
    kind: Aggregate,
    left: usize,
    values: Vec<Frame>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Aggregate {
    Array,
    Set,
    Map,
    Push,
    Attribute,
}

/// What a line begins.
enum Begun {
    Value(Frame),
    Bulk(Bulk, usize),
    Aggregate(Aggregate, usize),
}

impl Reader {
    /// A reader at the beginning of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (bytes_left, values_left) = (limits.frame_bytes_max, limits.values_max);
        Self { limits, searched: 0, bulk: None, open: Vec::new(), bytes_left, values_left }
    }

    /// The next frame, if all of it is in `buffer`; takes from it what has been understood. Between two calls, bytes
    /// may only be added to it.
    ///
    /// # Errors
    /// Where the bytes are not the protocol or more than is allowed. The reader is of no use after that.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        loop {
            let value = match self.bulk {
                Some((kind, length)) => match take_bulk(kind, length, buffer)? {
                    Some(value) => value,
                    None => return Ok(None),
                },
                None => {
                    let Some(length) = self.find_line(buffer)? else { return Ok(None) };
                    self.spend(length)?;
                    match begin(buffer, length)? {
                        Begun::Value(value) => value,
                        Begun::Bulk(kind, length) => {
                            self.spend(length.checked_add(2).ok_or(Malformed::TooLarge)?)?;
                            self.bulk = Some((kind, length));
                            continue;
                        }
                        Begun::Aggregate(kind, length) => match self.open(kind, length)? {
                            Some(empty) => empty,
                            None => continue,
                        },
                    }
                }
            };
            self.bulk = None;
            if let Some(frame) = self.place(value) {
                (self.bytes_left, self.values_left) = (self.limits.frame_bytes_max, self.limits.values_max);
                return Ok(Some(frame));
            }
        }
    }

    /// How many bytes are missing before [`read`](Reader::read) can get any further with this buffer: at least one.
    #[must_use]
    pub fn missing(&self, buffer: &BytesMut) -> usize {
        self.bulk.map_or(1, |(_, length)| (length + 2).saturating_sub(buffer.len()).max(1))
    }

    /// The length of the line that the buffer begins with, its end included; none if that is not there yet.
    fn find_line(&mut self, buffer: &[u8]) -> Result<Option<usize>, Malformed> {
        match buffer.first() {
            None => return Ok(None),
            // Known at once, since the end of such a line may never come.
            Some(kind) if !TYPES.contains(kind) => return Err(Malformed::Type(*kind)),
            Some(_) => {}
        }
        let within = &buffer[..buffer.len().min(self.limits.line_bytes_max)];
        let Some(found) = memchr::memchr2(b'\r', b'\n', &within[self.searched..]) else {
            if within.len() == self.limits.line_bytes_max {
                return Err(Malformed::LineTooLong);
            }
            self.searched = within.len();
            return Ok(None);
        };
        let end = self.searched + found;
        // A CR that is the last byte so far is found again.
        self.searched = end;
        match within.get(end..end + 2) {
            Some(b"\r\n") => {
                self.searched = 0;
                Ok(Some(end + 2))
            }
            Some(_) => Err(Malformed::LineEnd),
            None if within[end] == b'\n' => Err(Malformed::LineEnd),
            None if within.len() == self.limits.line_bytes_max => Err(Malformed::LineTooLong),
            None => Ok(None),
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Malformed::TooLarge)?;
        Ok(())
    }

    /// Opens an aggregate, or makes it at once where nothing is in it.
    fn open(&mut self, kind: Aggregate, length: usize) -> Result<Option<Frame>, Malformed> {
        let values = match kind {
            Aggregate::Map | Aggregate::Attribute => length.checked_mul(2).ok_or(Malformed::TooMany)?,
            _ => length,
        };
        self.values_left = self.values_left.checked_sub(values).ok_or(Malformed::TooMany)?;
        if kind == Aggregate::Push && !self.open.is_empty() {
            return Err(Malformed::PushWithin);
        }
        if values == 0 {
            return Ok(finish(kind, Vec::new()));
        }
        if self.open.len() == self.limits.depth_max {
            return Err(Malformed::TooDeep);
        }
        self.open.push(Open { kind, left: values, values: Vec::with_capacity(values.min(FORESEEN_VALUES)) });
        Ok(None)
    }

    /// Puts a value into the innermost aggregate, and closes those that it completes. What is whole then is the frame.
    fn place(&mut self, mut value: Frame) -> Option<Frame> {
        loop {
            let Some(innermost) = self.open.last_mut() else { return Some(value) };
            innermost.values.push(value);
            innermost.left -= 1;
            if innermost.left > 0 {
                return None;
            }
            let Open { kind, values, .. } = self.open.pop().expect("it has just been looked at");
            // An attribute is no value: what it belongs to comes next, in the same place.
            value = finish(kind, values)?;
        }
    }
}

/// The frame of an aggregate; none of an attribute.
fn finish(kind: Aggregate, values: Vec<Frame>) -> Option<Frame> {
    match kind {
        Aggregate::Array => Some(Frame::Array(values)),
        Aggregate::Set => Some(Frame::Set(values)),
        Aggregate::Push => Some(Frame::Push(values)),
        Aggregate::Attribute => None,
        Aggregate::Map => {
            let mut pairs = Vec::with_capacity(values.len() / 2);
            let mut values = values.into_iter();
            while let (Some(key), Some(value)) = (values.next(), values.next()) {
                pairs.push((key, value));
            }
            Some(Frame::Map(pairs))
        }
    }
}

/// Takes the line of `length` bytes from the buffer and says what it begins.
fn begin(buffer: &mut BytesMut, length: usize) -> Result<Begun, Malformed> {
    let (kind, rest) = (buffer[0], &buffer[1..length - 2]);
    let begun = match kind {
        b'$' | b'*' if rest == b"-1" => Begun::Value(Frame::Null),
        b'$' | b'=' | b'!' | b'*' | b'~' | b'%' | b'>' | b'|' => {
            let length = number_of_values(rest)?;
            match kind {
                b'$' => Begun::Bulk(Bulk::Plain, length),
                b'=' => Begun::Bulk(Bulk::Verbatim, length),
                b'!' => Begun::Bulk(Bulk::Error, length),
                b'*' => Begun::Aggregate(Aggregate::Array, length),
                b'~' => Begun::Aggregate(Aggregate::Set, length),
                b'%' => Begun::Aggregate(Aggregate::Map, length),
                b'>' => Begun::Aggregate(Aggregate::Push, length),
                _ => Begun::Aggregate(Aggregate::Attribute, length),
            }
        }
        b':' => Begun::Value(Frame::Integer(integer(rest)?)),
        b',' => Begun::Value(Frame::Double(double(rest)?)),
        b'#' => Begun::Value(Frame::Boolean(boolean(rest)?)),
        b'_' if rest.is_empty() => Begun::Value(Frame::Null),
        b'_' => return Err(Malformed::Word),
        b'+' | b'-' | b'(' => {
            if kind == b'(' {
                check_digits(rest.strip_prefix(b"-").or(rest.strip_prefix(b"+")).unwrap_or(rest))?;
            }
            return Ok(Begun::Value(line(kind, buffer, length)));
        }
        _ => return Err(Malformed::Streamed),
    };
    buffer.advance(length);
    Ok(begun)
}

/// A value that is its line.
fn line(kind: u8, buffer: &mut BytesMut, length: usize) -> Frame {
    let line: Bytes = buffer.split_to(length).freeze().slice(1..length - 2);
    match kind {
        b'+' => Frame::Simple(line),
        b'-' => Frame::Error(line),
        _ => Frame::Big(line),
    }
}

fn take_bulk(kind: Bulk, length: usize, buffer: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
    if buffer.len() < length + 2 {
        return Ok(None);
    }
    if &buffer[length..length + 2] != b"\r\n" {
        return Err(Malformed::BulkEnd);
    }
    let mut bytes = buffer.split_to(length).freeze();
    buffer.advance(2);
    Ok(Some(match kind {
        Bulk::Plain => Frame::Bulk(bytes),
        Bulk::Error => Frame::Error(bytes),
        Bulk::Verbatim => match *bytes {
            [a, b, c, b':', ..] => {
                bytes.advance(4);
                Frame::Verbatim([a, b, c], bytes)
            }
            _ => return Err(Malformed::Verbatim),
        },
    }))
}

fn number_of_values(digits: &[u8]) -> Result<usize, Malformed> {
    if digits == b"?" {
        return Err(Malformed::Streamed);
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::Length);
    }
    let next = |sum: usize, digit: &u8| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0'));
    digits.iter().try_fold(0, next).ok_or(Malformed::Length)
}

fn check_digits(digits: &[u8]) -> Result<(), Malformed> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if is_number { Ok(()) } else { Err(Malformed::Number) }
}

fn integer(text: &[u8]) -> Result<i64, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed::Number)?;
    text.parse().map_err(|_| Malformed::Number)
}

fn double(text: &[u8]) -> Result<f64, Malformed> {
    match text {
        b"inf" | b"+inf" => Ok(f64::INFINITY),
        b"-inf" => Ok(f64::NEG_INFINITY),
        b"nan" | b"-nan" => Ok(f64::NAN),
        // Rust reads more words than the protocol has.
        _ if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            Err(Malformed::Number)
        }
        _ => {
            let text = std::str::from_utf8(text).map_err(|_| Malformed::Number)?;
            text.parse().map_err(|_| Malformed::Number)
        }
    }
}

fn boolean(word: &[u8]) -> Result<bool, Malformed> {
    match word {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(Malformed::Word),
    }
}

#[cfg(test)]
mod tests;
