//! Values that stand elsewhere: `${NAME}` in the environment, `file:path` on disk.

use std::{collections::BTreeMap, fs, path::Path};

/// Largest file that a secret is read from, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a value that stands elsewhere cannot be had: what is wrong, and what to do.
pub(super) type Missing = (String, String);

/// Puts the environment's values where `text` names them. `$${` stands for `${` itself. With `escape_braces` the
/// values are protected from being read as templates.
pub(super) fn substitute(
    text: &str,
    environment: &BTreeMap<String, String>,
    escape_braces: bool,
) -> Result<String, Vec<Missing>> {
    let mut whole = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            whole.push_str(&rest[..at]);
            whole.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        whole.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            missing.push((
                "`${` is never closed".to_owned(),
                "Write `${NAME}`; `$${` stands for the characters themselves.".to_owned(),
            ));
            return Err(missing);
        };
        let name = &rest[at + 2..at + end];
        rest = &rest[at + end + 1..];
        if !is_name(name) {
            missing.push((
                "`${…}` does not hold a name of the environment".to_owned(),
                "Names are letters, digits and `_`; `$${` stands for the characters themselves.".to_owned(),
            ));
            continue;
        }
        match environment.get(name).filter(|value| !value.is_empty()) {
            Some(value) if escape_braces => whole.push_str(&value.replace('{', "{{").replace('}', "}}")),
            Some(value) => whole.push_str(value),
            None => missing.push((
                format!("the environment has no `{name}`"),
                format!("Set {name} to a value before starting Alacena."),
            )),
        }
    }
    whole.push_str(rest);
    if missing.is_empty() { Ok(whole) } else { Err(missing) }
}

/// The text of the file that holds a secret, without the newline at its end. Relative to `folder`.
pub(super) fn read(file: &str, folder: &Path) -> Result<String, Missing> {
    let path = folder.join(file);
    let metadata = fs::metadata(&path).map_err(|error| {
        ("its file cannot be read".to_owned(), format!("Check the path: {}.", error.kind()))
    })?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        let message = format!("its file is not a file of at most {FILE_BYTES_MAX} bytes");
        return Err((message, "Name a file that holds the secret and nothing else.".to_owned()));
    }
    if is_world_readable(&metadata) {
        let remedy =
            "Take the right to read it from others: chmod o-rwx, and run Alacena as its owner or group.";
        return Err(("its file can be read by everybody on this machine".to_owned(), remedy.to_owned()));
    }
    let text = fs::read_to_string(&path).map_err(|error| {
        (
            "its file cannot be read as text".to_owned(),
            format!("Check its rights and that it is UTF-8: {}.", error.kind()),
        )
    })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(("its file is empty".to_owned(), "Write the secret into it.".to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(unix)]
fn is_world_readable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_world_readable(_: &fs::Metadata) -> bool {
    false
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_key(text: &str) -> Result<String, Vec<Missing>> {
        let environment = BTreeMap::from([("KEY".to_owned(), "a{b}".to_owned())]);
        substitute(text, &environment, false)
    }

    #[test]
    fn names_of_the_environment_are_replaced() {
        assert_eq!(with_key("Bearer ${KEY}!").unwrap(), "Bearer a{b}!");
        assert_eq!(with_key("$${KEY} $ {KEY} $$").unwrap(), "${KEY} $ {KEY} $$");
        assert_eq!(with_key("$${KEY}${KEY}").unwrap(), "${KEY}a{b}");
    }

    #[test]
    fn braces_of_a_value_are_no_holes() {
        let environment = BTreeMap::from([("KEY".to_owned(), "a{b}".to_owned())]);
        assert_eq!(substitute("/{id}/${KEY}", &environment, true).unwrap(), "/{id}/a{{b}}");
    }

    #[test]
    fn every_missing_name_is_told() {
        let missing = with_key("${A}${KEY}${B}").unwrap_err();
        let told: Vec<_> = missing.iter().map(|(message, _)| message.as_str()).collect();
        assert_eq!(told, ["the environment has no `A`", "the environment has no `B`"]);
        assert!(with_key("${A").unwrap_err()[0].0.contains("never closed"));
        assert!(with_key("${A B}").unwrap_err()[0].0.contains("does not hold a name"));
    }
}
