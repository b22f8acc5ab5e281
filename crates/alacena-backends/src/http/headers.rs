//! Headers of a request: which may be declared, what may stand in them, and who wins over whom.

use std::sync::Arc;

use alacena_core::{
    declared::{Parameters, Piece, Template},
    error::{Error, catalogue},
    secret::Secret,
    source::Credential,
};
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::{address::value, settings::wrong};

/// Headers that frame the message or belong to the connection, and the one that says what we can decompress within
/// limits: a declaration must not touch them.
const OURS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers that a source sends with everything.
#[derive(Debug)]
pub(super) struct SourceHeaders {
    fixed: HeaderMap,
    /// Those that the caller gives.
    passed: Vec<HeaderName>,
}

impl SourceHeaders {
    /// Checks names and values. Errors name headers, never what they say.
    pub(super) fn parse(fixed: &[(String, Secret)], passed: &[String]) -> Result<Self, Error> {
        let mut map = HeaderMap::new();
        map.insert(ACCEPT, HeaderValue::from_static("application/json"));
        map.insert(USER_AGENT, HeaderValue::from_static(concat!("alacena/", env!("CARGO_PKG_VERSION"))));
        let mut seen = Vec::new();
        for (name, secret) in fixed {
            let name = unseen(parse_name(name)?, &mut seen)?;
            let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| {
                wrong(format!("the value of header `{name}` holds characters that no header may hold"))
            })?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        let mut names = Vec::new();
        for name in passed {
            unseen(parse_name(name)?, &mut names)?;
        }
        map.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        Ok(Self { fixed: map, passed: names })
    }

    /// The headers of one request: those of the source, over them those of the question, over them the caller's.
    ///
    /// # Errors
    /// `Invalid` for a parameter that no header can hold, `Denied` for a credential that is missing.
    pub(super) fn assemble(
        &self,
        question: &QuestionHeaders,
        parameters: &Parameters,
        credentials: &[Credential],
        no_cache: bool,
    ) -> Result<HeaderMap, Error> {
        let mut map = self.fixed.clone();
        question.render(parameters, &mut map)?;
        for name in &self.passed {
            match credentials.iter().find(|credential| credential.header.eq_ignore_ascii_case(name.as_str()))
            {
                Some(credential) => _ = map.insert(name.clone(), reveal(name, &credential.secret)?),
                None if map.contains_key(name) => {}
                None => return Err(missing(name, "is missing")),
            }
        }
        if no_cache {
            map.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        Ok(map)
    }
}

/// The headers of one question, names checked.
#[derive(Debug)]
pub(super) struct QuestionHeaders(Vec<(HeaderName, Template)>);

impl QuestionHeaders {
    /// Checks the names.
    pub(super) fn parse(headers: &[(String, Template)]) -> Result<Self, Error> {
        let mut seen = Vec::new();
        let parse = |(name, template): &(String, Template)| {
            Ok((unseen(parse_name(name)?, &mut seen)?, template.clone()))
        };
        Ok(Self(headers.iter().map(parse).collect::<Result<_, Error>>()?))
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|(_, template)| template.holes()).map(|hole| hole.name.as_str())
    }

    fn render(&self, parameters: &Parameters, map: &mut HeaderMap) -> Result<(), Error> {
        for (name, template) in &self.0 {
            if let Some(text) = render_value(template, parameters)? {
                let value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
                    wrong(format!("header `{name}` holds characters that no header may hold"))
                })?;
                map.insert(name.clone(), value);
            }
        }
        Ok(())
    }
}

/// The text of a header, or nothing where one of its parameters is absent.
fn render_value(template: &Template, parameters: &Parameters) -> Result<Option<String>, Error> {
    let mut text = String::new();
    for piece in template.pieces() {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Hole(hole) => {
                let Some(value) = value(hole, parameters) else { return Ok(None) };
                if value.chars().any(char::is_control) {
                    let detail =
                        format!("`{}` must not hold control characters: it is part of a header", hole.name);
                    return Err(
                        Error::new(&catalogue::PARAMETER_INVALID, detail).with("parameter", &hole.name)
                    );
                }
                text.push_str(&value);
            }
        }
    }
    Ok(Some(text))
}

fn parse_name(name: &str) -> Result<HeaderName, Error> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| wrong(format!("`{}` is not a name of a header", name.escape_debug())))?;
    if OURS.contains(&parsed.as_str()) {
        return Err(wrong(format!("header `{parsed}` is set by Alacena itself; remove it")));
    }
    Ok(parsed)
}

fn unseen(name: HeaderName, seen: &mut Vec<HeaderName>) -> Result<HeaderName, Error> {
    if seen.contains(&name) {
        return Err(wrong(format!("header `{name}` is declared twice")));
    }
    seen.push(name.clone());
    Ok(name)
}

fn reveal(name: &HeaderName, secret: &Arc<[u8]>) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_bytes(secret)
        .map_err(|_| missing(name, "holds characters that no header may hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn missing(name: &HeaderName, detail: &str) -> Error {
    Error::new(&catalogue::CREDENTIAL_REQUIRED, format!("`{name}` {detail}")).with("header", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena_core::declared::{Parameter, ScalarKind};

    fn call(given: &[(&str, &str)]) -> Parameters {
        let declared = [Parameter { required: false, ..Parameter::required("q", ScalarKind::Text) }];
        Parameters::from_text(&declared, given.iter().copied()).unwrap()
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_at_start_without_their_value() {
        let fixed = |name: &str, value: &str| {
            let headers = [("x-one".to_owned(), Secret::new("1")), (name.to_owned(), Secret::new(value))];
            SourceHeaders::parse(&headers, &[]).unwrap_err().to_string()
        };
        assert!(fixed("Content-Length", "3").contains("set by Alacena itself"));
        assert!(fixed("x one", "3").contains("not a name"));
        assert!(fixed("X-One", "3").contains("declared twice"));
        let error = fixed("authorization", "Bearer canary\r\nx: y");
        assert!(error.contains("`authorization`") && !error.contains("canary"), "{error}");
    }

    #[test]
    fn a_value_cannot_begin_another_header_and_an_absent_one_drops_its_header() {
        let headers = [("x-query".to_owned(), Template::parse("q={q?}").unwrap())];
        let question = QuestionHeaders::parse(&headers).unwrap();
        let source = SourceHeaders::parse(&[], &[]).unwrap();
        let sent = |given: &[(&str, &str)]| source.assemble(&question, &call(given), &[], false);
        assert_eq!(sent(&[("q", "españa")]).unwrap()["x-query"].as_bytes(), "q=españa".as_bytes());
        assert!(!sent(&[]).unwrap().contains_key("x-query"));
        for value in ["a\r\nx: y", "a\nb", "a\0"] {
            let error = sent(&[("q", value)]).unwrap_err();
            assert_eq!(error.detail(), "`q` must not hold control characters: it is part of a header");
        }
    }

    #[test]
    fn the_callers_credential_wins_and_its_absence_is_named() {
        let fixed = [("authorization".to_owned(), Secret::new("ours"))];
        let passed = ["Authorization".to_owned()];
        let theirs = [Credential { header: "authorization".into(), secret: (*b"theirs").into() }];
        let none = QuestionHeaders::parse(&[]).unwrap();
        let send = |fixed: &[_], given: &[_]| {
            SourceHeaders::parse(fixed, &passed).unwrap().assemble(&none, &call(&[]), given, true)
        };
        let headers = send(&fixed, &theirs).unwrap();
        assert!(headers["authorization"] == "theirs" && headers["cache-control"] == "no-cache");
        assert_eq!(send(&fixed, &[]).unwrap()["authorization"], "ours");
        assert_eq!(send(&[], &[]).unwrap_err().code(), &catalogue::CREDENTIAL_REQUIRED);
    }
}
