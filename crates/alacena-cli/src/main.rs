//! `alacena`: everything it does is in the library beside this file.

fn main() -> std::process::ExitCode {
    alacena_cli::run()
}
