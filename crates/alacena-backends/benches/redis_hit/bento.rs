//! BentoCache over the same server: a process of Node that asks when it is told to.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use alacena_testkit::servers::RedisServer;
use serde_json::Value;

use super::rate::Rate;

/// One of its stores, in a process of its own. It ends with this.
pub(crate) struct Bento {
    process: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Bento {
    /// The store of this name in `benches/bento/hit.mjs`, which lies in `folder` beside what it imports; filled with so many
    /// values of so many bytes.
    pub(crate) fn start(
        node: &Path,
        folder: &Path,
        server: &RedisServer,
        store: &str,
        fill: [u64; 2],
    ) -> Self {
        let mut command = Command::new(node);
        command.arg(folder.join("hit.mjs")).arg(server.address().port().to_string()).arg(store);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.expect("the program is the Node that was installed");
        let tell = process.stdin.take().expect("it is piped");
        let hear = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut bento = Self { process, tell, hear };
        bento.told(&format!("fill {} {}", fill[0], fill[1]));
        bento
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Has so many callers ask for so long. Blocks the thread, which has nothing else to do meanwhile.
    pub(crate) fn ask(&mut self, callers: u64, span: Duration) -> Rate {
        let said = self.told(&format!("ask {callers} {}", span.as_millis()));
        let number = |name: &str| said[name].as_f64().expect("a number");
        Rate {
            answers: number("calls") as u64,
            took: Duration::from_secs_f64(number("millis") / 1e3),
            ..Rate::default()
        }
    }

    fn told(&mut self, line: &str) -> Value {
        writeln!(self.tell, "{line}").expect("it listens");
        let mut said = String::new();
        self.hear.read_line(&mut said).expect("it answers");
        serde_json::from_str(&said).expect("its own error stands above")
    }
}

impl Drop for Bento {
    fn drop(&mut self) {
        // An error: it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
