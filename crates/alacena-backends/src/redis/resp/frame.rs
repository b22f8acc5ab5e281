//! One value of the protocol.

use bytes::Bytes;

/// One value as the server sent it.
///
/// Its bytes are slices of what was read from the socket and keep that whole piece of memory alive: copy out what is
/// kept for longer than it takes to look at it. Attributes have been left out: they say something about a value to
/// those who asked for it, and we never do.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Nothing: RESP3's null, and the null string and the null array of RESP2.
    Null,
    /// A short line: `OK`, `PONG`.
    Simple(Bytes),
    /// What the server refused with, its code first: `WRONGTYPE Operation against …`.
    Error(Bytes),
    /// A whole number.
    Integer(i64),
    /// A number; infinite and not-a-number included.
    Double(f64),
    /// Yes or no.
    Boolean(bool),
    /// A whole number of any size, as its digits.
    Big(Bytes),
    /// Bytes.
    Bulk(Bytes),
    /// Text with the three letters that say of what format it is: `txt`, `mkd`.
    Verbatim([u8; 3], Bytes),
    /// Values in order.
    Array(Vec<Frame>),
    /// Values without an order.
    Set(Vec<Frame>),
    /// Pairs, in the order in which they came.
    Map(Vec<(Frame, Frame)>),
    /// What the server says without having been asked: its kind, then what belongs to it.
    Push(Vec<Frame>),
}

impl Frame {
    /// The bytes of a text of any kind: simple, bulk, verbatim or a big number; none of anything else.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Frame::Simple(bytes) | Frame::Big(bytes) | Frame::Bulk(bytes) | Frame::Verbatim(_, bytes) => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// The bytes of a text of any kind, to keep; none of anything else.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Frame::Simple(bytes) | Frame::Big(bytes) | Frame::Bulk(bytes) | Frame::Verbatim(_, bytes) => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// A text of any kind; none of anything else, nor of what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A whole number, also one that came as text, as scripts and `TIME` give them.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Frame::Integer(number) => Some(*number),
            _ => self.text()?.parse().ok(),
        }
    }

    /// The values of an array, a set or a push; none of anything else.
    #[must_use]
    pub fn items(&self) -> Option<&[Frame]> {
        match self {
            Frame::Array(items) | Frame::Set(items) | Frame::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The values of an array, a set or a push, to keep; none of anything else.
    #[must_use]
    pub fn into_items(self) -> Option<Vec<Frame>> {
        match self {
            Frame::Array(items) | Frame::Set(items) | Frame::Push(items) => Some(items),
            _ => None,
        }
    }

    /// What stands under `name` in a map, or in an array of names and values, which is RESP2's way to write one.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Frame> {
        let is_name = |frame: &Frame| frame.bytes().is_some_and(|bytes| bytes == name.as_bytes());
        match self {
            Frame::Map(pairs) => pairs.iter().find(|(key, _)| is_name(key)).map(|(_, value)| value),
            Frame::Array(items) => items.chunks_exact(2).find(|pair| is_name(&pair[0])).map(|pair| &pair[1]),
            _ => None,
        }
    }

    /// Whether this is the short line `OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Frame::Simple(line) if line == "OK")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &'static str) -> Frame {
        Frame::Bulk(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_field_is_found_in_a_map_of_either_protocol() {
        let map = Frame::Map(vec![(bulk("a"), Frame::Integer(1)), (bulk("b"), Frame::Null)]);
        let flat = Frame::Array(vec![bulk("a"), Frame::Integer(1), bulk("b"), Frame::Null]);
        for frame in [map, flat] {
            assert_eq!(frame.field("a"), Some(&Frame::Integer(1)));
            assert_eq!(frame.field("b"), Some(&Frame::Null));
            assert_eq!(frame.field("c"), None);
        }
        assert_eq!(bulk("a").field("a"), None);
    }

    #[test]
    fn numbers_are_read_from_text_and_only_from_whole_ones() {
        assert_eq!(bulk("-12").integer(), Some(-12));
        assert_eq!(Frame::Integer(7).integer(), Some(7));
        assert_eq!(bulk("1.5").integer(), None);
        assert_eq!(Frame::Double(1.0).integer(), None);
    }
}
