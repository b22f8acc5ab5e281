//! What a tool answers.

use std::borrow::Cow;

use alacena::{
    error::Error,
    outcome::{MissReason, Outcome},
    value::Body,
};
use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

#[cfg(feature = "mcp")]
use super::numbers::numbers_survive;
use super::readable::is_readable;
use crate::problem;

/// Where our own facts about an answer stand in its `_meta`.
const CACHE_KEY: &str = "dev.alacena/cache";
/// Where the problem document of a failure stands there. Not in the structured content: that has to conform to the
/// schema of the tool's answers.
const PROBLEM_KEY: &str = "dev.alacena/problem";
/// Where 2026-07-28 wants to read who answers.
pub(crate) const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// The answer of a tool: text for every client, the same as JSON, and what the cache did.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    answer: Answer,
    is_error: bool,
    /// Facts beside the answer, by names with a reverse-DNS prefix.
    meta: Map<String, Json>,
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    /// A JSON document: the text and the structured content at once.
    Document(Bytes),
    /// Words.
    Words(String),
}

/// A JSON document as a tree.
#[cfg(feature = "mcp")]
#[derive(Debug, PartialEq)]
pub(crate) enum Structured {
    /// The same document.
    Exact(Json),
    /// The same but for a number that no 64-bit integer or double can hold, in whose place the nearest one stands.
    Rounded(Json),
}

/// What differs between the places at which a result is said.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(any(feature = "mcp", test)),
    expect(dead_code, reason = "only the protocol speaks the others")
)]
pub(crate) enum Dialect<'a> {
    /// `POST /mcp/tools/call`.
    Plain,
    /// MCP before 2026-07-28: structured content is an object.
    Legacy,
    /// MCP since then: it may be any JSON, and every result says that it is complete, and who the server is.
    Modern { server_info: &'a str },
}

impl ToolResult {
    /// What a read answers. The bytes of a declared read are JSON in UTF-8: its source sees to that.
    pub(crate) fn found(body: &Body, outcome: &Outcome<Body>) -> Self {
        Self { answer: Answer::Document(body.bytes().clone()), is_error: false, meta: meta(outcome) }
    }

    /// A failure, in words that help whoever called to do better.
    pub(crate) fn failed(error: &Error) -> Self {
        let code = error.code();
        let text = match error.detail() {
            "" => format!("{}\n{}", code.title, code.remedy),
            detail => format!("{}: {detail}\n{}", code.title, code.remedy),
        };
        let meta = Map::from_iter([(PROBLEM_KEY.to_owned(), problem::document(error))]);
        Self { answer: Answer::Words(text), is_error: true, meta }
    }

    pub(crate) fn with_cache_facts(mut self, outcome: &Outcome<Body>) -> Self {
        self.meta.append(&mut meta(outcome));
        self
    }

    /// The answer as text: the JSON that the read answers, or what went wrong.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.answer {
            Answer::Document(document) => String::from_utf8_lossy(document),
            Answer::Words(words) => Cow::Borrowed(words),
        }
    }

    /// Whether the tool failed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// Facts beside the answer, by names with a reverse-DNS prefix.
    #[must_use]
    pub fn meta(&self) -> &Map<String, Json> {
        &self.meta
    }

    /// Appends an MCP CallToolResult. A document is copied as it is, number for number, without being parsed; one that
    /// some readers could not take, and the whole message with it, stands as text only.
    pub(crate) fn write(&self, out: &mut Vec<u8>, dialect: Dialect<'_>) {
        out.reserve(self.text().len() * 2 + 512);
        out.push(b'{');
        if let Dialect::Modern { .. } = dialect {
            out.extend_from_slice(b"\"resultType\":\"complete\",");
        }
        out.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
        write_json(out, &self.text());
        out.extend_from_slice(b"}]");
        if let Answer::Document(document) = &self.answer
            && (document.trim_ascii_start().first() == Some(&b'{') || !matches!(dialect, Dialect::Legacy))
            && is_readable(document)
        {
            out.extend_from_slice(b",\"structuredContent\":");
            out.extend_from_slice(document);
        }
        out.extend_from_slice(if self.is_error { b",\"isError\":true" } else { b",\"isError\":false" });
        let server_info = match dialect {
            Dialect::Modern { server_info } => Some(server_info),
            Dialect::Plain | Dialect::Legacy => None,
        };
        if !self.meta.is_empty() || server_info.is_some() {
            out.extend_from_slice(b",\"_meta\":");
            write_json(out, &self.meta);
            if let Some(server_info) = server_info {
                // Into the object that has just been closed.
                out.pop();
                let comma = if self.meta.is_empty() { "" } else { "," };
                out.extend_from_slice(format!("{comma}\"{SERVER_INFO_KEY}\":{server_info}}}").as_bytes());
            }
        }
        out.push(b'}');
    }

    /// The answer as `POST /mcp/tools/call` says it, and [`from_json`](ToolResult::from_json) reads it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes, Dialect::Plain);
        bytes
    }

    /// Reads an MCP CallToolResult whose content is text, as `POST /mcp/tools/call` answers it.
    #[must_use]
    pub fn from_json(mut result: Json) -> Option<Self> {
        let blocks = result.get("content")?.as_array()?;
        let text: Vec<&str> = blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect();
        let text = text.join("\n");
        let is_error = result.get("isError").and_then(Json::as_bool).unwrap_or_default();
        let structured = result.get_mut("structuredContent").map(Json::take);
        let meta = match result.get_mut("_meta").map(Json::take) {
            Some(Json::Object(meta)) => meta,
            _ => Map::new(),
        };
        // The text has every digit, which the tree may have lost on its way here.
        let is_document = structured.is_some() && serde_json::from_str(&text).ok() == structured;
        let answer =
            if is_document { Answer::Document(text.into_bytes().into()) } else { Answer::Words(text) };
        Some(Self { answer, is_error, meta })
    }
}

/// What only the protocol asks for.
#[cfg(feature = "mcp")]
impl ToolResult {
    /// How much longer the answer is fresh, in milliseconds; zero where nobody knows.
    pub(crate) fn fresh_for_ms(&self) -> u64 {
        let facts = self.meta.get(CACHE_KEY);
        facts.and_then(|facts| facts.get("freshForMs")?.as_u64()).unwrap_or_default()
    }

    /// The status that HTTP would give the failure.
    pub(crate) fn problem_status(&self) -> Option<u64> {
        self.meta.get(PROBLEM_KEY)?.get("status")?.as_u64()
    }

    pub(crate) fn into_meta(self) -> Map<String, Json> {
        self.meta
    }

    /// The answer as a tree, where it is a document that every reader can take.
    pub(crate) fn structured(&self) -> Option<Structured> {
        let Answer::Document(document) = &self.answer else { return None };
        let document =
            std::str::from_utf8(document).ok().filter(|document| is_readable(document.as_bytes()))?;
        let tree = serde_json::from_str(document).ok()?;
        Some(if numbers_survive(document) { Structured::Exact(tree) } else { Structured::Rounded(tree) })
    }
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("text and maps of JSON are JSON, and a vector takes every byte");
}

fn meta(outcome: &Outcome<Body>) -> Map<String, Json> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let facts = json!({
        "origin": outcome.origin().as_str(),
        "ageMs": millis(outcome.age()),
        "freshForMs": millis(outcome.fresh_for()),
        "stale": outcome.stale().map(|reason| reason.as_str()),
        "miss": outcome.miss().map(MissReason::as_str),
        "collapsed": outcome.collapsed(),
    });
    Map::from_iter([(CACHE_KEY.to_owned(), facts)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena::error::catalogue;

    #[test]
    fn a_failure_says_what_to_do_and_survives_the_wire() {
        let failed =
            ToolResult::failed(&Error::new(&catalogue::PARAMETER_INVALID, "`size` must be an integer"));
        assert!(failed.is_error);
        assert!(failed.text().starts_with("parameter not accepted: `size` must be an integer\n"));
        assert_eq!(failed.meta()[PROBLEM_KEY]["status"], 400);
        let sent = serde_json::from_slice(&failed.to_bytes()).unwrap();
        assert_eq!(ToolResult::from_json(sent), Some(failed));
        assert_eq!(ToolResult::from_json(json!({"jsonrpc": "2.0"})), None);
    }

    #[test]
    fn a_document_is_copied_number_for_number_and_read_back() {
        let document = ToolResult {
            answer: Answer::Document(Bytes::from_static(
                b" {\"id\": 1.00, \"big\": 12345678901234567890123}",
            )),
            is_error: false,
            meta: Map::new(),
        };
        let text = String::from_utf8(document.to_bytes()).unwrap();
        assert!(
            text.contains(r#""structuredContent": {"id": 1.00, "big": 12345678901234567890123},"#),
            "{text}"
        );
        #[cfg(feature = "mcp")]
        assert!(matches!(document.structured(), Some(Structured::Rounded(_))));
        assert_eq!(ToolResult::from_json(serde_json::from_str(&text).unwrap()), Some(document));
    }

    #[test]
    fn what_some_readers_cannot_take_does_not_keep_them_from_reading_the_rest() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for text in [r#"{"half":"\ud800"}"#, r#"{"beyond":1e999}"#, &deep] {
            let result = ToolResult {
                answer: Answer::Document(Bytes::copy_from_slice(text.as_bytes())),
                is_error: false,
                meta: Map::new(),
            };
            let said: Json = serde_json::from_slice(&result.to_bytes()).expect("everybody can read it");
            assert_eq!(
                said,
                json!({"content": [{"type": "text", "text": text}], "isError": false}),
                "{text}"
            );
            #[cfg(feature = "mcp")]
            assert!(result.structured().is_none());
        }
    }

    #[test]
    fn each_dialect_says_what_its_readers_understand() {
        let list = ToolResult {
            answer: Answer::Document(Bytes::from_static(b"[1]")),
            is_error: false,
            meta: Map::new(),
        };
        let said = |dialect| {
            let mut out = Vec::new();
            list.write(&mut out, dialect);
            serde_json::from_slice::<Json>(&out).unwrap()
        };
        let text = json!([{"type": "text", "text": "[1]"}]);
        assert_eq!(
            said(Dialect::Plain),
            json!({"content": text, "structuredContent": [1], "isError": false})
        );
        assert_eq!(said(Dialect::Legacy), json!({"content": text, "isError": false}));
        assert_eq!(
            said(Dialect::Modern { server_info: r#"{"name":"a"}"# }),
            json!({
                "resultType": "complete", "content": text, "structuredContent": [1], "isError": false,
                "_meta": {SERVER_INFO_KEY: {"name": "a"}},
            })
        );
    }
}
