//! What declared reads and writes are made of, whatever their source: typed parameters, templates over them,
//! and pointers into answers.

mod answer;
mod parameter;
mod pointer;
mod template;

pub use answer::{
    ANSWER_DEPTH_MAX, ANSWER_PLACES_MAX, ANSWER_REQUIRED_MAX, AnswerSchema, JsonType, Mismatch,
};
pub use parameter::{Parameter, Parameters, Scalar, ScalarKind, TEXT_BYTES_DEFAULT, nearest};
pub use pointer::{NotJson, Pointer};
pub use template::{Hole, Piece, Template};
