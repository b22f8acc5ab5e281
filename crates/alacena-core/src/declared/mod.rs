//! What declared reads and writes are made of, whatever their source: typed parameters and templates over them.

mod parameter;
mod template;

pub use parameter::{Parameter, Parameters, Scalar, ScalarKind, TEXT_BYTES_DEFAULT, nearest};
pub use template::{Hole, Piece, Template};
