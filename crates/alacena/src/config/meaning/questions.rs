//! What a source is asked or told: HTTP for an HTTP source, SQL for an SQL source, every parameter used.

use alacena_core::declared::{Hole, Parameter, Piece, Template};
use serde_json::Value as Json;

use super::{
    Meaning, Settings,
    holes::{Absence, Placed, declare},
};
use crate::config::{
    model::{HttpQuestion, Question, Shape},
    setting::{Item, Setting},
};

/// Whether a question reads or changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

impl Purpose {
    const fn methods(self) -> &'static [&'static str] {
        match self {
            Purpose::Read => &["GET", "POST"],
            Purpose::Write => &["POST", "PUT", "PATCH", "DELETE"],
        }
    }
}

/// Fields that only mean something for a source of one kind.
const HTTP_ONLY: [&str; 4] = ["http", "headers", "body", "pointer"];
const SQL_ONLY: [&str; 2] = ["sql", "result"];

impl Meaning<'_> {
    /// The question of a read or write whose source has these settings. Parameters that the request declares by
    /// itself are added. `None`: the problem has been told, or its source's kind is not known.
    pub(super) fn question(
        &mut self,
        settings: &Settings,
        source: &Settings,
        purpose: Purpose,
        parameters: &mut Vec<Parameter>,
    ) -> Option<Question> {
        let kind = source.text_maybe("kind").filter(|_| !source.later)?;
        let (own, foreign): (&str, &[&str]) = match kind {
            "http" => ("http", &SQL_ONLY),
            _ => ("sql", &HTTP_ONLY),
        };
        let misplaced: Vec<_> = foreign.iter().filter(|field| Self::is_given(settings, field)).collect();
        for field in &misplaced {
            let message = format!("means nothing for a source of kind \"{kind}\"");
            self.refuse(
                settings,
                field,
                message,
                format!("Say what is asked by `{own}`, or correct `source`."),
            );
        }
        if !Self::is_given(settings, own) {
            if misplaced.is_empty() {
                let example = if own == "http" { "http = \"GET /jobs\"" } else { "sql = \"select …\"" };
                self.refuse(settings, own, "missing", format!("Add what is asked: {example}."));
            }
            return None;
        }
        match kind {
            "http" => self.http_question(settings, purpose, parameters).map(Question::Http),
            _ => self.sql_question(settings, purpose, parameters),
        }
    }

    fn http_question(
        &mut self,
        settings: &Settings,
        purpose: Purpose,
        parameters: &mut Vec<Parameter>,
    ) -> Option<HttpQuestion> {
        let Setting::Request(method, target) = &settings.get("http")?.setting else { return None };
        if !purpose.methods().contains(&method.as_str()) {
            let message = match purpose {
                Purpose::Read => "changes something, and a read only asks",
                Purpose::Write => "only asks, and a write changes something",
            };
            let methods = purpose.methods().join(", ");
            self.refuse(
                settings,
                "http",
                message,
                format!("Use one of: {methods}; or declare it on the other side."),
            );
        }
        let body = settings.json_maybe("body").cloned();
        if body.is_some() && matches!(method.as_str(), "GET" | "DELETE") {
            let message = format!("a {method} has no body");
            self.refuse(settings, "body", message, "Remove it, or use POST.");
        }
        let (path, query) = path_and_query(target);
        let headers: Vec<(String, Template)> =
            settings.headers("headers").iter().filter_map(header_template).collect();
        let strings: Vec<Template> = body.as_ref().map(templates_of).unwrap_or_default();
        let open = || headers.iter().map(|(_, template)| template).chain(&strings);
        declare(query.iter().copied().chain(open().flat_map(Template::holes)), parameters);

        let at = Placed::field(settings, "http", target);
        for (holes, absence) in [(&path, Absence::Refused), (&query, Absence::Accepted)] {
            for hole in holes {
                self.hole(&at, hole, parameters, absence);
            }
        }
        for (name, template) in &headers {
            let path = format!("{}.{name}", settings.path_of("headers"));
            let origin = settings.origin_of("headers");
            self.holes(&Placed { template, origin, path }, parameters, Absence::Accepted);
        }
        for template in &strings {
            self.holes(&Placed::field(settings, "body", template), parameters, Absence::Accepted);
        }
        // A write without a body sends what is left over as one.
        if purpose == Purpose::Read || body.is_some() || method == "DELETE" {
            let used = || path.iter().chain(&query).copied().chain(open().flat_map(Template::holes));
            self.unused(settings, parameters, |name| used().any(|hole| hole.name == name));
        }
        Some(HttpQuestion {
            method: method.clone(),
            target: target.clone(),
            headers: headers.clone(),
            body,
            pointer: settings.text_maybe("pointer").unwrap_or_default().to_owned(),
        })
    }

    fn sql_question(
        &mut self,
        settings: &Settings,
        purpose: Purpose,
        parameters: &[Parameter],
    ) -> Option<Question> {
        let sql = settings.text_maybe("sql")?.to_owned();
        self.statement(settings, &sql, purpose, parameters);
        let shape = match settings.text_maybe("result") {
            Some("row") => Shape::Row,
            _ => Shape::Rows,
        };
        Some(Question::Sql { sql, shape })
    }

    /// Checks the words and the parameters of a statement.
    #[cfg(feature = "sqlite")]
    fn statement(&mut self, settings: &Settings, sql: &str, purpose: Purpose, parameters: &[Parameter]) {
        use alacena_backends::sqlite;
        let sort = match purpose {
            Purpose::Read => sqlite::Purpose::Read,
            Purpose::Write => sqlite::Purpose::Write,
        };
        let names = match sqlite::check(sql, sort).and_then(|()| sqlite::named_parameters(sql)) {
            Ok(names) => names,
            Err(error) => {
                let remedy =
                    "Write one statement with parameters as `:name`: a read selects, a write changes.";
                return self.refuse(settings, "sql", error.detail(), remedy);
            }
        };
        for name in names.iter().filter(|name| parameters.iter().all(|parameter| parameter.name != **name)) {
            let declared = parameters.iter().map(|parameter| parameter.name.as_str());
            let message = match alacena_core::declared::nearest(name, declared) {
                Some(near) => format!("`:{name}` names no parameter; did you mean `:{near}`?"),
                None => format!("`:{name}` names no parameter"),
            };
            self.refuse(
                settings,
                "sql",
                message,
                format!("Declare it: params.{name} = {{ type = \"integer\" }}."),
            );
        }
        self.unused(settings, parameters, |name| names.iter().any(|other| other == name));
    }

    /// Without the driver nothing can be said about its statements; such a source is refused when it is opened.
    #[cfg(not(feature = "sqlite"))]
    fn statement(&mut self, _: &Settings, _: &str, _: Purpose, _: &[Parameter]) {}

    /// A parameter that the question does not use would split one answer over many keys.
    fn unused(&mut self, settings: &Settings, parameters: &[Parameter], is_used: impl Fn(&str) -> bool) {
        for parameter in parameters.iter().filter(|parameter| !is_used(&parameter.name)) {
            let message = "is declared, and the question does not use it";
            let section = settings.named("params").iter().find(|(name, _)| *name == parameter.name);
            let section = section.map_or(settings, |(_, section)| section);
            self.problems.push(super::Problem::new(
                &section.origin,
                &section.path,
                message,
                "Use it in the question, or remove it.",
            ));
        }
    }
}

fn header_template((name, item): &(String, Item)) -> Option<(String, Template)> {
    match &item.setting {
        Setting::Template(template) => Some((name.clone(), template.clone())),
        _ => None,
    }
}

/// The holes of the path and those of the query.
fn path_and_query(target: &Template) -> (Vec<&Hole>, Vec<&Hole>) {
    let (mut path, mut query) = (Vec::new(), Vec::new());
    let mut is_query = false;
    for piece in target.pieces() {
        match piece {
            Piece::Literal(text) => is_query |= text.contains('?'),
            Piece::Hole(hole) if is_query => query.push(hole),
            Piece::Hole(hole) => path.push(hole),
        }
    }
    (path, query)
}

/// The templates of a JSON document: its strings.
fn templates_of(json: &Json) -> Vec<Template> {
    match json {
        Json::String(text) => Template::parse(text).into_iter().collect(),
        Json::Array(elements) => elements.iter().flat_map(templates_of).collect(),
        Json::Object(members) => members.values().flat_map(templates_of).collect(),
        _ => Vec::new(),
    }
}
