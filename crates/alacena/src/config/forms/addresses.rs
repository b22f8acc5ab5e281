//! The forms of addresses: of this server, of hosts, of pages and of what is asked.

use std::net::SocketAddr;

use super::{Refusal, Setting, refuse, when};

pub(super) fn address(text: &str) -> Result<SocketAddr, Refusal> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    named.as_deref().unwrap_or(text).parse().map_err(|_| {
        refuse(
            "is no address with a port",
            "Write an address and a port: \"127.0.0.1:8080\", \"[::1]:8080\" or \"0.0.0.0:8080\".",
        )
    })
}

pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
    };
    text.len() <= 253 && text.split('.').all(label)
}

pub(super) fn web_origin(text: &str) -> Result<Setting, Refusal> {
    const FORM: &str =
        "Write scheme, host and, where it is not the usual one, port: \"https://app.example\".";
    if text == "*" {
        return Err(refuse(
            "would let every page in the world read the answers",
            "Name the origins whose pages may: \"https://app.example\".",
        ));
    }
    let url = url::Url::parse(text).map_err(|_| refuse("is no origin", FORM))?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    when(plain, Setting::Text(url.origin().ascii_serialization()), "is no origin", FORM)
}

pub(super) fn base_url(text: &str) -> Result<Setting, Refusal> {
    const FORM: &str = "Write the address that paths are appended to: \"https://crm.example/api1\".";
    let url = url::Url::parse(text).map_err(|_| refuse("is no address", FORM))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("is of a scheme that is no http:// or https://", FORM));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let remedy =
            "Put them into `headers`, where they are kept secret: authorization = \"Basic ${CREDENTIALS}\".";
        return Err(refuse("holds credentials", remedy));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has a query or a fragment", "Put the query into the reads' `http`."));
    }
    Ok(Setting::Text(url.as_str().trim_end_matches('/').to_owned()))
}

/// Kept as it is written: clients compare it letter by letter (RFC 8414, 3.3).
pub(super) fn issuer(text: &str) -> Result<Setting, Refusal> {
    const FORM: &str = "Write it as the server calls itself in its metadata: \"https://login.example\".";
    let url = url::Url::parse(text).map_err(|_| refuse("is no address", FORM))?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.scheme() != "https" || !is_plain || url.password().is_some() {
        return Err(refuse("is no https:// address without credentials, query and fragment", FORM));
    }
    Ok(Setting::Text(text.to_owned()))
}
