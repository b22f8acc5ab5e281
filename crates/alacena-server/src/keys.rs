//! `/cache/keys` and `/cache/explain`: which entries there are, and why a key is answered as it is. Never a value.

use std::{fmt::Write as _, time::Duration};

use alacena::{
    Alacena, Explanation, Found, KeyExplanation, KeyPage, PostFigures, Shown, Standing,
    dep::{Dep, DepKind},
    error::{Error, catalogue},
    key::Key,
};
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{app::App, display, problem::Problem, query::Query};

/// Keys of one page.
pub(crate) const PAGE_MAX: u64 = 1000;
/// Keys of a page where nobody says otherwise.
pub(crate) const PAGE: u64 = 100;

/// `GET /cache/keys`: the entries in memory, in the order of their keys, a page at a time.
pub(crate) async fn page(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response, Problem> {
    let query = Query::read(raw.as_deref(), &["prefix", "cursor", "limit", "format"])?;
    let limit = query.whole("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE);
    let limit = usize::try_from(limit).expect("a page is small");
    let after = query.text("cursor").map(key_of).transpose()?;
    let prefix = query.text("prefix").unwrap_or_default().to_owned();
    let page = aside(&app, move |alacena| alacena.keys(&prefix, after.as_ref(), limit)).await?;
    display::answer(&query, page_shape(&page))
}

/// `GET /cache/explain`: what is known of one key.
pub(crate) async fn explain(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response, Problem> {
    let query = Query::read(raw.as_deref(), &["key", "format"])?;
    let Some(key) = query.text("key").filter(|key| !key.is_empty()).map(str::to_owned) else {
        return Err(Error::new(&catalogue::PARAMETER_INVALID, "`key` is missing").into());
    };
    let known = aside(&app, move |alacena| alacena.explain(&key)).await??;
    let alacena = app.alacena();
    let explanations = join_all(known.iter().map(|known| async move {
        let shown = alacena.explain_shared(known).await;
        let mut explanation = explained(alacena, known);
        explanation["l2"] = shown.map_or(Value::Null, |shown| match shown {
            Ok(shown) => lying(&shown, &alacena.figures().shards),
            Err(failure) => json!({ "error": failure.to_string() }),
        });
        explanation
    }))
    .await;
    display::answer(&query, json!({ "explanations": explanations }))
}

/// Looks at what may be every entry where that keeps no request waiting.
pub(crate) async fn aside<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Alacena) -> T + Send + 'static,
) -> Result<T, Error> {
    let alacena = app.alacena().clone();
    let failed = |cause| Error::new(&catalogue::INTERNAL, "looking at the memory failed").caused_by(cause);
    spawn_blocking(move || look(&alacena)).await.map_err(failed)
}

fn page_shape(page: &KeyPage) -> Value {
    json!({ "keys": page.entries.iter().map(entry).collect::<Vec<_>>(), "next": page.next.as_ref().map(cursor) })
}

fn explained(alacena: &Alacena, known: &KeyExplanation) -> Value {
    let sources = alacena.figures().sources;
    let breaker = sources.iter().find(|figures| Some(&figures.source) == known.source.as_ref());
    json!({
        "read": known.read,
        "class": known.class,
        "source": known.source,
        "circuitState": breaker.map(|figures| figures.breaker.state),
        "shared": known.shared,
        "key": known.text,
        "entries": known.entries.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What lies in the tier that nodes share.
fn lying(shown: &Shown, shards: &[PostFigures]) -> Value {
    let Shown { name, shard, found } = shown;
    let entry = match found {
        None => Value::Null,
        Some(Found::Unreadable(why)) => json!({ "unreadable": why }),
        Some(Found::Entry { age, fresh_for, stale_for, negative, bytes, standing, deps, others }) => {
            let dep = |(dep, standing): &(Dep, Standing)| json!({ "dep": dep.to_string(), "stands": standing.as_str() });
            json!({
                "ageMs": millis(*age),
                "freshForMs": millis(*fresh_for),
                "staleForMs": millis(*stale_for),
                "negative": negative,
                "bytes": bytes,
                "stands": standing.as_str(),
                "deps": deps.iter().map(dep).collect::<Vec<_>>(),
                "otherDeps": others,
            })
        }
    };
    let of = shards.iter().find(|figures| figures.name == *shard);
    json!({
        "name": name,
        "shard": shard,
        "level": of.map(|figures| figures.coherence.as_str()),
        "push": of.map(|figures| figures.capabilities.telling.as_str()),
        "lacks": of.map(|figures| figures.lacks.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "entry": entry,
    })
}

/// One entry. Times are in milliseconds.
fn entry(known: &Explanation) -> Value {
    let class = known.deps.iter().find(|(dep, _)| dep.kind() == DepKind::Class).map(|(dep, _)| dep.text());
    let deps = known.deps.iter().map(|(dep, stands)| json!({ "dep": dep.to_string(), "stands": stands }));
    json!({
        "key": known.key.text(),
        "class": class,
        "freshness": known.freshness.as_str(),
        "ageMs": millis(known.age),
        "freshForMs": millis(known.fresh_for),
        "staleForMs": millis(known.stale_for),
        "standsInForMs": millis(known.stands_in_for),
        // Held with less than all its digits, rounded down: to the nearest, 250 are 250.
        "loadMs": millis(known.load_took + Duration::from_micros(500)),
        "changed": known.changed,
        "negative": known.negative,
        "bytes": known.bytes,
        "footing": known.is_shared.map(|is_shared| if is_shared { "shared" } else { "local" }),
        "deps": deps.collect::<Vec<_>>(),
    })
}

/// Where the next page begins, for the caller to send back as it is.
fn cursor(key: &Key) -> String {
    let mut cursor = String::with_capacity(2 * key.as_bytes().len());
    for byte in key.as_bytes() {
        write!(cursor, "{byte:02x}").expect("writing to a String cannot fail");
    }
    cursor
}

fn key_of(cursor: &str) -> Result<Key, Error> {
    let digit = |character: u8| char::from(character).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = cursor.as_bytes().chunks(2).map(byte).collect();
    let refused = || Error::new(&catalogue::PARAMETER_INVALID, "`cursor` is not the `next` of a page");
    bytes.and_then(|bytes| Key::from_bytes(&bytes)).ok_or_else(refused)
}
