//! `alacena completions`.

use clap::CommandFactory;

use crate::{
    args::{Arguments, Completions},
    failure::Failure,
    say,
};

pub(super) fn run(arguments: &Completions) -> Result<(), Failure> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    say::answer(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
