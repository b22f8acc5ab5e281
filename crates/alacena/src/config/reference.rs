//! `docs/reference/configuration.md`, written from the tables that check the configuration.

use std::fmt::Write as _;

use alacena_core::declared::{ANSWER_DEPTH_MAX, ANSWER_PLACES_MAX};

use super::{
    forms::QUOTA_MAX,
    layers::ENVIRONMENT_NAMES,
    schema::{Field, Format, HEADERS_MAX, Kind, ROOT},
};

/// What stands above the sections.
const OPENING: &str = "# Configuration

<!-- Generated from crates/alacena/src/config/schema. Change it there, then run `cargo xtask docs`. -->

One file, `alacena.toml`. `alacena check` reads it and names everything that is wrong at once, each with its line, its
column and what to do. Unknown names are refused with the nearest one. What is part of the design and not built yet is
refused as such, never accepted silently.

**Layers**, lowest first: defaults, the file, environment names that hosts already use (below),
`ALACENA__SECTION__FIELD`, flags. `ALACENA__CLASSES__JOBS__TTL=30s` sets `classes.jobs.ttl`: any case, two underscores
between names, commas between the elements of a list, `-` in a header's name written `_`. An empty value counts as not
set.

**Values from elsewhere.** `${NAME}` inside any text is replaced by that name of the environment; a missing one is a
problem. `$${` stands for `${`. Where a secret stands, `file:path` reads it from a file, relative to the configuration,
without the newline at its end; a file that everybody on the machine can read is refused.

**Durations** are a whole number and one of `ms` `s` `m` `h` `d` in quotes: `\"250ms\"`, `\"24h\"`. **Sizes** are a whole
number and one of `B` `KiB` `MiB` `GiB` (1024) or `KB` `MB` `GB` (1000): `\"512KiB\"`.

**Names** of sections are lower-case letters, digits and `_`, begin with a letter and have at most 64. **Templates** are
text with holes: `{name}`, `{name?}` where the parameter may be absent, `{name|text}` with a stand-in, `{{` and `}}` for
the braces themselves. The file has at most 1 MiB. Paths are relative to it.
";

/// The reference of the configuration as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = OPENING.to_owned();
    for section in ROOT {
        match &section.kind {
            Kind::Table(fields) => table(&mut page, &format!("[{}]", section.name), section.doc, fields),
            Kind::Named { fields, max, .. } => {
                let doc = format!("{} At most {max}.", section.doc);
                table(&mut page, &format!("[{}.<name>]", section.name), &doc, fields);
            }
            _ => {}
        }
    }
    environment(&mut page);
    not_built(&mut page);
    elsewhere(&mut page);
    page
}

fn table(page: &mut String, title: &str, doc: &str, fields: &[Field]) {
    let heading = if title.starts_with('[') { "##" } else { "###" };
    write(page, format_args!("\n{heading} `{title}`\n\n{doc}\n\n"));
    page.push_str("| field | what it is | default | limits | zero |\n|---|---|---|---|---|\n");
    for field in built(fields) {
        let doc = if field.only.is_empty() {
            field.doc.to_owned()
        } else {
            format!("(`{}`) {}", field.only, field.doc)
        };
        let limits = limits(&field.kind);
        let row = [format!("`{}`", field.name), doc, default(field), limits, field.zero.to_owned()];
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        write(page, format_args!("| {} |\n", row.join(" | ")));
    }
    for field in built(fields) {
        match &field.kind {
            Kind::Table(inner) => table(page, field.name, field.doc, inner),
            // Reads and writes have the same parameters: once is enough.
            Kind::Named { fields: inner, max, .. } if title != "[writes.<name>]" => {
                let doc = format!("{} At most {max}.", field.doc);
                table(page, &format!("{}.<name>", field.name), &doc, inner);
            }
            _ => {}
        }
    }
}

fn built(fields: &[Field]) -> impl Iterator<Item = &Field> {
    fields.iter().filter(|field| field.is_accepted())
}

fn default(field: &Field) -> String {
    match (field.required, field.default, &field.kind) {
        (true, ..) => "required".to_owned(),
        (_, Some(""), _) => "empty".to_owned(),
        (_, Some(text), Kind::Integer { .. } | Kind::Ratio { .. } | Kind::Boolean) => format!("`{text}`"),
        (_, Some(text), _) => format!("`\"{text}\"`"),
        (_, None, Kind::List { .. }) => "`[]`".to_owned(),
        (_, None, Kind::Headers { .. } | Kind::Texts { .. }) => "`{}`".to_owned(),
        (_, None, _) => String::new(),
    }
}

fn limits(kind: &Kind) -> String {
    match kind {
        Kind::Duration { min, max } => format!("duration, {min} to {max}"),
        Kind::Bytes { min, max } => format!("size, {min} to {max}"),
        Kind::Integer { min, max } => format!("integer, {min} to {max}"),
        Kind::Number => "number".to_owned(),
        Kind::Ratio { max } => format!("number, 0 to {max}"),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Text(Format::Name) => "name".to_owned(),
        Kind::Text(Format::Identifier) => "letters, digits and `_`, at most 63".to_owned(),
        Kind::Text(Format::Quota) => format!("`\"N/day\"`, N from 1 to {QUOTA_MAX}"),
        Kind::Text(Format::Namespace) => "letters, digits, `-` `_` `.`, at most 64".to_owned(),
        Kind::Text(Format::TokenHash) => "`blake3:` and 64 digits".to_owned(),
        Kind::Text(format) => format!("{}, at most {} bytes", form(*format), format.bytes_max()),
        Kind::Secret { .. } => "secret".to_owned(),
        Kind::Choice { words, .. } => {
            words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
        }
        Kind::List { of: Kind::Scalar, max } => format!("list, at most {max}"),
        Kind::List { of: Kind::Target, max } => format!("list of targets, at most {max}"),
        Kind::List { of: Kind::Values, max } => format!("list of tables, at most {max}"),
        Kind::List { of, max } => format!("list of: {}; at most {max}", limits(of)),
        Kind::Headers { secret: true } => format!("names with secrets, at most {HEADERS_MAX}"),
        Kind::Headers { secret: false } => format!("names with templates, at most {HEADERS_MAX}"),
        Kind::Texts { format, max } => format!("names with a {} each, at most {max}", form(*format)),
        Kind::Json => "any JSON, 16 levels".to_owned(),
        Kind::Answer => {
            format!(
                "a schema of {ANSWER_DEPTH_MAX} levels and {ANSWER_PLACES_MAX} places, or a file with one"
            )
        }
        Kind::Scalar => "a value of its type".to_owned(),
        Kind::Target => "target".to_owned(),
        Kind::Values => "values of parameters".to_owned(),
        Kind::Table(_) => "table, below".to_owned(),
        Kind::Named { .. } => "tables, below".to_owned(),
        Kind::Later | Kind::Elsewhere { .. } => String::new(),
    }
}

fn form(format: Format) -> &'static str {
    match format {
        Format::Line => "one line",
        Format::Prose => "text",
        Format::Name | Format::Namespace | Format::TokenHash | Format::Identifier => "name",
        Format::Address => "address and port",
        Format::Host => "host",
        Format::WebOrigin => "origin",
        Format::BaseUrl => "`http://` or `https://`",
        Format::Issuer => "`https://`",
        Format::HeaderName => "header name",
        Format::Path => "path",
        Format::LogFilter => "levels",
        Format::Request => "method and path",
        Format::Sql => "SQL",
        Format::Pointer => "JSON pointer",
        Format::Cron => "five fields",
        Format::Template | Format::Tag => "template",
        Format::Quota => "number for a day",
    }
}

fn environment(page: &mut String) {
    page.push_str("\n## Environment names\n\nNames that hosts and older set-ups already use. They lie above the file and below `ALACENA__…`.\n\n| name | meaning |\n|---|---|\n");
    for (name, meaning) in ENVIRONMENT_NAMES {
        let names = name.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
        write(page, format_args!("| {names} | {meaning} |\n"));
    }
}

fn not_built(page: &mut String) {
    page.push_str(
        "\n## Not built yet\n\nPart of the design, and refused as \"not built yet\" until it is there:\n\n",
    );
    let mut names: Vec<String> = Vec::new();
    let later = |fields: &[Field], of: &str| {
        let later = fields.iter().filter(|field| matches!(field.kind, Kind::Later));
        later.map(|field| format!("`{of}{}`", field.name)).collect::<Vec<_>>()
    };
    names.extend(later(ROOT, ""));
    for section in ROOT {
        match &section.kind {
            Kind::Table(fields) => names.extend(later(fields, &format!("{}.", section.name))),
            Kind::Named { fields, .. } => {
                names.extend(later(fields, &format!("{}.<name>.", section.name)));
                for field in *fields {
                    if let Kind::Choice { later, .. } = &field.kind {
                        let path = format!("{}.<name>.{}", section.name, field.name);
                        names.extend(later.iter().map(|word| format!("`{path} = \"{word}\"`")));
                    }
                }
            }
            _ => {}
        }
    }
    write(page, format_args!("{}.\n", names.join(", ")));
}

/// What is refused for good, and why.
fn elsewhere(page: &mut String) {
    page.push_str("\n## Not for a configuration\n\n| field | why | instead |\n|---|---|---|\n");
    for section in ROOT {
        let Kind::Named { fields, .. } = &section.kind else { continue };
        for field in *fields {
            if let Kind::Elsewhere { message, remedy } = field.kind {
                let path = format!("{}.<name>.{}", section.name, field.name);
                write(page, format_args!("| `{path}` | it {message} | {remedy} |\n"));
            }
        }
    }
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a String does not fail");
}
