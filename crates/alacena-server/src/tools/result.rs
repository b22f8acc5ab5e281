//! What a tool answers.

use std::mem;

use alacena::{
    error::Error,
    outcome::{MissReason, Outcome},
    value::Body,
};
use serde_json::{Map, Value as Json, json};

use crate::problem;

/// Where our own facts about an answer stand in its `_meta`.
const META_KEY: &str = "dev.alacena/cache";

/// The answer of a tool: text for every client, the same as JSON, and what the cache did.
///
/// JSON that holds a number which no 64-bit integer or double can hold is there as text only: another number in its
/// place would be a wrong answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The answer as text: the JSON that the read answers, or what went wrong.
    pub text: String,
    /// The answer as JSON, where nothing is lost.
    pub structured: Option<Json>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Facts beside the answer, by names with a reverse-DNS prefix.
    pub meta: Map<String, Json>,
}

impl ToolResult {
    pub(crate) fn found(body: &Body, outcome: &Outcome<Body>) -> Self {
        let text = String::from_utf8_lossy(body.bytes()).into_owned();
        let structured = numbers_survive(&text).then(|| serde_json::from_str(&text).ok()).flatten();
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

/// Whether every number of a JSON document is the same once it has been read into an integer or a double.
fn numbers_survive(document: &str) -> bool {
    has_plain_digits_only(document) || every_number_survives(document)
}

/// Whether no number is longer than what every double holds, fifteen digits, or has an exponent: most documents, and
/// seen at a glance.
fn has_plain_digits_only(document: &str) -> bool {
    let mut run = 0;
    document.bytes().all(|byte| match byte {
        b'0'..=b'9' | b'.' => {
            run += 1;
            run <= 15
        }
        b'e' | b'E' => mem::take(&mut run) == 0,
        _ => {
            run = 0;
            true
        }
    })
}

fn every_number_survives(document: &str) -> bool {
    let mut rest = document.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'"' => behind_string(behind),
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                let (number, behind) = rest.split_at(length);
                if !survives(&String::from_utf8_lossy(number)) {
                    return false;
                }
                behind
            }
            _ => behind,
        };
    }
    true
}

/// What follows the string whose opening quote is gone.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'"' => return behind,
            b'\\' => behind.get(1..).unwrap_or_default(),
            _ => behind,
        };
    }
    rest
}

fn survives(number: &str) -> bool {
    number.parse::<i64>().is_ok()
        || number.parse::<u64>().is_ok()
        || number.parse::<f64>().is_ok_and(|read| decimal(&format!("{read:e}")) == decimal(number))
}

/// The digits of a number without the zeros around them, and the power of ten that the last one stands for: the same
/// for 1.50, 15e-1 and 0.15E+1.
fn decimal(number: &str) -> (String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    let dropped = digits.len() as i64 - significant.len() as i64;
    let significant = significant.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return (significant, 0);
    }
    let exponent = exponent.trim_start_matches('+').parse::<i64>().unwrap_or(i64::MIN / 2);
    (significant, exponent - fraction.len() as i64 + dropped)
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
    Map::from_iter([(META_KEY.to_owned(), facts)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena::error::catalogue;

    #[test]
    fn json_is_repeated_only_where_no_number_would_change() {
        for exact in [
            r#"{"id": 18446744073709551615, "low": -9223372036854775808}"#,
            r#"{"a": [0.00000000000001, 999999999999999, -1, "e5 5e"]}"#,
            r#"{"a": [0.1, 1.50, 15e-1, 0.30000000000000004, 1e300, -0.0, 0e9, 12.0]}"#,
            r#"{"text": "123456789012345678901234567890 \\\" 1e999", "\\": 1}"#,
        ] {
            assert!(numbers_survive(exact), "{exact}");
        }
        for number in
            ["18446744073709551616", "12345678901234567890123", "0.1234567890123456789", "1e999", "1e-999"]
        {
            assert!(!numbers_survive(&format!(r#"{{"a": ["\\", {number}]}}"#)), "{number}");
        }
    }

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
