//! The protocol of Redis: bytes to frames and commands to bytes, without a socket.
//!
//! What is read is RESP3, and RESP2 as the part of it that it is; what is written is arrays of bulk strings, which is
//! all that a client sends.

mod frame;
mod malformed;
mod reader;
mod command;

pub use command::Command;
pub use frame::Frame;
pub use malformed::Malformed;
pub use reader::{Limits, Reader};
