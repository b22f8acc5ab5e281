//! The only place that writes to the terminal: answers to stdout, everything about them to stderr.

use std::io::{IsTerminal, Write as _};

use serde_json::Value as Json;

/// Prints an answer, or a part of one.
pub(crate) fn answer(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closes the pipe has seen enough.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Prints a JSON document: over many lines for people, on one line for programs.
pub(crate) fn json(document: &Json) {
    answer(&if std::io::stdout().is_terminal() { format!("{document:#}") } else { document.to_string() });
}

/// Tells whoever watches.
pub(crate) fn note(text: &str) {
    // Nobody watching is no failure.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Shows how far something is, in place of what it showed before; nothing where nobody watches. An empty text takes it
/// away.
pub(crate) fn progress(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r\u{1b}[2K{text}").and_then(|()| err.flush());
    }
}

/// `1 read`, `2 reads`.
pub(crate) fn count(number: usize, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}

/// Colours, where they can be seen and are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    /// No colours at all.
    #[cfg(test)]
    pub(crate) const PLAIN: Paint = Paint(false);

    /// For stdout.
    pub(crate) fn stdout() -> Self {
        Self(std::io::stdout().is_terminal() && wanted())
    }

    /// For stderr.
    pub(crate) fn stderr() -> Self {
        Self(std::io::stderr().is_terminal() && wanted())
    }

    /// What stands out.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What can be typed or followed.
    pub(crate) fn command(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// What is said beside.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What went wrong.
    pub(crate) fn wrong(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// What is well.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// <https://no-color.org>: any value but the empty one means no.
fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
