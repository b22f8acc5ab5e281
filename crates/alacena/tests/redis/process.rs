//! A node in a process of its own, for what only `kill -9` shows: this very program, told to run one test that is a node.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use alacena::{Alacena, Ask, SystemRuntime, config::Config, declared::Parameters, ledger::Target};
use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::node::{PATIENCE, PATIENT, configuration};

/// Names the configuration of a node.
const CONFIGURATION: &str = "ALACENA_TEST_NODE";
/// Stands before what a node says to the test; all else is the test runner's.
const SAYS: &str = "node: ";
const BEGUN: &str = "begun";

/// A node that runs until it is killed or dropped.
pub(crate) struct Process {
    folder: TempDir,
    configuration: PathBuf,
    running: Running,
}

struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    /// A node at this Redis that declares these sections, in a folder of its own.
    pub(crate) fn start(url: &str, sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alacena.toml");
        std::fs::write(&path, configuration(folder.path(), url, PATIENT, sections)).unwrap();
        let running = Running::start(&path);
        Self { folder, configuration: path, running }
    }

    /// Gives it something to do.
    pub(crate) fn tell(&mut self, what: &str) {
        writeln!(self.running.input, "{what}").unwrap();
    }

    /// What it has to say.
    pub(crate) fn told(&mut self) -> String {
        loop {
            let line = self.running.lines.recv_timeout(PATIENCE);
            let line =
                line.unwrap_or_else(|why| panic!("it says nothing: {why}; it is in {:?}", self.folder));
            if line != BEGUN {
                return line;
            }
        }
    }

    /// Returns once all of those who ask have begun to.
    pub(crate) fn has_begun(&mut self) {
        assert_eq!(self.running.lines.recv_timeout(PATIENCE).unwrap(), BEGUN);
    }

    /// Returns once it has its server, and what it holds is proved.
    pub(crate) fn is_proved(&mut self) {
        self.tell("prove");
        assert_eq!(self.told(), "proved");
    }

    /// It stands still, and nobody is told (SIGSTOP).
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on, and has noticed nothing (SIGCONT).
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.running.child), signal).unwrap();
    }

    /// Ends it as a failure of the machine does.
    pub(crate) fn kill(&mut self) {
        self.running.child.kill().unwrap();
        self.running.child.wait().unwrap();
    }

    /// Starts it again over what it has left.
    pub(crate) fn start_again(&mut self) {
        self.running = Running::start(&self.configuration);
    }
}

impl Running {
    fn start(configuration: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["process::a_node", "--exact", "--nocapture"]).env(CONFIGURATION, configuration);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (say, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The first one comes behind what the test runner says of the test.
                if let Some((_, said)) = line.split_once(SAYS) {
                    // The test may be over.
                    let _ = say.send(said.to_owned());
                }
            }
        });
        Self { child, input, lines }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What other tests run as a process of its own; nobody else gives it a configuration, and then there is nothing to do.
#[test]
fn a_node() {
    let Some(path) = std::env::var_os(CONFIGURATION) else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let alacena = runtime.block_on(async {
        let config = Config::parse(&text, "alacena.toml", &Default::default()).unwrap();
        Alacena::open(&config, SystemRuntime::shared()).await.unwrap()
    });
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let said = runtime.block_on(obey(&alacena, &line));
        say(&said);
    }
}

async fn obey(alacena: &Alacena, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["prove"] => {
            prove(alacena).await;
            "proved".to_owned()
        }
        ["ask", callers, read, ref given @ ..] => ask(alacena, callers.parse().unwrap(), read, given).await,
        ["stores"] => stores(alacena).to_string(),
        ["invalidate", tag] => {
            let target = Target::Tag(tag.to_owned());
            alacena.invalidate(&[target], "test").await.unwrap().level.as_str().to_owned()
        }
        _ => panic!("`{line}` is nothing that it can do"),
    }
}

/// As many as are told ask at once. How many were answered, with what, and from where, if it is one.
async fn ask(alacena: &Alacena, callers: usize, read: &str, given: &[&str]) -> String {
    let read = alacena.declared_read(read).unwrap();
    let asked = (0..callers).map(|_| {
        let given = given.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        let parameters = Parameters::from_text(&read.parameters, given).unwrap();
        read.ask(parameters, Ask::default())
    });
    let mut asked: Vec<_> = asked.map(Box::pin).collect();
    let begun = asked.iter_mut().map(futures_util::future::poll_immediate);
    let mut answers: Vec<_> = join_all(begun).await.into_iter().flatten().collect();
    say(BEGUN);
    if answers.len() < asked.len() {
        assert!(answers.is_empty(), "nobody can know before anybody has asked");
        answers = join_all(asked).await;
    }
    let answered: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let first = answered[0].value().unwrap();
    assert!(answered.iter().all(|outcome| outcome.value().unwrap().bytes() == first.bytes()));
    let mut said = format!("{callers} {}", String::from_utf8_lossy(first.bytes()));
    if let [outcome] = &answered[..] {
        let _ = write!(said, " {}", outcome.origin().as_str());
    }
    said
}

/// How often it has tried to store something, and has heard what came of it.
fn stores(alacena: &Alacena) -> u64 {
    let figures = alacena.figures();
    let stores = figures.shards[0].steps.iter().find(|step| step.step == "store");
    stores.expect("it is a step of every shard").count()
}

async fn prove(alacena: &Alacena) {
    let proofs = alacena.shared_class::<u64>("proofs", crate::node::policy()).unwrap();
    crate::node::until("a node proves what it holds", async || {
        let got = proofs.get_or_fetch(["proof"], &[], || async { Ok(Some(1)) }).await;
        got.unwrap().origin() == alacena::outcome::Origin::L1
    })
    .await;
}

fn say(what: &str) {
    println!("{SAYS}{what}");
}
