//! What a source is asked or told: HTTP for an HTTP source, SQL for an SQL source, every parameter used.

use alacena_core::declared::{Hole, Parameter, Piece, Template};
use serde_json::{Map, Value as Json};

use super::{
    Meaning, Settings,
    holes::{Absence, Placed, declare},
};
use crate::config::{
    model::{HttpQuestion, Question},
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
const SQL_ONLY: [&str; 3] = ["sql", "queries", "result"];

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
        let (own, or_else, foreign): (&str, &str, &[&str]) = match kind {
            "http" => ("http", "http", &SQL_ONLY),
            _ => ("sql", "queries", &HTTP_ONLY),
        };
        let misplaced: Vec<_> = foreign.iter().filter(|field| Self::is_given(settings, field)).collect();
        for field in &misplaced {
            let (message, remedy) = foreign_to(field, kind, own);
            self.refuse(settings, field, message, remedy);
        }
        if ![own, or_else].iter().any(|field| Self::is_given(settings, field)) {
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
        // A read says everything that it sends: what only its parent needs is not for its source.
        let body =
            body.or_else(|| (purpose == Purpose::Read && method == "POST").then(|| Json::Object(Map::new())));
        Some(HttpQuestion {
            method: method.clone(),
            target: target.clone(),
            headers: headers.clone(),
            body,
            pointer: settings.text_maybe("pointer").unwrap_or_default().to_owned(),
        })
    }

    /// A parameter that the question does not use would split one answer over many keys.
    pub(super) fn unused(
        &mut self,
        settings: &Settings,
        parameters: &[Parameter],
        is_used: impl Fn(&str) -> bool,
    ) {
        let is_used = |name: &str| is_used(name) || Self::is_for_parent(settings, name);
        for Parameter { name, .. } in parameters.iter().filter(|parameter| !is_used(&parameter.name)) {
            let declared = settings.named("params").iter().find(|(declared, _)| declared == name);
            let taken = settings.table_maybe("parent").and_then(|parent| {
                let (_, item) = parent.texts_by_name("take").iter().find(|(taken, _)| taken == name)?;
                Some((&item.origin, format!("{}.{name}", parent.path_of("take"))))
            });
            let (origin, path, verb) = match (declared, taken) {
                (Some((_, section)), _) => (&section.origin, section.path.clone(), "declared"),
                (None, Some((origin, path))) => (origin, path, "taken"),
                (None, None) => (&settings.origin, settings.path.clone(), "declared"),
            };
            let message = format!("is {verb}, and the question does not use it");
            let remedy = "Use it in the question, or remove it.";
            self.problems.push(super::Problem::new(origin, &path, message, remedy));
        }
    }
}

/// Why a field of another kind of source cannot be meant, and what to do.
fn foreign_to(field: &str, kind: &str, own: &str) -> (String, String) {
    if field == "queries" {
        let message = format!(
            "needs one snapshot for all of them, and a source of kind \"{kind}\" has none: its answers may be of different moments"
        );
        return (
            message,
            "Declare a read for each; one that needs a value of another has it as `parent`.".to_owned(),
        );
    }
    let message = format!("means nothing for a source of kind \"{kind}\"");
    (message, format!("Say what is asked by `{own}`, or correct `source`."))
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
