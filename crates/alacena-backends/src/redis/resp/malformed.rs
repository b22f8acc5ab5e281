//! What makes a stream of bytes unusable.

use std::fmt;

/// Why bytes are not the protocol, or more of it than is borne. Where the next frame begins is not known any more: the
/// connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// No type begins with this byte.
    Type(u8),
    /// A value that comes in pieces of unknown number, which no server sends and we do not read.
    Streamed,
    /// A line without its end within the limit.
    LineTooLong,
    /// A line that ends with anything but CR LF, or a CR or LF within one.
    LineEnd,
    /// A length that is none.
    Length,
    /// A number that is none.
    Number,
    /// A boolean or a null that is none.
    Word,
    /// Bytes that are longer than they were said to be.
    BulkEnd,
    /// A text without the format that it begins with.
    Verbatim,
    /// More bytes in one frame than allowed.
    TooLarge,
    /// More values in one frame than allowed.
    TooMany,
    /// Values deeper within each other than allowed.
    TooDeep,
    /// A push inside another value.
    PushWithin,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self {
            Malformed::Type(byte) => return write!(f, "no type begins with byte {byte:#04x}"),
            Malformed::Streamed => "a streamed value",
            Malformed::LineTooLong => "a line longer than allowed",
            Malformed::LineEnd => "a line that does not end with CR LF",
            Malformed::Length => "a length that is none",
            Malformed::Number => "a number that is none",
            Malformed::Word => "a boolean or null that is none",
            Malformed::BulkEnd => "bytes longer than announced",
            Malformed::Verbatim => "a verbatim text without its format",
            Malformed::TooLarge => "a frame of more bytes than allowed",
            Malformed::TooMany => "a frame of more values than allowed",
            Malformed::TooDeep => "values nested deeper than allowed",
            Malformed::PushWithin => "a push inside another value",
        };
        f.write_str(said)
    }
}

impl std::error::Error for Malformed {}
