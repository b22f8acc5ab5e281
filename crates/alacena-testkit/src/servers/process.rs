//! A process of ours that does not outlive us.

use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// A child with a process group of its own, which ends with SIGKILL when this is dropped, and also when the process
/// that holds this is killed.
///
/// The group, because a server forks to save or to feed a replica, and such a fork writes into the server's folder.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Waits for the end of its input, which is the end of ours, then ends the group and removes the folder. In a group
    /// of its own, so that a signal to all of ours does not end it first.
    guard: Child,
    /// It has been waited for, so that its number may be another's.
    is_over: bool,
}

/// Any line but the end means that all is well.
const GUARD: &str = r#"read -r line || { kill -9 "-$1"; rm -rf "$2"; }"#;

impl Process {
    /// Starts `command` in a temporary folder of its own, with nothing to read and its output thrown away.
    ///
    /// # Panics
    ///
    /// If there is no such program.
    pub(super) fn start(command: &mut Command, folder: &Path) -> Self {
        let mut child = spawn(command.current_dir(folder).stdin(Stdio::null()))
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let pid = child.id().to_string();
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard", &pid]).arg(folder);
        match spawn(guard.stdin(Stdio::piped())) {
            Ok(guard) => Self { child, guard, is_over: false },
            Err(error) => {
                end(&mut child);
                panic!("sh, which guards servers: {error}");
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("it is our child, and nobody else waits for it");
        self.is_over |= status.is_some();
        self.is_over
    }

    /// Freezes it (SIGSTOP): it keeps its connections and does nothing.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once (SIGKILL), and returns when the kernel has closed its sockets.
    pub(super) fn kill(&mut self) {
        // The guard first: it must not end whoever has the number next.
        end(&mut self.guard);
        self.signal(Signal::KILL);
        end(&mut self.child);
        self.is_over = true;
    }

    fn signal(&self, signal: Signal) {
        if !self.is_over {
            // An error means that it has just ended, which whoever pauses it will notice.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn end(child: &mut Child) {
    // Both are no-ops on a child that has been waited for; there is nothing to do about any other error.
    let _ = child.kill();
    let _ = child.wait();
}
