//! `alacena explain`.

use serde_json::Value as Json;

use crate::{
    args::Explain,
    failure::Failure,
    locate, remote,
    say::{self, Paint},
};

pub(super) async fn run(arguments: Explain) -> Result<(), Failure> {
    let consequence = "so nothing is held, and every read asks its source";
    let remote = locate::running(&arguments.config, &arguments.server, consequence).await?;
    let request = remote.get_with("/cache/explain", &[("key", &arguments.key)]);
    let answer = remote::send(request, &remote).await?;
    let known: Json = answer.json().await.map_err(|cause| remote::absent(&remote, cause))?;
    if arguments.output.json {
        say::json(&known);
    } else {
        let each = known["explanations"].as_array().into_iter().flatten();
        let words: Vec<String> = each.map(|known| in_words(known, Paint::stdout())).collect();
        say::answer(&words.join("\n\n"));
    }
    Ok(())
}

/// What one read knows of the key.
fn in_words(known: &Json, paint: Paint) -> String {
    let mut words = paint.strong(text(known, "key"));
    words.push_str(&paint.faint(&format!("  read {}, class {}", text(known, "read"), text(known, "class"))));
    if known["shared"] == false {
        words.push_str(&paint.faint(", whose values stay on their node"));
    }
    let entries = known["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let source = Source { name: text(known, "source"), is_off: known["circuitState"] == "OPEN" };
    if entries.is_empty() {
        words.push_str(&format!("\n  nothing is held: {}", source.asked()));
    }
    for (at, entry) in entries.iter().enumerate() {
        if entries.len() > 1 {
            words.push_str(&format!("\n  caller {} of {}", at + 1, entries.len()));
        }
        words.push_str(&of_entry(entry, &source, paint));
    }
    words.push_str(&in_second_tier(&known["l2"], paint));
    words
}

/// What lies in the tier that nodes share.
fn in_second_tier(known: &Json, paint: Paint) -> String {
    if known.is_null() {
        return String::new();
    }
    if let Some(error) = known["error"].as_str() {
        return format!("\n  {} {error}", paint.wrong("the second tier does not say:"));
    }
    let (name, entry) = (text(known, "name"), &known["entry"]);
    let place = format!("{} {}", text(known, "shard"), paint.faint(&format!("({name})")));
    let said = match entry["unreadable"].as_str() {
        _ if entry.is_null() => "nothing".to_owned(),
        Some(why) => format!("what cannot be used: {why}"),
        None => {
            let span = |name: &str| span(entry[name].as_u64().unwrap_or(0));
            let until = match entry["staleForMs"].as_u64() {
                Some(0) => format!("for {} more", span("freshForMs")),
                _ => format!("past its time for {}", span("staleForMs")),
            };
            let mut deps = entry["deps"].as_array().into_iter().flatten();
            let gone = deps.find(|dep| dep["stands"] != "certain").map(|dep| match text(dep, "stands") {
                "gone" => format!(", invalidated by {}", text(dep, "dep")),
                _ => format!(", and whether {} still stands is not certain", text(dep, "dep")),
            });
            let bytes = entry["bytes"].as_u64().unwrap_or(0);
            format!("{} old, {until}{}; {bytes} bytes", span("ageMs"), gone.unwrap_or_default())
        }
    };
    format!("\n  in {place}: {said}")
}

fn of_entry(entry: &Json, source: &Source<'_>, paint: Paint) -> String {
    let span = |name: &str| span(entry[name].as_u64().unwrap_or(0));
    let state = text(entry, "freshness");
    let (age, left, past) = (span("ageMs"), span("freshForMs"), span("staleForMs"));
    let broken = broken(entry);
    let until = match (&broken, entry["staleForMs"].as_u64()) {
        (Some(dep), _) => format!("invalidated by {dep}"),
        (None, Some(0)) => format!("for {left} more"),
        (None, _) => format!("past its time for {past}"),
    };
    let shown = if state == "fresh" { paint.good(state) } else { paint.wrong(state) };
    let what = if entry["negative"] == true { ", and says that there is no such thing" } else { "" };
    let mut words = format!("\n  {shown}: {age} old, {until}{what}");
    words.push_str(&format!("\n  {}", next_read(state, &span("standsInForMs"), source)));
    if entry["footing"] == "local" {
        words.push_str("\n  loaded while the second tier was away: it ends when that is back");
    }
    let changed = match entry["changed"].as_bool() {
        Some(true) => ", another value than the one before",
        Some(false) => ", the same value as the one before",
        None => "",
    };
    let bytes = entry["bytes"].as_u64().unwrap_or(0);
    words.push_str(&format!("\n  loaded in {}, takes {bytes} bytes{changed}", span("loadMs")));
    words.push_str("\n  depends on");
    let deps = entry["deps"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (at, dep) in deps.iter().enumerate() {
        let branch = if at + 1 == deps.len() { "└─" } else { "├─" };
        let name = text(dep, "dep");
        words.push_str(&match dep["stands"].as_bool() {
            Some(false) => format!("\n  {branch} {}", paint.wrong(&format!("{name}: invalidated since"))),
            _ => format!("\n  {branch} {name}"),
        });
    }
    words
}

/// Who is asked for what is not held.
struct Source<'a> {
    name: &'a str,
    /// Whether its breaker is open.
    is_off: bool,
}

impl Source<'_> {
    /// What becomes of the next read where nothing can stand in.
    fn asked(&self) -> String {
        let name = self.name;
        if self.is_off {
            format!("the next read fails, for `{name}` is switched off after failures")
        } else {
            format!("the next read asks `{name}`")
        }
    }
}

/// Whether the next read asks the source, and why.
fn next_read(state: &str, stands_in: &str, source: &Source<'_>) -> String {
    let name = source.name;
    match state {
        "fresh" => "the next read is answered out of memory".to_owned(),
        "revalidate" => {
            format!(
                "the next read is answered out of memory, labelled stale, and `{name}` is asked behind it"
            )
        }
        "stand-in" | "last-resort" if source.is_off => {
            let off = format!("the next read does not ask `{name}`, which is switched off after failures");
            format!("{off}: this stands in for {stands_in} more")
        }
        "stand-in" | "last-resort" => {
            format!("the next read asks `{name}`; should that fail, this stands in for {stands_in} more")
        }
        _ => format!("{}, and this is never seen again", source.asked()),
    }
}

/// The first dep that no longer stands.
fn broken(entry: &Json) -> Option<&str> {
    let mut deps = entry["deps"].as_array()?.iter();
    deps.find(|dep| dep["stands"] == false).map(|dep| text(dep, "dep"))
}

fn text<'a>(of: &'a Json, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

/// A span as people say it: its two largest units.
fn span(millis: u64) -> String {
    let (seconds, minutes, hours, days) =
        (millis / 1000, millis / 60_000, millis / 3_600_000, millis / 86_400_000);
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{}.{}s", seconds, millis % 1000 / 100),
        60_000..3_600_000 => two(minutes, "m", seconds % 60, "s"),
        3_600_000..86_400_000 => two(hours, "h", minutes % 60, "m"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known(freshness: &str, stale_for: u64, stands: bool) -> Json {
        json!({ "read": "get_jobs", "class": "jobs", "source": "crm", "circuitState": "CLOSED", "key": "jobs:list:50", "entries": [{
            "key": "jobs:list:50", "class": "jobs", "freshness": freshness, "ageMs": 252_000, "freshForMs": 48_500,
            "staleForMs": stale_for, "standsInForMs": 86_400_000, "loadMs": 312, "changed": false, "negative": false,
            "bytes": 4300, "deps": [{ "dep": "class jobs", "stands": true }, { "dep": "tag jobs", "stands": stands }],
        }] })
    }

    #[test]
    fn a_fresh_entry_says_until_when_and_what_it_depends_on() {
        assert_eq!(
            in_words(&known("fresh", 0, true), Paint::PLAIN),
            "jobs:list:50  read get_jobs, class jobs\n  fresh: 4m 12s old, for 48.5s more\n  the next read is answered out \
             of memory\n  loaded in 312ms, takes 4300 bytes, the same value as the one before\n  depends on\n  ├─ class \
             jobs\n  └─ tag jobs"
        );
    }

    #[test]
    fn what_is_broken_is_named_and_so_is_what_the_next_read_does() {
        let words = in_words(&known("last-resort", 0, false), Paint::PLAIN);
        assert!(words.contains("last-resort: 4m 12s old, invalidated by tag jobs"), "{words}");
        assert!(words.contains("asks `crm`; should that fail, this stands in for 1d more"), "{words}");
        assert!(words.ends_with("└─ tag jobs: invalidated since"), "{words}");
        assert!(in_words(&known("stand-in", 61_000, true), Paint::PLAIN).contains("past its time for 1m 1s"));
        let mut off = known("stand-in", 61_000, true);
        off["circuitState"] = "OPEN".into();
        assert!(
            in_words(&off, Paint::PLAIN).contains("does not ask `crm`, which is switched off after failures")
        );
        let mut nothing = json!({ "read": "r", "class": "c", "source": "crm", "key": "k", "entries": [] });
        assert!(in_words(&nothing, Paint::PLAIN).ends_with("nothing is held: the next read asks `crm`"));
        nothing["circuitState"] = "OPEN".into();
        assert!(
            in_words(&nothing, Paint::PLAIN)
                .ends_with("the next read fails, for `crm` is switched off after failures")
        );
    }

    #[test]
    fn spans_are_short() {
        let said = [0, 999, 1500, 59_999, 3_599_000, 3_600_000, 90_000_000].map(span);
        assert_eq!(said, ["0ms", "999ms", "1.5s", "59.9s", "59m 59s", "1h", "1d 1h"]);
    }
}
