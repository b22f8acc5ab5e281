//! Other programs: finding them, running them in the open, reading what they say.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a step answers; the error is a sentence for the person who runs it.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the checkout")
}

/// Where builds go.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Whether this is continuous integration: warnings deny, nobody is asked, a skip fails.
pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Cargo, in the root of the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    if is_ci() && env::var_os("CARGO_INCREMENTAL").is_none() {
        // A machine that builds once gains nothing from incremental files but a fuller disk.
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    cargo
}

/// Builds everything that the tests have built already, and therefore nothing, most of the time. Any narrower choice of
/// packages would give dependencies other features, and build them again.
pub(crate) fn build_all() -> Result {
    run(&mut cargo(&["build", "--locked", "--workspace", "--all-targets"]))
}

/// Any program, in the root of the checkout.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Runs a command with its output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result {
    println!("$ {}", Shown(command));
    let status =
        command.status().map_err(|error| format!("`{}` cannot be started: {error}", Shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", Shown(command))) }
}

/// Runs a command and answers what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{}` cannot be started: {error}", Shown(command)))?;
    if !output.status.success() {
        return Err(format!("`{}` ended with {}", Shown(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` did not answer in UTF-8", Shown(command)))
}

/// Whether a command exists and ends well; what it says is not shown.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command as one would type it.
struct Shown<'a>(&'a Command);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Path::new(self.0.get_program()).file_name().unwrap_or_default();
        f.write_str(&name.to_string_lossy())?;
        self.0.get_args().try_for_each(|argument| write!(f, " {}", argument.to_string_lossy()))
    }
}
