//! Where a reply of RESP2 or RESP3 ends, told from any part of the stream at a time, keeping nothing of it.

/// Reads the replies of one connection from its first byte on.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Values that the reply still lacks: nothing is nested here, a list of three only adds three.
    lacking: u64,
    state: State,
    is_push: bool,
    /// A line that says what follows, as far as it has come.
    kind: u8,
    number: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a value.
    #[default]
    Kind,
    /// In a line.
    Line,
    /// In a value of which so many bytes are to come.
    Bulk(u64),
    /// This is not RESP, or a part of it that no server of ours speaks. There are no replies to be told apart.
    Opaque,
}

impl Scanner {
    /// Reads on, at most to the end of a reply: how many of the bytes belong to it, and whether it ends with them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::Opaque => return (bytes.len(), false),
                State::Bulk(left) => {
                    let part = left.min((bytes.len() - at) as u64);
                    self.state = State::Bulk(left - part);
                    usize::try_from(part).expect("it is at most the length of a slice")
                }
                State::Kind => self.begin(bytes[at]),
                State::Line => self.line(bytes[at]),
            };
            if self.state == State::Bulk(0) {
                self.state = State::Kind;
            }
            if self.state == State::Kind && self.lacking == 0 {
                return (at, true);
            }
        }
        (at, false)
    }

    /// Whether the reply that was read last is a push: nobody has asked for it.
    pub(super) const fn is_push(&self) -> bool {
        self.is_push
    }

    /// Whether replies can be told apart.
    pub(super) fn is_opaque(&self) -> bool {
        self.state == State::Opaque
    }

    fn begin(&mut self, kind: u8) -> usize {
        if self.lacking == 0 {
            (self.lacking, self.is_push) = (1, kind == b'>');
        }
        (self.kind, self.number) = (kind, Some(0));
        let is_known = b"+-:_#,($=!*~>%|".contains(&kind);
        self.state = if is_known { State::Line } else { State::Opaque };
        1
    }

    fn line(&mut self, byte: u8) -> usize {
        match byte {
            b'\n' => self.end_line(),
            b'\r' => {}
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                self.number = self.number.and_then(|number| number.checked_mul(10)?.checked_add(digit));
            }
            // Also the minus of "no value", which is followed by nothing.
            _ => self.number = None,
        }
        1
    }

    fn end_line(&mut self) {
        self.state = State::Kind;
        self.lacking -= 1;
        let Some(number) = self.number else { return };
        match self.kind {
            b'$' | b'=' | b'!' => self.state = State::Bulk(number.saturating_add(2)),
            b'*' | b'~' | b'>' => self.lacking = self.lacking.saturating_add(number),
            b'%' => self.lacking = self.lacking.saturating_add(number.saturating_mul(2)),
            // Attributes stand before the value that they are about.
            b'|' => self.lacking = self.lacking.saturating_add(number.saturating_mul(2)).saturating_add(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[&str] = &[
        "+OK\r\n",
        "-ERR 12 things\r\n",
        ":-5\r\n",
        "$0\r\n\r\n",
        "$12\r\nwith\r\nbreaks\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
        "%1\r\n+key\r\n*2\r\n_\r\n#t\r\n",
        ">2\r\n+invalidate\r\n*1\r\n$3\r\nkey\r\n",
        "|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n",
        "=15\r\ntxt:Some string\r\n",
        ",1.5\r\n",
    ];

    #[test]
    fn replies_end_where_they_end_however_they_are_cut() {
        let stream = REPLIES.concat();
        for size in 1..stream.len() {
            let (mut scanner, mut reply, mut found) = (Scanner::default(), String::new(), Vec::new());
            for mut chunk in stream.as_bytes().chunks(size) {
                while !chunk.is_empty() {
                    let (length, ended) = scanner.feed(chunk);
                    reply += std::str::from_utf8(&chunk[..length]).unwrap();
                    chunk = &chunk[length..];
                    if ended {
                        assert_eq!(scanner.is_push(), reply.starts_with('>'));
                        found.push(std::mem::take(&mut reply));
                    }
                }
            }
            assert_eq!(found, REPLIES, "in parts of {size}");
        }
    }

    #[test]
    fn what_is_not_resp_is_opaque_for_good() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.feed(b"+OK\r\n\x16\x03\x01+OK\r\n"), (5, true));
        assert_eq!(scanner.feed(b"\x16\x03\x01+OK\r\n"), (8, false));
        assert!(scanner.is_opaque());
    }
}
