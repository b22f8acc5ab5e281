//! A process of ours that does not outlive us.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// A child that is ended with SIGKILL when this is dropped, and also when the process that holds this is killed.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Waits for the end of its input, which is the end of ours, then ends the child and removes its folder.
    guard: Child,
}

/// Any line but the end means that all is well. Signals that end a test from a terminal must not end its guard first.
const GUARD: &str = r#"trap "" HUP INT TERM; read -r line || { kill -9 "$1"; rm -rf "$2"; }"#;

impl Process {
    /// Starts `command` in a temporary folder of its own, with nothing to read and its output thrown away.
    ///
    /// # Panics
    ///
    /// If there is no such program.
    pub(super) fn start(command: &mut Command, folder: &Path) -> Self {
        let command =
            command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let pid = child.id().to_string();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &pid])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Self { child, guard },
            Err(error) => {
                end(&mut child);
                panic!("sh, which guards servers: {error}");
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has ended by itself.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child, and nobody else waits for it")
    }

    /// Stops its clock, so to speak: it keeps its connections and does nothing (SIGSTOP).
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once (SIGKILL), and returns when the kernel has closed its sockets.
    pub(super) fn kill(&mut self) {
        // The guard first: the number of a child that has been waited for may soon be another's.
        end(&mut self.guard);
        end(&mut self.child);
    }

    fn signal(&self, signal: Signal) {
        // An error means that it has ended, which whoever pauses it will notice.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end(child: &mut Child) {
    // Both are no-ops on a child that has been waited for; there is nothing to do about any other error.
    let _ = child.kill();
    let _ = child.wait();
}
