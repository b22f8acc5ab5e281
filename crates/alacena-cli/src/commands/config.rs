//! `alacena config`.

use alacena::{
    config::{self, Config, Explained},
    declared::nearest,
    error::{Error, catalogue},
};
use serde_json::{Value as Json, json};

use crate::{
    args::{self, ConfigExplain, ConfigWhat},
    failure::Failure,
    locate,
    say::{self, Paint},
};

/// How far values reach to the right before their origins do not stand in one column any more.
const COLUMN_MAX: usize = 60;

pub(super) fn run(arguments: args::Config) -> Result<(), Failure> {
    match arguments.what {
        ConfigWhat::Explain(arguments) => explain(&arguments),
        ConfigWhat::Schema(_) => {
            say::answer(&format!("{:#}", config::json_schema()));
            Ok(())
        }
    }
}

pub(super) fn answers_json(arguments: &args::Config) -> bool {
    match &arguments.what {
        ConfigWhat::Explain(arguments) => arguments.output.json,
        ConfigWhat::Schema(_) => true,
    }
}

fn explain(arguments: &ConfigExplain) -> Result<(), Failure> {
    let file = locate::file_required(&arguments.config)?;
    let values = Config::explain(&locate::layers(&file, arguments.listen))?;
    let values = match &arguments.path {
        Some(path) => under(path, values)?,
        None => values,
    };
    if arguments.output.json {
        let values: Vec<_> = values.iter().map(described).collect();
        say::json(&json!({ "file": file.display().to_string(), "values": values }));
    } else {
        say::answer(&in_words(&values, Paint::stdout()));
    }
    Ok(())
}

/// The values at a path and below it.
fn under(path: &str, values: Vec<Explained>) -> Result<Vec<Explained>, Error> {
    let path = path.trim_matches(['.', '[', ']']);
    let (found, others): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| leads_to(path, &value.path));
    if found.is_empty() { Err(nowhere(path, &others)) } else { Ok(found) }
}

fn leads_to(path: &str, whole: &str) -> bool {
    whole.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Says which path may have been meant, and what there is as far as the path is right.
fn nowhere(path: &str, values: &[Explained]) -> Error {
    let right = path
        .match_indices('.')
        .map(|(at, _)| &path[..at])
        .rfind(|begin| values.iter().any(|value| leads_to(begin, &value.path)))
        .unwrap_or_default();
    let from = if right.is_empty() { 0 } else { right.len() + 1 };
    let mut names: Vec<&str> = Vec::new();
    for value in values.iter().filter(|value| right.is_empty() || leads_to(right, &value.path)) {
        let name = value.path.get(from..).and_then(|rest| rest.split('.').next()).unwrap_or_default();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    let missed = path.get(from..).and_then(|rest| rest.split('.').next()).unwrap_or_default();
    let hint = match nearest(missed, names.iter().copied()) {
        Some(near) => format!("did you mean `{}{near}`?", &path[..from]),
        None if right.is_empty() => format!("there is: {}", names.join(", ")),
        None => format!("`{right}` has: {}", names.join(", ")),
    };
    Error::new(&catalogue::NOT_DECLARED, format!("no value is at `{path}`; {hint}"))
}

fn in_words(values: &[Explained], paint: Paint) -> String {
    let lines: Vec<_> = values
        .iter()
        .map(|value| {
            let shown = value.value.as_ref().map_or_else(|| "[hidden]".to_owned(), Json::to_string);
            (format!("{} = {shown}", value.path), value.origin.to_string())
        })
        .collect();
    let width = |line: &str| line.chars().count();
    let column = lines.iter().map(|(line, _)| width(line)).filter(|width| *width <= COLUMN_MAX).max();
    let lines = lines.iter().map(|(line, origin)| {
        let room = " ".repeat(column.unwrap_or(0).saturating_sub(width(line)));
        format!("{line}{room}  {}", paint.faint(&format!("# {origin}")))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn described(value: &Explained) -> Json {
    let (file, line, column) = value.origin.place();
    json!({
        "path": value.path,
        "value": value.value,
        "hidden": value.value.is_none(),
        "origin": value.origin.to_string(),
        "file": file,
        "line": line,
        "column": column,
    })
}
