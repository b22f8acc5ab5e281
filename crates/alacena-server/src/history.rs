//! `/cache/invalidations`: what has been invalidated, by whom and when.

use std::collections::BTreeMap;

use alacena::{
    error::Error,
    ledger::{Invalidation, Target},
};
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use serde_json::{Value, json};

use crate::{app::App, display, problem::Problem, query::Query};

/// Invalidations of one page, and the newest ones that the statistics are made of.
pub(crate) const PAGE_MAX: u64 = 1000;
/// Invalidations of a page where nobody says otherwise.
pub(crate) const PAGE: u64 = 100;

/// `GET /cache/invalidations`: the newest ones, newest first.
pub(crate) async fn page(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response, Problem> {
    let query = Query::read(raw.as_deref(), &["since", "limit", "format"])?;
    let limit = query.whole("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE);
    let history = newest(&app, &query, limit).await?;
    display::answer(&query, history.iter().map(row).collect())
}

/// `GET /cache/invalidations/stats`: who invalidated how often, and what.
pub(crate) async fn stats(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response, Problem> {
    let query = Query::read(raw.as_deref(), &["since", "format"])?;
    let history = newest(&app, &query, PAGE_MAX).await?;
    display::answer(&query, stats_shape(&history))
}

/// The newest `limit` invalidations, without those before `since`. Looks at each: the wall clock may have been set back.
async fn newest(app: &App, query: &Query<'_>, limit: u64) -> Result<Vec<Invalidation>, Error> {
    let since = query.whole("since", 0..=u64::MAX)?.unwrap_or_default();
    let limit = usize::try_from(limit).expect("a page is small");
    let mut history = app.alacena().history(limit).await?;
    history.retain(|invalidation| invalidation.at >= since);
    Ok(history)
}

/// One row of the contract. What comes from events is null until there are events; entries are not counted, because an
/// invalidation does not visit them.
fn row(invalidation: &Invalidation) -> Value {
    json!({
        "at": invalidation.at,
        "who": invalidation.who,
        "event": null,
        "resource": null,
        "id": null,
        "patterns": invalidation.targets.iter().map(Target::to_string).collect::<Vec<_>>(),
        "entries": null,
        "level": invalidation.level,
        "lagMs": null,
    })
}

fn stats_shape(history: &[Invalidation]) -> Value {
    let count = |names: &mut dyn Iterator<Item = &str>| {
        let mut counts = BTreeMap::<String, u64>::new();
        names.for_each(|name| *counts.entry(name.to_owned()).or_default() += 1);
        counts
    };
    let moments = || history.iter().map(|invalidation| invalidation.at);
    let targets = history.iter().flat_map(|invalidation| &invalidation.targets);
    json!({
        "count": history.len(),
        "oldest": moments().min(),
        "newest": moments().max(),
        "byWho": count(&mut history.iter().map(|invalidation| invalidation.who.as_str())),
        "byLevel": count(&mut history.iter().map(|invalidation| invalidation.level.as_str())),
        "byTarget": count(&mut targets.map(kind)),
        "entries": null,
        "lagMs": null,
    })
}

/// What a target is, by the name that `POST /cache/invalidate` gives it.
fn kind(target: &Target) -> &'static str {
    match target {
        Target::Key(_) => "key",
        Target::Tag(_) => "tags",
        Target::Prefix(_) => "prefix",
        Target::Pattern(_) => "pattern",
        Target::Class(_) => "class",
        Target::Namespace(_) => "namespace",
        Target::Everything => "all",
    }
}
