//! The forms of text: what an address, a header name or a request looks like.

mod addresses;

use std::path::PathBuf;

use alacena_core::declared::{Piece, Template};

use addresses::{address, base_url, is_host, issuer, web_origin};

use super::{schema::Format, setting::Setting};
use crate::warming::Cron;

/// Why a text does not have its form: what is wrong, and what to write.
pub(super) type Refusal = (String, String);

/// Reads `text` as `format` says. No refusal repeats the text.
pub(super) fn read(format: Format, text: &str) -> Result<Setting, Refusal> {
    let max = format.bytes_max();
    if text.len() > max {
        return Err(refuse(format!("is longer than {max} bytes"), "Shorten it."));
    }
    let as_text = |text: &str| Setting::Text(text.to_owned());
    match format {
        Format::Prose | Format::Sql => Ok(as_text(text)),
        Format::Line | Format::LogFilter if text.chars().any(char::is_control) => {
            Err(refuse("holds a control character", "Write it on one line."))
        }
        Format::Line => Ok(as_text(text)),
        // A name that something else declares: whether it does is for the meaning to check.
        Format::Name => Ok(as_text(text)),
        Format::Namespace => when(
            is_namespace(text),
            as_text(text),
            "is no namespace",
            "Use letters, digits, `-`, `_` and `.`, at most 64.",
        ),
        Format::Address => address(text).map(Setting::Address),
        Format::Host => when(
            is_host(text),
            as_text(&text.to_ascii_lowercase()),
            "is no name of a host",
            "Write a name such as cache.example, without scheme, port or path.",
        ),
        Format::WebOrigin => web_origin(text),
        Format::BaseUrl => base_url(text),
        Format::Issuer => issuer(text),
        Format::HeaderName => header_name(text).map(Setting::Text),
        Format::Path => path(text),
        Format::TokenHash => token_hash(text),
        Format::LogFilter => when(
            is_log_filter(text),
            as_text(&text.to_ascii_lowercase()),
            "is no log filter",
            "Use error, warn, info, debug, trace or off, or a list such as `info,alacena_core=debug`.",
        ),
        Format::Request => request(text),
        Format::Pointer => pointer(text),
        Format::Cron => cron(text),
        Format::Template => template(text).map(Setting::Template),
        Format::Tag => tag(text),
        Format::Quota => quota(text),
        Format::Identifier => when(
            is_identifier(text),
            as_text(text),
            "is no name of a table",
            "Begin it with a letter or `_`, then use letters, digits and `_`, at most 63; not `sqlite_…`.",
        ),
    }
}

fn refuse(message: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    (message.into(), remedy.into())
}

fn when(holds: bool, setting: Setting, message: &str, remedy: &str) -> Result<Setting, Refusal> {
    if holds { Ok(setting) } else { Err(refuse(message, remedy)) }
}

/// Reads a template.
pub(super) fn template(text: &str) -> Result<Template, Refusal> {
    Template::parse(text).map_err(|error| {
        refuse(
            error.detail(),
            "Holes are `{name}`, `{name?}` where it may be absent, `{name|text}` with a stand-in.",
        )
    })
}

/// Why nothing that an entry depends on, or that tells it from others, comes out of an answer; and what is sound.
pub(super) const OUT_OF_THE_ANSWER: (&str, &str) = (
    "takes something out of the answer, and what an entry depends on must be known before the source is asked",
    "Two ways are sound: one tag for the whole list (`jobs`), or one read for the ids and one read for each row, tagged by its parameter (`job:{id}`).",
);

/// A tag: a template all of whose holes are known before the source is asked.
fn tag(text: &str) -> Result<Setting, Refusal> {
    let reaches_into_value = text.split('{').skip(1).any(|after| {
        let inside = after.split('}').next().unwrap_or_default();
        inside.contains(['.', '[', '/', '$'])
    });
    if reaches_into_value {
        return Err(refuse(OUT_OF_THE_ANSWER.0, OUT_OF_THE_ANSWER.1));
    }
    let template = template(text)?;
    when(
        !text.is_empty(),
        Setting::Template(template),
        "is empty",
        "Name what the entry depends on: `jobs`, `company:{company}`.",
    )
}

fn is_namespace(text: &str) -> bool {
    let accepted =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(accepted)
}

/// Headers that belong to the connection or to Alacena itself.
const HEADERS_OWN: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "accept-encoding",
    "expect",
];

/// The name of a header in lower case.
pub(super) fn header_name(text: &str) -> Result<String, Refusal> {
    let token = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
    if text.is_empty() || text.len() > 128 || !text.chars().all(token) {
        return Err(refuse("is no name of a header", "Use letters, digits and `-`: x-api-key."));
    }
    let name = text.to_ascii_lowercase();
    if HEADERS_OWN.contains(&name.as_str()) {
        return Err(refuse("is a header that Alacena sets itself", "Remove it."));
    }
    Ok(name)
}

/// Whether a header of this name usually says who is asking.
pub(super) fn is_credential(header: &str) -> bool {
    matches!(header, "authorization" | "proxy-authorization" | "cookie")
        || ["token", "api-key", "apikey", "secret", "password"].iter().any(|word| header.contains(word))
}

fn path(text: &str) -> Result<Setting, Refusal> {
    if text.is_empty() || text.contains('\0') {
        return Err(refuse("is no path", "Write a path, relative to the configuration file or absolute."));
    }
    when(
        text != ":memory:",
        Setting::Path(PathBuf::from(text)),
        "names a database in memory, which nobody else could fill",
        "Name a file.",
    )
}

fn token_hash(text: &str) -> Result<Setting, Refusal> {
    let digits = text.strip_prefix("blake3:").filter(|digits| digits.len() == 64 && digits.is_ascii());
    let mut hash = [0; 32];
    let read = digits.is_some_and(|digits| {
        hash.iter_mut().zip(digits.as_bytes().chunks(2)).all(|(byte, pair)| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'));
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).map(|read| *byte = read).is_some()
        })
    });
    when(
        read,
        Setting::Hash(hash),
        "is no hash of a token",
        "Write `blake3:` and the 64 hexadecimal digits that `printf %s \"$TOKEN\" | b3sum` prints; never the token itself.",
    )
}

fn is_log_filter(text: &str) -> bool {
    let level = |word: &str| {
        ["error", "warn", "info", "debug", "trace", "off"].contains(&word.to_ascii_lowercase().as_str())
    };
    let target = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | ':'))
    };
    text.split(',').all(|directive| match directive.split_once('=') {
        Some((part, word)) => target(part) && level(word),
        None => level(directive),
    })
}

fn request(text: &str) -> Result<Setting, Refusal> {
    const FORM: &str = "Write a method, a space and a path: \"GET /jobs?from={from}\".";
    let (method, target) = text.split_once(' ').ok_or_else(|| refuse("is no request", FORM))?;
    if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
        return Err(refuse("does not begin with GET, POST, PUT, PATCH or DELETE", FORM));
    }
    let template = template(target)?;
    if !target.starts_with('/') {
        return Err(refuse("has a path that does not begin with `/`", FORM));
    }
    if target.contains('\\') || !is_plain_path(target.split('?').next().unwrap_or_default()) {
        return Err(refuse("has a path with an empty segment, `.` or `..`: it could leave the source", FORM));
    }
    // A stand-in may hold anything: it is encoded like the value it stands for.
    let is_encoded = template.pieces().iter().all(|piece| match piece {
        Piece::Literal(text) => is_encoded(text),
        Piece::Hole(_) => true,
    });
    when(
        is_encoded,
        Setting::Request(method.to_owned(), template),
        "has a space, a `#`, a control character or a lone `%` in its path",
        "Percent-encode them: %20, %23, %25.",
    )
}

/// Whether no segment but the last is empty, and none leads elsewhere in any spelling.
fn is_plain_path(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let is_elsewhere =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    let inner = &segments[..segments.len().saturating_sub(1)];
    inner.iter().all(|segment| !segment.is_empty()) && !segments.iter().any(|segment| is_elsewhere(segment))
}

fn is_encoded(text: &str) -> bool {
    let is_lone = |at: usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    !text.chars().any(|character| character.is_control() || matches!(character, ' ' | '#'))
        && !text.match_indices('%').any(|(at, _)| is_lone(at))
}

fn cron(text: &str) -> Result<Setting, Refusal> {
    let read = text.parse::<Cron>();
    read.map(|cron| Setting::Text(cron.to_string())).map_err(|wrong| {
        refuse(
            wrong.to_string(),
            "Write minute, hour, day of the month, month and day of the week, in UTC: \"0 6 * * mon-fri\".",
        )
    })
}

/// Most of anything that a day may have.
pub(super) const QUOTA_MAX: i64 = 1_000_000_000_000;

fn quota(text: &str) -> Result<Setting, Refusal> {
    let number = text.strip_suffix("/day").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    match number.and_then(|number| number.parse().ok()) {
        Some(number) if (1..=QUOTA_MAX).contains(&number) => Ok(Setting::Integer(number)),
        Some(_) => Err(refuse(format!("is outside its limits, 1/day to {QUOTA_MAX}/day"), "Correct it.")),
        None => Err(refuse("is no number for a day", "Write a whole number and `/day`: \"10000/day\".")),
    }
}

fn is_identifier(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_reserved = text.to_ascii_lowercase().starts_with("sqlite_");
    starts && !is_reserved && text.len() <= 63 && text.chars().all(rest)
}

fn pointer(text: &str) -> Result<Setting, Refusal> {
    let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    let begins = text.is_empty() || text.starts_with('/');
    when(
        begins && escapes,
        Setting::Text(text.to_owned()),
        "is no JSON pointer",
        "Begin it with `/`: \"/results\", \"/data/items\"; `~1` stands for a slash and `~0` for a tilde inside a name.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(format: Format, text: &str) -> bool {
        read(format, text).is_ok()
    }

    #[test]
    fn addresses_and_urls() {
        assert!(accepts(Format::Address, "localhost:8080") && accepts(Format::Address, "[::1]:80"));
        assert!(!accepts(Format::Address, "8080") && !accepts(Format::Address, "example.com:80"));
        assert!(accepts(Format::BaseUrl, "https://crm.example/api1/"));
        for refused in ["redis://x", "https://u:p@x", "https://x/?a=1", "crm.example", ""] {
            assert!(!accepts(Format::BaseUrl, refused), "{refused}");
        }
        assert!(accepts(Format::Issuer, "https://login.example/tenant/"));
        for refused in
            ["http://login.example", "https://a:b@login.example", "https://login.example?x", "login.example"]
        {
            assert!(!accepts(Format::Issuer, refused), "{refused}");
        }
        assert!(accepts(Format::WebOrigin, "https://app.example:8443/"));
        assert!(!accepts(Format::WebOrigin, "*") && !accepts(Format::WebOrigin, "https://a/b"));
    }

    #[test]
    fn requests_stay_within_their_source() {
        assert!(accepts(Format::Request, "GET /jobs?from={from}&filter={filter?}"));
        for refused in [
            "GET",
            "get /x",
            "GET x",
            "GET //evil.example",
            "GET /a b",
            "GET /a#b",
            "FETCH /x",
            "GET /a//b",
            "GET /a/../b",
            "GET /%2E%2e",
            "GET /50%",
        ] {
            assert!(!accepts(Format::Request, refused), "{refused}");
        }
    }

    #[test]
    fn small_forms() {
        assert!(accepts(Format::Pointer, "") && accepts(Format::Pointer, "/a~1b/0"));
        assert!(!accepts(Format::Pointer, "a") && !accepts(Format::Pointer, "/a~2"));
        assert!(accepts(Format::TokenHash, &format!("blake3:{}", "aB".repeat(32))));
        assert!(!accepts(Format::TokenHash, &format!("blake3:{}", "+1".repeat(32))));
        assert!(accepts(Format::LogFilter, "info,alacena_core=debug") && !accepts(Format::LogFilter, "loud"));
        assert!(accepts(Format::Quota, "10000/day") && accepts(Format::Identifier, "_outbox_2"));
        for refused in ["10000", "0/day", "-1/day", "+1/day", "/day", "1/month", "1e3/day"] {
            assert!(!accepts(Format::Quota, refused), "{refused}");
        }
        for refused in ["2nd", "a;b", "SQLite_master", ""] {
            assert!(!accepts(Format::Identifier, refused), "{refused}");
        }
        assert!(accepts(Format::Host, "cache.example") && !accepts(Format::Host, "http://x"));
        assert!(header_name("X-Api-Key").is_ok_and(|name| name == "x-api-key"));
        assert!(header_name("Host").is_err() && header_name("a b").is_err());
    }

    #[test]
    fn a_tag_out_of_the_answer_is_told_the_sound_ways() {
        let (message, remedy) = read(Format::Tag, "job:{data.id}").err().unwrap();
        assert!(message.contains("before the source is asked"));
        assert!(remedy.contains("one tag for the whole list") && remedy.contains("one read for the ids"));
    }
}
