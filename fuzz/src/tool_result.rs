//! What a server answers to a call of a tool.

use alacena_server::ToolResult;
use serde_json::Value as Json;

/// Any JSON is read or refused; what is read is written so that it reads the same.
pub fn tool_result(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(data) else { return };
    let Some(result) = ToolResult::from_json(json) else { return };
    let written = serde_json::from_slice(&result.to_bytes()).expect("what is written is JSON");
    assert_eq!(ToolResult::from_json(written).as_ref(), Some(&result), "written and read again");
}
