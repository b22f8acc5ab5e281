//! What the first minute says: what is served, what to try, what it will show, and how to go on.

use std::net::SocketAddr;

use serde_json::json;

use super::Quickstart;
use crate::say::Paint;

const TEXT: &str = include_str!("announce.txt");

/// The text that stands on the terminal once the example is served at `address` by the program called `program`.
pub(crate) fn announce(quickstart: &Quickstart, address: SocketAddr, program: &str, paint: Paint) -> String {
    let ours = format!("http://{address}");
    let mcp =
        json!({ "mcpServers": { "alacena": { "command": program, "args": ["mcp", "--server", ours] } } });
    let text = TEXT
        .replace("{crm}", &format!("http://{}", quickstart.crm()))
        .replace("{config}", &quickstart.config().display().to_string())
        .replace("{program}", program)
        .replace("{ours}", &ours)
        .replace("{mcp}", &mcp.to_string());
    text.trim_end().lines().map(|line| colour(line, paint)).collect::<Vec<_>>().join("\n")
}

/// A line in the colour of what it is, which its beginning tells. Commands lose their mark, so that a whole line can
/// be copied.
fn colour(line: &str, paint: Paint) -> String {
    let bare = line.trim_start();
    if let Some(command) = bare.strip_prefix("$ ") {
        return format!("     {}", paint.command(command));
    }
    if bare.starts_with('→') {
        return paint.faint(line);
    }
    match line.strip_prefix("listening on ") {
        Some(address) => format!("listening on {}", paint.command(address)),
        None if bare.len() == line.len() && !line.ends_with('.') && !line.is_empty() => paint.strong(line),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_copied_and_what_it_shows_stands_below() {
        assert_eq!(colour("     $ curl x", Paint::PLAIN), "     curl x");
        assert_eq!(colour("       → a hit", Paint::PLAIN), "       → a hit");
        assert_eq!(colour("listening on http://a", Paint::PLAIN), "listening on http://a");
    }
}
