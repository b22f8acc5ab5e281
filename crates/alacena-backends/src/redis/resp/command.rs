//! One command on its way to the server.

use std::fmt;

use super::super::script::Script;

/// One command with its arguments, encoded as they are added.
///
/// Its `Debug` shows the first word and how much follows, never an argument.
///
/// ```
/// use alacena_backends::redis::resp::Command;
///
/// let set = Command::new("SET").arg("key").arg([0_u8, 1, 2]).arg("PX").number(5_000);
/// assert_eq!(format!("{set:?}"), "SET and 4 more (45 bytes)");
/// ```
#[derive(Clone)]
pub struct Command {
    words: u32,
    /// The words as bulk strings; how many there are is written before them when they are sent.
    encoded: Vec<u8>,
    /// What to load where the server answers that it does not know it.
    script: Option<Script>,
}

impl Command {
    /// A command that begins with `words`, which spaces separate: `CLIENT TRACKING ON`. They are not to come from
    /// outside; what does is an argument.
    ///
    /// # Panics
    /// If there is no word.
    #[must_use]
    pub fn new(words: &str) -> Self {
        let command = Self { words: 0, encoded: Vec::with_capacity(96), script: None };
        let command = words.split_ascii_whitespace().fold(command, Command::arg);
        assert!(command.words > 0, "a command has a name");
        command
    }

    pub(in crate::redis) fn of_script(script: Script) -> Self {
        let command = Self::new("EVALSHA").arg(script.sha1());
        Self { script: Some(script), ..command }
    }

    pub(in crate::redis) fn script(&self) -> Option<&Script> {
        self.script.as_ref()
    }

    /// Adds an argument, whatever its bytes are.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        let argument = argument.as_ref();
        self.encoded.reserve(argument.len() + 16);
        put_length(&mut self.encoded, b'$', argument.len() as u64);
        self.encoded.extend_from_slice(argument);
        self.encoded.extend_from_slice(b"\r\n");
        self.words += 1;
        self
    }

    /// Adds a whole number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        let mut digits = [0; 20];
        let from = write_digits(number, &mut digits);
        self.arg(&digits[from..])
    }

    /// Adds each of `arguments`.
    #[must_use]
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        arguments.into_iter().fold(self, Command::arg)
    }

    /// Whether it is answered by a push, if not by an error.
    pub(in crate::redis) fn is_subscription(&self) -> bool {
        self.encoded.starts_with(b"$9\r\nSUBSCRIBE\r\n")
    }

    /// How many bytes [`write`](Command::write) adds at most.
    pub(in crate::redis) fn bytes_max(&self) -> usize {
        self.encoded.len() + 16
    }

    /// Adds the command to what is to be sent.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        put_length(buffer, b'*', u64::from(self.words));
        buffer.extend_from_slice(&self.encoded);
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.encoded.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = self.encoded[start..].iter().position(|byte| *byte == b'\r').unwrap_or(0);
        let name = String::from_utf8_lossy(&self.encoded[start..start + end]);
        write!(f, "{name} and {} more ({} bytes)", self.words - 1, self.encoded.len())
    }
}

fn put_length(buffer: &mut Vec<u8>, kind: u8, length: u64) {
    let mut digits = [0; 20];
    let from = write_digits(length, &mut digits);
    buffer.push(kind);
    buffer.extend_from_slice(&digits[from..]);
    buffer.extend_from_slice(b"\r\n");
}

/// Writes the decimal digits to the end of `digits` and says where they begin.
fn write_digits(mut number: u64, digits: &mut [u8; 20]) -> usize {
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(command: &Command) -> Vec<u8> {
        let mut buffer = Vec::new();
        command.write(&mut buffer);
        assert!(buffer.len() <= command.bytes_max());
        buffer
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings_whatever_its_arguments_hold() {
        let command = Command::new("CLIENT SETINFO").arg("a b\r\n$").arg("").number(u64::MAX).number(0);
        assert_eq!(
            written(&command),
            b"*6\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$6\r\na b\r\n$\r\n$0\r\n\r\n$20\r\n18446744073709551615\r\n$1\r\n0\r\n"
        );
    }

    #[test]
    fn the_debug_of_a_command_shows_no_argument() {
        let command = Command::new("AUTH").arg("user").arg("hunter2");
        assert_eq!(format!("{command:?}"), "AUTH and 2 more (33 bytes)");
    }
}
