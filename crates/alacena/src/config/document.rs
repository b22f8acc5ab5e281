//! TOML text → tree, with the line and column of everything.
//!
//! A name that is given twice is told with both places and does not keep the rest from being checked. Any other
//! mistake of syntax ends it here: what a broken text means is anybody's guess.

use std::{collections::HashSet, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Origin,
    problem::Problem,
    tree::{Entry, Node, Table, Value},
};

/// Largest configuration, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most mistakes of syntax that are told: later ones are often echoes of the first.
const SYNTAX_PROBLEMS_MAX: usize = 5;
/// Most duplicates whose first place is looked for.
const DUPLICATES_MAX: usize = 20;
/// How the parser calls a name that is given twice.
const DUPLICATE: &str = "duplicate key";

/// Reads `text`, which is called `name`. `None`: the text is no TOML, and the problems say where.
pub(super) fn parse(name: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Table> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("has more than {TEXT_BYTES_MAX} bytes");
        problems.push(Problem::new(
            &Origin::whole(name),
            "",
            message,
            "Split it: a configuration names what is asked, it does not hold data.",
        ));
        return None;
    }
    let lines = Lines::of(name, text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    let (duplicates, broken): (Vec<_>, Vec<_>) =
        errors.iter().partition(|error| error.message().starts_with(DUPLICATE));
    let mut told = HashSet::new();
    for error in broken.iter().take(SYNTAX_PROBLEMS_MAX) {
        let at = error.span().unwrap_or(0..0);
        let origin = lines.origin(at.start);
        if told.insert(lines.line(at.start)) {
            let remedy = hint(error.message(), text, &at);
            problems.push(Problem::new(&origin, "", format!("not TOML: {}", error.message()), remedy));
        }
    }
    for span in duplicates.iter().take(DUPLICATES_MAX).filter_map(|error| error.span()) {
        problems.push(duplicate(&lines, text, span));
    }
    broken.is_empty().then(|| table(&lines, tree.into_inner()))
}

fn duplicate(lines: &Lines<'_>, text: &str, span: Range<usize>) -> Problem {
    let name = text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    let (path, first) = first_place(text, &span).unwrap_or_default();
    let path = if path.is_empty() { name.to_owned() } else { path };
    let message = match first {
        Some(at) => format!("given twice; first on line {}", lines.line(at)),
        None => "given twice".to_owned(),
    };
    let origin = lines.origin(span.start);
    Problem::new(&origin, &path, message, "Remove one of them, or give it another name.")
}

/// The path of the key at `span` and where the same path is given first.
///
/// The parser does not tell either, so the text is parsed once more with a name of its own in the second place: there
/// the path is found, and beside it the first.
fn first_place(text: &str, span: &Range<usize>) -> Option<(String, Option<usize>)> {
    const OWN: &str = "alacena-second-place";
    let name = text.get(span.clone())?.trim_matches(['"', '\'']);
    let renamed = format!("{}{OWN}{}", text.get(..span.start)?, text.get(span.end..)?);
    let (tree, _) = DeTable::parse_recoverable(&renamed);
    let (mut path, first) = find(tree.get_ref(), OWN, name)?;
    path.push(name);
    Some((path.join("."), first))
}

/// Where `own` stands below `table`: the keys above it, and the place of its sibling `name`.
fn find<'a>(table: &'a DeTable<'_>, own: &str, name: &str) -> Option<(Vec<&'a str>, Option<usize>)> {
    if table.keys().any(|key| key.get_ref() == own) {
        let first = table.keys().find(|key| key.get_ref() == name).map(|key| key.span().start);
        return Some((Vec::new(), first));
    }
    table.iter().find_map(|(key, value)| {
        let (mut path, first) = find(value.get_ref().as_table()?, own, name)?;
        path.insert(0, key.get_ref());
        Some((path, first))
    })
}

/// What to do about a mistake of syntax.
fn hint(message: &str, text: &str, at: &Range<usize>) -> String {
    let message = message.to_ascii_lowercase();
    let found = text.get(at.start..).and_then(|rest| rest.chars().next());
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let hint = if says(&["must be quoted", "invalid value"]) {
        "Put text in quotes: name = \"text\". Durations and sizes are text, too."
    } else if says(&["basic string", "literal string"]) {
        "Close the quotes on the same line; three of them (\"\"\") hold several lines."
    } else if says(&["unclosed table", "unclosed array table"]) {
        "Close the name of the section: [classes.jobs]."
    } else if says(&["array"]) {
        "Separate what a list holds by commas and close it: [\"a\", \"b\"]."
    } else if says(&["inline table", "comma"]) {
        "Separate what an inline table holds by commas and close it: { type = \"integer\", default = 0 }."
    } else if says(&["unquoted key"]) {
        "Names hold letters, digits, - and _; put any other name in quotes."
    } else if says(&["key with no value", "missing assignment", "missing value", "extra `=`"]) {
        "Write name = value, one on each line."
    } else if says(&["escape"]) || found == Some('\\') {
        "Double the backslash, or put the text in single quotes, where it stands for itself."
    } else {
        "Write name = value, one on each line, below the [section] it belongs to."
    };
    hint.to_owned()
}

fn table(lines: &Lines<'_>, table: DeTable<'_>) -> Table {
    let mut entries: Vec<(usize, Entry)> = table
        .into_iter()
        .map(|(key, value)| {
            let at = key.span().start;
            let origin = lines.origin(at);
            (at, Entry { key: key.into_inner().into_owned(), node: node(lines, value, &origin), origin })
        })
        .collect();
    entries.sort_by_key(|(at, _)| *at);
    Table(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn node(lines: &Lines<'_>, value: Spanned<DeValue<'_>>, key: &Origin) -> Node {
    // A table below a header begins at its key, an inline one at its brace.
    let origin = match value.get_ref() {
        DeValue::Table(_) => key.clone(),
        _ => lines.origin(value.span().start),
    };
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or(Value::Foreign("an integer of more than 64 bits"), Value::Integer),
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => Value::Foreign("no finite number"),
        },
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Foreign("a date or time"),
        DeValue::Array(array) => {
            let element = |value: Spanned<DeValue<'_>>| {
                let span = value.span();
                let origin = if span.is_empty() { key.clone() } else { lines.origin(span.start) };
                node(lines, value, &origin)
            };
            Value::List(array.into_iter().map(element).collect())
        }
        DeValue::Table(inner) => Value::Table(table(lines, inner)),
    };
    Node { origin, value }
}

/// Offsets → lines and columns.
struct Lines<'a> {
    name: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(name: &str, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, starts }
    }

    /// The line at `offset`, from 1.
    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    fn origin(&self, offset: usize) -> Origin {
        let line = self.line(offset);
        let start = self.starts[line - 1];
        let end = offset.min(self.text.len());
        let column = self.text.get(start..end).map_or(end - start, |before| before.chars().count()) + 1;
        Origin::File { name: Arc::clone(&self.name), line, column }
    }
}
