//! Values as bytes, for tiers that hold nothing else.

use bytes::Bytes;

use crate::{envelope::Unreadable, value::Value};

/// Turns the values of one form into bytes and back. The same value is the same bytes on every node.
pub trait Codec: Send + Sync + 'static {
    /// The form as a number: another one wherever the bytes may mean anything else, in a later version of a program, too.
    fn fingerprint(&self) -> [u8; 8];

    /// The value as bytes; `None` where it has none, and stays on its node.
    fn encode(&self, value: &Value) -> Option<Bytes>;

    /// The value of these bytes, with the weight and digest that it had. What becomes of any other bytes is an error,
    /// never a panic, and no more memory than they may stand for.
    ///
    /// # Errors
    /// [`Unreadable::OtherForm`] where they are no value of this form, [`Unreadable::Damaged`] where they contradict
    /// themselves.
    fn decode(&self, bytes: Bytes) -> Result<Value, Unreadable>;
}
