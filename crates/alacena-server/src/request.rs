//! What a request says: the name in its path, its body, its wishes about the cache.

use std::{fmt, sync::Arc};

use alacena::{
    After, Alacena, Level, Mode,
    config::Role,
    error::{Error, catalogue},
    source::Credential,
};
use axum::{
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
        request::Parts,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value as Json;

use crate::{
    app::App,
    body::{self, body_invalid},
    problem::Problem,
};

/// The `{name}` of the path.
pub(crate) struct Name(pub(crate) String);

impl FromRequestParts<App> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Error::new(&catalogue::NOT_FOUND, "the path is not valid UTF-8"))?;
        let name = path.iter().find_map(|(key, value)| (key == "name").then(|| value.to_owned()));
        Ok(Self(name.expect("a handler that takes a name stands on a route with one")))
    }
}

/// A JSON body. An empty one stands for `{}`.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = content_type_is_json(request.headers());
        let bytes = body::whole(request, app).await?;
        match is_json {
            Some(false) => return Err(refused_type("this is not application/json").into()),
            // A form of a foreign page can be sent without asking first, but never as JSON.
            None if !bytes.is_empty() => return Err(refused_type("the body has no Content-Type").into()),
            _ => {}
        }
        Ok(Self(parse(&bytes)?))
    }
}

/// Whether the `Content-Type` is JSON; `None` where there is none.
fn content_type_is_json(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get(CONTENT_TYPE)?;
    let essence = value.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    Some(essence.eq_ignore_ascii_case("application/json"))
}

fn refused_type(detail: &str) -> Error {
    Error::new(&catalogue::MEDIA_TYPE_REFUSED, detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(bytes).map_err(|cause| {
        body_invalid(format!("the body is not UTF-8: byte {} cannot stand there", cause.valid_up_to()))
    })?;
    let text = if text.trim_ascii().is_empty() { "{}" } else { text };
    // The message ends with line and column.
    serde_json::from_str(text).map_err(|cause| body_invalid(cause.to_string()))
}

/// The members of a JSON object as they stand there, a name that occurs twice included: whoever completes parameters
/// refuses that one by name, where a map would quietly keep the last.
#[derive(Debug, Default)]
pub(crate) struct Members(pub(crate) Vec<(String, Json)>);

impl Members {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The headers of a request that a read or write passes through to its source, as far as they are there: that none is
/// missing is checked where the question is made.
///
/// # Errors
/// `Denied`, naming the header, where one is sent twice: which of them the source would believe is anybody's guess.
pub(crate) fn credentials(named: &[String], headers: &HeaderMap) -> Result<Arc<[Credential]>, Error> {
    if named.is_empty() {
        return Ok(Arc::default());
    }
    let mut sent = Vec::new();
    for name in named {
        let mut values = headers.get_all(name.as_str()).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            let detail = format!("the header `{name}` is sent more than once");
            return Err(Error::new(&catalogue::CREDENTIAL_REQUIRED, detail).with("header", name));
        }
        sent.push(Credential { header: name.as_str().into(), secret: value.as_bytes().into() });
    }
    Ok(sent.into())
}

/// What the caller has changed and must see: the tokens that it was answered with.
pub(crate) static ALACENA_AFTER: HeaderName = HeaderName::from_static("alacena-after");
/// How far an invalidation had gone when the answer was sent.
pub(crate) static ALACENA_LEVEL: HeaderName = HeaderName::from_static("alacena-level");

/// After what a read is asked.
///
/// # Errors
/// `Invalid` where it is not what an answer said.
pub(crate) fn after(alacena: &Alacena, headers: &HeaderMap) -> Result<Arc<[After]>, Error> {
    let mut values = headers.get_all(&ALACENA_AFTER).iter().peekable();
    if values.peek().is_none() {
        return Ok(Arc::default());
    }
    // What is no text is no token either, and is refused as such.
    let tokens: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    alacena.after(&tokens.join(","))
}

/// The status of what has invalidated: 202 where some of it is still to be told.
pub(crate) fn status_of(level: Level) -> StatusCode {
    if level.is_applied() { StatusCode::OK } else { StatusCode::ACCEPTED }
}

/// How far an invalidation has gone, and what to send back to see what it has changed.
pub(crate) fn say_level(headers: &mut HeaderMap, level: Level, after: Option<&str>) {
    headers.insert(&ALACENA_LEVEL, HeaderValue::from_static(level.as_str()));
    if let Some(after) = after {
        headers.insert(&ALACENA_AFTER, HeaderValue::try_from(after).expect("it is letters and digits"));
    }
}

/// Whether the cache may answer: `Cache-Control: no-cache` asks the source and keeps the answer, `no-store` keeps
/// nothing. Only of callers with a role: a public read must not let strangers load its source at will.
pub(crate) fn mode(headers: &HeaderMap, role: Option<Role>) -> Mode {
    let says = |wanted: &str| {
        let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|directive| directive.trim().eq_ignore_ascii_case(wanted))
    };
    if role.is_none() {
        Mode::Normal
    } else if says("no-store") {
        Mode::Bypass
    } else if says("no-cache") {
        Mode::Refresh
    } else {
        Mode::Normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_a_body_is_named_with_its_place() {
        let wrong = |bytes: &[u8]| parse::<Members>(bytes).unwrap_err().detail().to_owned();
        assert!(wrong(b"{\n  \"a\": }").contains("line 2 column 8"));
        assert!(wrong(b"[1]").contains("expected a JSON object"));
        assert!(wrong(b"{\"a\": \"\xff\"}").contains("byte 7"));
        assert!(wrong(b"{\"a\": 1").contains("EOF"));
        assert_eq!(parse::<Members>(b" ").unwrap().0.len(), 0);
        assert_eq!(parse::<Members>(br#"{"a":1,"a":2}"#).unwrap().0.len(), 2);
    }

    #[test]
    fn a_credential_is_not_sent_twice() {
        let named = ["x-api-key".to_owned()];
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-api-key");
        assert_eq!(credentials(&named, &headers).unwrap().len(), 0);
        headers.append(&name, HeaderValue::from_static("one"));
        headers.append("cookie", HeaderValue::from_static("not declared"));
        let sent = credentials(&named, &headers).unwrap();
        assert_eq!((sent.len(), &*sent[0].secret), (1, &b"one"[..]));
        headers.append(&name, HeaderValue::from_static("two"));
        let refused = credentials(&named, &headers).unwrap_err();
        assert_eq!(refused.context(), [("header", "x-api-key".to_owned())]);
        assert!(refused.detail().contains("more than once") && !refused.to_string().contains("two"));
    }

    #[test]
    fn only_callers_with_a_role_reach_past_the_cache() {
        let mut headers = HeaderMap::new();
        let known = Some(Role::Read);
        assert_eq!(mode(&headers, known), Mode::Normal);
        headers.append(CACHE_CONTROL, HeaderValue::from_static("max-age=0, No-Cache"));
        assert_eq!(mode(&headers, known), Mode::Refresh);
        headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        assert_eq!(mode(&headers, known), Mode::Bypass);
        assert_eq!(mode(&headers, None), Mode::Normal);
    }
}
