//! What is fuzzed: one function a target. Each takes any bytes, and panics where a promise is broken.
//!
//! They run in three ways: `cargo test -p alacena-fuzz` on the kept corpus and on bytes made up from a seed, with the
//! compiler of everything else; `cargo xtask long fuzz` under libFuzzer; and `cargo fuzz run TARGET INPUT` on an input
//! that a fuzzer has found.

mod answer;
mod cache_control;
mod configuration;
mod decompression;
mod envelope;
mod key;
mod mcp;
mod origin;
mod parameters;
mod record;
mod request;
mod resp;
mod sql;
mod template;
mod tool_result;
mod typed;

pub use answer::answer;
pub use cache_control::cache_control;
pub use configuration::configuration;
pub use decompression::decompression;
pub use envelope::envelope;
pub use key::key;
pub use mcp::mcp;
pub use parameters::parameters;
pub use record::record;
pub use request::request;
pub use resp::resp;
pub use sql::sql;
pub use template::template;
pub use tool_result::tool_result;
pub use typed::typed;

/// A target: what `cargo fuzz run` calls it, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("answer", answer),
    ("cache_control", cache_control),
    ("configuration", configuration),
    ("decompression", decompression),
    ("envelope", envelope),
    ("key", key),
    ("mcp", mcp),
    ("parameters", parameters),
    ("record", record),
    ("request", request),
    ("resp", resp),
    ("sql", sql),
    ("template", template),
    ("tool_result", tool_result),
    ("typed", typed),
];

/// The bytes as text, what is no UTF-8 replaced: most of what we read has been checked for that before.
fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}
