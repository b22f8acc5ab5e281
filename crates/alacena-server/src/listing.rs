//! What can be asked, as data for programs and as text for people.

use std::fmt::Write as _;

use alacena::{
    Read,
    declared::{Parameter, Scalar, ScalarKind},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use crate::{app::App, tools::schema};

/// The answer of `GET /reads`.
pub(crate) fn reads(app: &App) -> Json {
    let reads: Vec<Json> = app.alacena().reads().iter().map(|read| one(app, read)).collect();
    json!({ "reads": reads })
}

fn one(app: &App, read: &Read) -> Json {
    json!({
        "name": read.name,
        "title": read.title,
        "description": read.description,
        "class": read.class,
        "source": read.source,
        "ttl": read.ttl.as_secs_f64(),
        "key": read.key,
        "tags": read.tags,
        "public": read.public,
        "credentials": read.credentials,
        "parameters": read.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "inputSchema": schema::input(&read.parameters),
        "outputSchema": read.answer.as_ref().map(schema::output),
        "curl": curl_read(app, read),
    })
}

fn parameter(parameter: &Parameter) -> Json {
    json!({
        "name": parameter.name,
        "type": parameter.kind.as_str(),
        "description": parameter.description,
        "required": parameter.required,
        "default": parameter.default.as_ref().map(Scalar::to_json),
        "min": parameter.min.map(schema::number),
        "max": parameter.max.map(schema::number),
        "lengthMax": (parameter.kind == ScalarKind::Text).then_some(parameter.length_max),
        "choices": parameter.choices.iter().map(Scalar::to_json).collect::<Vec<_>>(),
    })
}

/// The answer of `GET /`: what is served and the commands to try.
pub(crate) fn index(app: &App) -> String {
    let base = app.base_url();
    let mut page = format!("Alacena {}\n\nReads\n", app.settings().version);
    let alacena = app.alacena();
    for read in alacena.reads().iter() {
        paragraph(&mut page, &read.name, &read.description, &curl_read(app, read));
    }
    if alacena.reads().is_empty() {
        page.push_str("  none declared\n");
    }
    if !alacena.writes().is_empty() {
        page.push_str("\nWrites\n");
    }
    for write in alacena.writes().iter() {
        let members: Vec<String> = write
            .parameters
            .iter()
            .filter(|parameter| parameter.required)
            .map(|parameter| format!("{}:{}", json!(parameter.name), example(parameter).to_json()))
            .collect();
        let body = format!("{{{}}}", members.join(","));
        let command = format!(
            "curl -i{} -H 'Content-Type: application/json' -d {} {base}/writes/{}",
            secrets(app, false, &write.credentials),
            quoted(&body),
            write.name
        );
        paragraph(&mut page, &write.name, &write.description, &command);
    }
    let open = if app.is_open() { "" } else { "; every path but /health needs a token" };
    write!(
        page,
        "\nMore\n  {base}/reads              what each read accepts, as JSON\n  {base}/openapi.json       the same as OpenAPI\n  {base}/cache/stats        what the cache did\n  \
         {base}/metrics            the same for Prometheus\n  {base}/mcp                the reads as tools, for MCP clients (Streamable HTTP){open}\n"
    )
    .expect("writing to a String cannot fail");
    page
}

fn paragraph(page: &mut String, name: &str, description: &str, command: &str) {
    let title = format!("{name}  {}", description.lines().next().unwrap_or_default());
    writeln!(page, "  {}\n    {command}", title.trim_end()).expect("writing to a String cannot fail");
}

fn curl_read(app: &App, read: &Read) -> String {
    let mut url = format!("{}/reads/{}", app.base_url(), read.name);
    for (at, parameter) in read.parameters.iter().filter(|parameter| parameter.required).enumerate() {
        let value = example(parameter).to_string();
        let opening = if at == 0 { '?' } else { '&' };
        write!(url, "{opening}{}={}", parameter.name, utf8_percent_encode(&value, NON_ALPHANUMERIC))
            .expect("writing to a String cannot fail");
    }
    format!("curl -i{} {}", secrets(app, read.public, &read.credentials), quoted(&url))
}

/// The options that carry what only the caller knows.
fn secrets(app: &App, public: bool, credentials: &[String]) -> String {
    let mut options = String::new();
    if !app.is_open() && !public {
        options.push_str(" -H \"Alacena-Token: $ALACENA_TOKEN\"");
    }
    for header in credentials {
        write!(options, " -H '{header}: …'").expect("writing to a String cannot fail");
    }
    options
}

/// A value that the parameter accepts, or at least shows its type.
fn example(parameter: &Parameter) -> Scalar {
    if let Some(choice) = parameter.choices.first() {
        return choice.clone();
    }
    let number = parameter.min.unwrap_or(1.0).max(1.0).min(parameter.max.unwrap_or(f64::MAX));
    match parameter.kind {
        ScalarKind::Integer => Scalar::Integer(number as i64),
        ScalarKind::Number => Scalar::Number(number),
        ScalarKind::Boolean => Scalar::Boolean(true),
        ScalarKind::Text => Scalar::Text(parameter.name.to_ascii_uppercase()),
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_within_its_limits_and_one_word() {
        let company = Parameter { min: Some(10.0), ..Parameter::required("company", ScalarKind::Integer) };
        assert_eq!(example(&company), Scalar::Integer(10));
        let low = Parameter { max: Some(0.0), ..Parameter::required("x", ScalarKind::Number) };
        assert_eq!(example(&low), Scalar::Number(0.0));
        let status = Parameter {
            choices: vec![Scalar::Text("open".into())],
            ..Parameter::required("status", ScalarKind::Text)
        };
        assert_eq!(example(&status), Scalar::Text("open".into()));
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
