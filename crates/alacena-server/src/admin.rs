//! `/cache/*`: what the cache is doing, and telling it to forget.
//!
//! The shapes are a contract with existing dashboards. What is not configured or not built yet is `null`, never left
//! out.

use std::cmp::Reverse;

use alacena::{
    BreakerFigures, Figures, Health, Invalidated, Reach, Status, TargetReach,
    error::{Error, catalogue},
    ledger::Target,
};
use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App, display, keys::aside, problem::Problem, query::Query, request::JsonBody, token::Caller,
};

/// Most targets of one call.
const TARGETS_MAX: usize = 1000;

/// `GET /cache/health`: 200 while answers come, 503 once none can.
pub(crate) async fn health(State(app): State<App>) -> Response {
    let health = app.alacena().health();
    let code = if health.status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health_shape(&health, &app.alacena().figures()))).into_response()
}

fn health_shape(health: &Health, figures: &Figures) -> Value {
    json!({
        "status": health.status.as_str(),
        "connected": null,
        "circuitState": worst_breaker(figures).map(|breaker| breaker.state),
        "mode": if health.durable { "embedded" } else { "memory" },
        "missing": health.missing,
    })
}

/// `GET /cache/stats`: counts since the start.
pub(crate) async fn stats(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["format"])?;
    display::answer(&query, stats_shape(&app.alacena().figures()))
}

fn refuse(detail: &str) -> Error {
    Error::new(&catalogue::PARAMETER_INVALID, detail)
}

fn stats_shape(figures: &Figures) -> Value {
    let sum = |count: fn(&alacena::ReadFigures) -> u64| figures.rows().map(count).sum::<u64>();
    let of = |reasons: &[(&str, u64)]| reasons.iter().map(|(_, count)| count).sum::<u64>();
    let hits = sum(|read| read.hits);
    let misses: u64 = figures.rows().map(|read| of(&read.misses_by_reason)).sum();
    let stale: u64 = figures.rows().map(|read| of(&read.stale_by_reason)).sum();
    let asked = hits + misses;
    let hit_rate = if asked == 0 { 0.0 } else { hits as f64 / asked as f64 };
    let breaker = worst_breaker(figures);
    json!({
        "metrics": {
            "hits": hits,
            "misses": misses,
            "writes": figures.writes,
            "errors": sum(|read| read.errors),
            "stale": stale,
            "l1Hits": hits,
            "l2Hits": null,
            "hitRate": hit_rate,
        },
        "redis": {
            "connected": null,
            "keys": null,
            "averageTtl": null,
            "usedMemory": null,
            "peakMemory": null,
            "maxMemory": null,
            "evictions": null,
            "connections": null,
            "commandsToday": null,
        },
        "queue": { "length": null },
        "circuitBreaker": {
            "state": breaker.map(|breaker| breaker.state),
            "failures": breaker.map(|breaker| breaker.failures),
            "lastFailure": breaker.and_then(|breaker| breaker.last_failure_at),
            "successRate": breaker.and_then(|breaker| breaker.success_rate),
        },
    })
}

/// The breaker of the source that is worst off, whole: figures of several breakers mixed would describe none.
fn worst_breaker(figures: &Figures) -> Option<&BreakerFigures> {
    let rank = |state| match state {
        "OPEN" => 2,
        "HALF_OPEN" => 1,
        _ => 0,
    };
    let breakers = figures.sources.iter().map(|source| &source.breaker);
    breakers.min_by_key(|breaker| Reverse((rank(breaker.state), breaker.failures)))
}

/// `POST /cache/clear`: forget everything.
pub(crate) async fn clear(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Result<Response, Problem> {
    let cleared = app.alacena().clear(&caller.who).await?;
    Ok(acknowledged(cleared))
}

/// A body without members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// `POST /cache/invalidate`: forget some.
pub(crate) async fn invalidate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Response, Problem> {
    let dry_run = wanted.dry_run;
    let targets = wanted.targets()?;
    if dry_run {
        let reach = aside(&app, move |alacena| alacena.reach(&targets)).await??;
        return Ok(Json(reach_shape(&reach)).into_response());
    }
    let invalidated = app.alacena().invalidate(&targets, &caller.who).await?;
    Ok(acknowledged(invalidated))
}

fn acknowledged(invalidated: Invalidated) -> Response {
    Json(json!({ "level": invalidated.level.as_str(), "dropped": invalidated.dropped })).into_response()
}

/// What an invalidation would take away.
fn reach_shape(reach: &Reach) -> Value {
    let dep = |(dep, entries): &(String, u64)| json!({ "dep": dep, "entries": entries });
    let target = |reached: &TargetReach| {
        let deps = reached.deps.iter().map(dep).collect::<Vec<_>>();
        json!({ "target": reached.target.to_string(), "deps": deps })
    };
    json!({
        "dryRun": true,
        "level": null,
        "dropped": null,
        "entries": reach.entries,
        "targets": reach.targets.iter().map(target).collect::<Vec<_>>(),
    })
}

/// What is to be invalidated, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Wanted {
    key: Option<String>,
    tags: Vec<String>,
    prefix: Option<String>,
    pattern: Option<String>,
    class: Option<String>,
    namespace: Option<String>,
    all: bool,
    dry_run: bool,
    wait: Option<String>,
}

impl Wanted {
    fn targets(self) -> Result<Vec<Target>, Error> {
        let not_built =
            |what: &str| Err(Error::new(&catalogue::NOT_BUILT_YET, format!("{what} is not built yet")));
        match self.wait.as_deref() {
            None | Some("applied") => {}
            Some("replicated" | "barrier") => return not_built("waiting for other nodes"),
            Some(_) => return Err(refuse("`wait` must be applied, replicated or barrier")),
        }
        let mut targets = Vec::new();
        targets.extend(self.key.map(Target::Key));
        targets.extend(self.tags.into_iter().map(Target::Tag));
        targets.extend(self.prefix.map(Target::Prefix));
        targets.extend(self.pattern.map(Target::Pattern));
        targets.extend(self.class.map(Target::Class));
        targets.extend(self.namespace.map(Target::Namespace));
        targets.extend(self.all.then_some(Target::Everything));
        match targets.len() {
            0 => Err(refuse("say what to invalidate: key, tags, prefix, pattern, class, namespace or all")),
            count if count > TARGETS_MAX => {
                Err(refuse(&format!("at most {TARGETS_MAX} targets in one call")))
            }
            _ => Ok(targets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(body: Value) -> Result<Vec<Target>, &'static str> {
        let wanted: Wanted = serde_json::from_value(body).map_err(|_| "unreadable")?;
        wanted.targets().map_err(|error| error.code().slug)
    }

    #[test]
    fn what_to_invalidate_is_said_and_what_is_not_built_is_refused() {
        let tag = |text: &str| Target::Tag(text.to_owned());
        assert_eq!(wanted(json!({"tags": ["a", "b"]})), Ok(vec![tag("a"), tag("b")]));
        assert_eq!(
            wanted(json!({"key": "k", "prefix": "p", "pattern": "p:*", "wait": "applied"})),
            Ok(vec![Target::Key("k".into()), Target::Prefix("p".into()), Target::Pattern("p:*".into())])
        );
        assert_eq!(wanted(json!({"all": true})), Ok(vec![Target::Everything]));
        assert_eq!(wanted(json!({})), Err("parameter-invalid"));
        assert_eq!(wanted(json!({"all": false})), Err("parameter-invalid"));
        assert_eq!(wanted(json!({"all": true, "wait": "later"})), Err("parameter-invalid"));
        assert_eq!(wanted(json!({"tag": "a"})), Err("unreadable"));
        assert_eq!(wanted(json!({"all": true, "wait": "barrier"})), Err("not-built-yet"));
        assert_eq!(wanted(json!({"all": true, "dryRun": true})), Ok(vec![Target::Everything]));
    }

    fn breaker(state: &'static str, failures: u64) -> alacena::SourceFigures {
        let mut source = alacena::SourceFigures::default();
        source.source = format!("{state}{failures}");
        (source.breaker.state, source.breaker.failures) = (state, failures);
        (source.breaker.last_failure_at, source.breaker.success_rate) = (Some(7), Some(0.5));
        source
    }

    fn figures(sources: Vec<alacena::SourceFigures>) -> Figures {
        let mut read = alacena::ReadFigures::default();
        (read.hits, read.errors) = (2, 4);
        read.misses_by_reason = vec![("cold", 1), ("expired", 0)];
        read.stale_by_reason = vec![("source-error", 2)];
        let mut class = alacena::ReadFigures::default();
        class.hits = 1;
        let mut figures = Figures::default();
        (figures.reads, figures.classes, figures.sources) = (vec![read], vec![class], sources);
        figures.writes = 5;
        figures
    }

    #[test]
    fn the_worst_breaker_is_shown_and_nothing_is_left_out() {
        let stats =
            stats_shape(&figures(vec![breaker("CLOSED", 9), breaker("HALF_OPEN", 1), breaker("CLOSED", 0)]));
        assert_eq!(
            stats["circuitBreaker"],
            json!({"state": "HALF_OPEN", "failures": 1, "lastFailure": 7, "successRate": 0.5})
        );
        assert_eq!(
            stats["metrics"],
            json!({"hits": 3, "misses": 1, "writes": 5, "errors": 4, "stale": 2, "l1Hits": 3, "l2Hits": null, "hitRate": 0.75})
        );
        let without = stats_shape(&figures(Vec::new()));
        assert_eq!(
            without["circuitBreaker"],
            json!({"state": null, "failures": null, "lastFailure": null, "successRate": null})
        );
        assert_eq!(without["redis"].as_object().unwrap().len(), 9);
    }
}
