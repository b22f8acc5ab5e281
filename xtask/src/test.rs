//! `cargo xtask test`: every step under its heading, then a table, then one line that counts.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use crate::{
    command::{Result, is_ci},
    needs::{self, Install, Need},
    steps::{STEPS, Step},
};

/// How a step ended.
enum Ending {
    /// Passed, but for what the text names: it was not looked at.
    Passed(String),
    Failed(String),
    Skipped(String),
}

impl Ending {
    const fn as_str(&self) -> &'static str {
        match self {
            Ending::Passed(_) => "passed",
            Ending::Failed(_) => "failed",
            Ending::Skipped(_) => "skipped",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Ending::Passed(why) | Ending::Failed(why) | Ending::Skipped(why) => why,
        }
    }
}

/// The steps, one per line, for `--help`.
pub(crate) fn list() -> String {
    STEPS.iter().fold(String::new(), |mut text, step| {
        let _ = writeln!(text, "  {:<13} {}", step.name, step.about);
        text
    })
}

/// Runs the steps that `options` asks for. A failed step does not keep the others from running.
pub(crate) fn run(options: &[&str]) -> Result {
    let (steps, install) = parse(options)?;
    let mut wanted: Vec<Need> = Vec::new();
    for need in steps.iter().flat_map(|step| step.needs) {
        if !wanted.contains(need) {
            wanted.push(*need);
        }
    }
    heading("needs", "what the steps need beside Rust");
    let missing = needs::settle(&wanted, install);

    let mut table = String::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for step in steps {
        heading(step.name, step.about);
        let (ending, took) = timed(|| end(step, &missing));
        match ending {
            Ending::Passed(_) => passed += 1,
            Ending::Failed(_) => failed += 1,
            Ending::Skipped(_) => skipped += 1,
        }
        println!("{}: {} in {:.1} s {}", step.name, ending.as_str(), took.as_secs_f64(), ending.reason());
        let _ = writeln!(
            table,
            "  {:<13} {:<8} {:>7.1} s  {}",
            step.name,
            ending.as_str(),
            took.as_secs_f64(),
            ending.reason()
        );
    }
    let counted_skips = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("\n{table}\n{passed} passed, {failed} failed{counted_skips}");
    if failed > 0 { Err(format!("{failed} of the steps failed")) } else { Ok(()) }
}

fn parse(options: &[&str]) -> Result<(Vec<&'static Step>, Install)> {
    let (mut steps, mut install) = (Vec::new(), Install::Ask);
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        match option {
            "--install" => install = Install::Yes,
            "--no-install" => install = Install::No,
            "--only" => {
                let name = rest.next().ok_or("--only wants the name of a step")?;
                let step = STEPS.iter().find(|step| step.name == *name);
                steps.push(
                    step.ok_or_else(|| format!("there is no step `{name}`; the steps are:\n{}", list()))?,
                );
            }
            other => return Err(format!("`{other}` is not an option of test; see `cargo xtask --help`")),
        }
    }
    if steps.is_empty() {
        steps = STEPS.iter().collect();
    }
    Ok((steps, install))
}

fn end(step: &Step, missing: &[Need]) -> Ending {
    let lacking = |required: bool| {
        let lacking =
            step.needs.iter().filter(|need| missing.contains(need) && need.is_required() == required);
        lacking.map(|need| need.name()).collect::<Vec<_>>().join(", ")
    };
    if !lacking(true).is_empty() {
        let why = format!("for want of {}", lacking(true));
        // On the machine whose word counts, what was not looked at is not right.
        return if is_ci() { Ending::Failed(why) } else { Ending::Skipped(why) };
    }
    match (step.run)() {
        Ok(()) if lacking(false).is_empty() => Ending::Passed(String::new()),
        Ok(()) => Ending::Passed(format!("without {}", lacking(false))),
        Err(why) => Ending::Failed(why),
    }
}

/// Does `work`, and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a build tool times its steps on the machine's clock")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    (work(), start.elapsed())
}

fn heading(name: &str, about: &str) {
    println!("\n━━ {name}: {about}");
    // What the steps' own programs write must come after it.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_choose_steps_and_unknown_ones_are_refused() {
        let (steps, install) = parse(&["--only", "format", "--no-install"]).unwrap();
        assert_eq!(steps.iter().map(|step| step.name).collect::<Vec<_>>(), ["format"]);
        assert_eq!(install, Install::No);
        assert_eq!(parse(&[]).unwrap().0.len(), STEPS.len());
        assert!(parse(&["--only", "nonsense"]).err().unwrap().contains("clippy"));
        assert!(parse(&["--fast"]).is_err());
    }

    #[test]
    fn a_step_without_what_it_needs_is_not_run() {
        let step = Step { name: "x", about: "", needs: &[Need::Promtool], run: || panic!("it was run") };
        let ending = end(&step, &[Need::Promtool]);
        assert!(!matches!(ending, Ending::Passed(_)));
        assert_eq!(ending.reason(), "for want of promtool");
    }

    #[test]
    fn a_step_whose_tests_skip_themselves_is_run_and_says_what_was_missing() {
        let step = Step { name: "x", about: "", needs: &[Need::Redis, Need::Valkey], run: || Ok(()) };
        assert_eq!(end(&step, &[Need::Valkey]).reason(), "without valkey");
        assert_eq!(end(&step, &[]).reason(), "");
    }
}
