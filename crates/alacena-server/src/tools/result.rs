//! What a tool answers.

use alacena::{error::Error, outcome::Outcome, value::Body};
use serde_json::{Map, Value as Json, json};

use crate::problem;

/// Where our own facts about an answer stand in its `_meta`.
const META_KEY: &str = "dev.alacena/cache";

/// The answer of a tool: text for every client, the same as JSON where it is an object, and what the cache did.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The answer as text: the JSON that the read answers, or what went wrong.
    pub text: String,
    /// The answer as JSON, where it is an object.
    pub structured: Option<Json>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Facts beside the answer, by names with a reverse-DNS prefix.
    pub meta: Map<String, Json>,
}

impl ToolResult {
    pub(crate) fn found(body: &Body, outcome: &Outcome<Body>) -> Self {
        let text = String::from_utf8_lossy(body.bytes()).into_owned();
        let structured =
            text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(&text).ok()).flatten();
        Self { text, structured, is_error: false, meta: meta(outcome) }
    }

    /// A failure, in words that help whoever called to do better.
    pub(crate) fn failed(error: &Error) -> Self {
        let code = error.code();
        let mut text = format!("{}: {}\n{}", code.title, error.detail(), code.remedy);
        if error.detail().is_empty() {
            text = format!("{}\n{}", code.title, code.remedy);
        }
        Self { text, structured: Some(problem::document(error)), is_error: true, meta: Map::new() }
    }

    pub(crate) fn with_cache_facts(mut self, outcome: &Outcome<Body>) -> Self {
        self.meta = meta(outcome);
        self
    }

    /// The same as an MCP CallToolResult.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut result = json!({
            "content": [{ "type": "text", "text": self.text }],
            "isError": self.is_error,
        });
        if let Some(structured) = &self.structured {
            result["structuredContent"] = structured.clone();
        }
        if !self.meta.is_empty() {
            result["_meta"] = Json::Object(self.meta.clone());
        }
        result
    }

    /// Reads an MCP CallToolResult whose content is text, as [`to_json`](ToolResult::to_json) writes it.
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
        Some(Self { text, structured, is_error, meta })
    }
}

fn meta(outcome: &Outcome<Body>) -> Map<String, Json> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let facts = json!({
        "origin": outcome.origin.as_str(),
        "ageMs": millis(outcome.age),
        "freshForMs": millis(outcome.fresh_for),
        "stale": outcome.stale.map(|reason| reason.as_str()),
        "miss": outcome.miss.as_ref().map(|reason| reason.as_str()),
        "collapsed": outcome.collapsed,
    });
    Map::from_iter([(META_KEY.to_owned(), facts)])
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
        assert!(failed.text.starts_with("parameter not accepted: `size` must be an integer\n"));
        assert_eq!(failed.structured.as_ref().unwrap()["status"], 400);
        assert_eq!(ToolResult::from_json(failed.to_json()), Some(failed));
        assert_eq!(ToolResult::from_json(json!({"jsonrpc": "2.0"})), None);
    }
}
