//! What our connection to Redis promises, whatever the other side does.

mod peer;
mod answers;
mod faults;
mod greeting;
mod line;
mod real;
