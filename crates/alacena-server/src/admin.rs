//! `/cache/*`: what the cache is doing, and telling it to forget.
//!
//! The shapes are a contract with existing dashboards. What is not configured or not built yet is `null`, never left
//! out.

use std::{cmp::Reverse, time::Duration};

use alacena::{
    BreakerFigures, Coherence, Figures, Health, Invalidated, Lack, PostFigures, Reach, Spending, Status,
    TargetReach, Wish,
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
    app::App,
    display,
    keys::aside,
    problem::Problem,
    query::Query,
    request::{JsonBody, say_level, status_of},
    token::Caller,
};

/// Most targets of one call.
const TARGETS_MAX: usize = 1000;
/// Most replicas that an invalidation waits for.
const REPLICAS_MAX: u32 = 16;
/// How long it waits for them where nobody says otherwise, and at most.
const REPLICATED_WITHIN_MS: u64 = 1000;
const REPLICATED_WITHIN_MS_MAX: u64 = 10_000;

/// `GET /cache/health`: 200 while answers come, 503 once none can.
pub(crate) async fn health(State(app): State<App>) -> Response {
    let health = app.alacena().health();
    let code = if health.status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health_shape(&health, &app.alacena().figures()))).into_response()
}

fn health_shape(health: &Health, figures: &Figures) -> Value {
    let mode = match (health.tier, health.durable) {
        (Some(tier), _) => tier.as_str(),
        (None, true) => "embedded",
        (None, false) => "memory",
    };
    json!({
        "status": health.status.as_str(),
        "connected": connected(&health.shards),
        "circuitState": worst_state(figures),
        "mode": mode,
        "missing": health.missing,
        "level": health.coherence().map(Coherence::as_str),
        "shards": health.shards.iter().map(shard_shape).collect::<Vec<_>>(),
    })
}

/// Whether every shard answers; null where there is none.
fn connected(shards: &[PostFigures]) -> Option<bool> {
    (!shards.is_empty()).then(|| shards.iter().all(|shard| shard.era.is_some()))
}

/// The sum over the shards whose commands are counted; null where none is.
fn spent(figures: &Figures, number: fn(&Spending) -> u64) -> Option<u64> {
    let counted = figures.shards.iter().filter_map(|shard| shard.spending.as_ref());
    counted.map(number).reduce(u64::saturating_add)
}

fn shard_shape(shard: &PostFigures) -> Value {
    let lack = |lack: &Lack| json!({ "what": lack.what, "costs": lack.costs, "remedy": lack.remedy, "serious": lack.is_serious });
    json!({
        "name": shard.name,
        "level": shard.coherence.as_str(),
        "connected": shard.era.is_some(),
        "eraKnown": shard.era.is_some() && shard.capabilities.era,
        "push": shard.capabilities.telling.as_str(),
        "commandsToday": shard.spending.map(|spending| spending.used),
        "commandsForecast": shard.spending.map(|spending| spending.forecast),
        "commandsLimit": shard.spending.map(|spending| spending.limit),
        "provedForMs": u64::try_from(shard.proved_for.as_millis()).unwrap_or(u64::MAX),
        "reads": shard.reads.as_str(),
        "writes": shard.writes.as_str(),
        "owed": shard.drain.records,
        "owedInMemory": shard.drain.volatile,
        "owedForMs": u64::try_from(shard.owed_for.as_millis()).unwrap_or(u64::MAX),
        "lacks": shard.lacks.iter().map(lack).collect::<Vec<_>>(),
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
    // Counted one by one, while others count on.
    let l2_hits = sum(|read| read.l2_hits).min(hits);
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
            "l1Hits": hits - l2_hits,
            "l2Hits": (!figures.shards.is_empty()).then_some(l2_hits),
            "hitRate": hit_rate,
        },
        "redis": {
            // Of a Redis: disk is none.
            "connected": connected(&figures.shards).filter(|_| figures.disk.is_none()),
            "keys": null,
            "averageTtl": null,
            "usedMemory": null,
            "peakMemory": null,
            "maxMemory": null,
            "evictions": null,
            "connections": null,
            "commandsToday": spent(figures, |spending| spending.used),
            "commandsForecast": spent(figures, |spending| spending.forecast),
            "commandsLimit": spent(figures, |spending| spending.limit),
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

fn rank(state: &str) -> u8 {
    match state {
        "OPEN" => 2,
        "HALF_OPEN" => 1,
        _ => 0,
    }
}

/// The state of the breaker that is worst off, those of the shards included.
fn worst_state(figures: &Figures) -> Option<&'static str> {
    let shards = figures.shards.iter().flat_map(|shard| [shard.reads.as_str(), shard.writes.as_str()]);
    worst_breaker(figures)
        .map(|breaker| breaker.state)
        .into_iter()
        .chain(shards)
        .max_by_key(|state| rank(state))
}

/// The breaker of the source that is worst off, whole: figures of several breakers mixed would describe none.
fn worst_breaker(figures: &Figures) -> Option<&BreakerFigures> {
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
    Ok(acknowledged(&cleared))
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
    let (dry_run, wish) = (wanted.dry_run, wanted.wish()?);
    let targets = wanted.targets()?;
    if dry_run {
        let reach = aside(&app, move |alacena| alacena.reach(&targets)).await??;
        return Ok(Json(reach_shape(&reach)).into_response());
    }
    let invalidated = app.alacena().invalidate_as(&targets, &caller.who, wish).await?;
    Ok(acknowledged(&invalidated))
}

fn acknowledged(invalidated: &Invalidated) -> Response {
    let Invalidated { level, dropped, after, .. } = invalidated;
    let shape = Json(json!({ "level": level.as_str(), "dropped": dropped }));
    let mut response = (status_of(*level), shape).into_response();
    say_level(response.headers_mut(), *level, after.as_deref());
    response
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
    #[serde(alias = "level")]
    wait: Option<String>,
    replicas: Option<u32>,
    within_ms: Option<u64>,
}

impl Wanted {
    /// How far it is to go before it is acknowledged.
    fn wish(&self) -> Result<Wish, Error> {
        let (replicas, within) = (self.replicas, self.within_ms);
        let wish = match self.wait.as_deref() {
            None | Some("applied") => Wish::Applied,
            Some("barrier") => Wish::Barrier,
            Some("replicated") => {
                let (replicas, within) = (replicas.unwrap_or(1), within.unwrap_or(REPLICATED_WITHIN_MS));
                if !(1..=REPLICAS_MAX).contains(&replicas) {
                    return Err(refuse(&format!("`replicas` must be 1 to {REPLICAS_MAX}")));
                }
                if !(1..=REPLICATED_WITHIN_MS_MAX).contains(&within) {
                    return Err(refuse(&format!("`withinMs` must be 1 to {REPLICATED_WITHIN_MS_MAX}")));
                }
                return Ok(Wish::Replicated(replicas, Duration::from_millis(within)));
            }
            Some(_) => return Err(refuse("`wait` must be applied, replicated or barrier")),
        };
        if replicas.is_some() || within.is_some() {
            return Err(refuse("`replicas` and `withinMs` belong to `wait: replicated`"));
        }
        Ok(wish)
    }

    fn targets(self) -> Result<Vec<Target>, Error> {
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
    fn what_to_invalidate_is_said() {
        let tag = |text: &str| Target::Tag(text.to_owned());
        assert_eq!(wanted(json!({"tags": ["a", "b"]})), Ok(vec![tag("a"), tag("b")]));
        assert_eq!(
            wanted(json!({"key": "k", "prefix": "p", "pattern": "p:*", "wait": "applied"})),
            Ok(vec![Target::Key("k".into()), Target::Prefix("p".into()), Target::Pattern("p:*".into())])
        );
        assert_eq!(wanted(json!({"all": true})), Ok(vec![Target::Everything]));
        assert_eq!(wanted(json!({})), Err("parameter-invalid"));
        assert_eq!(wanted(json!({"all": false})), Err("parameter-invalid"));
        assert_eq!(wanted(json!({"tag": "a"})), Err("unreadable"));
        assert_eq!(wanted(json!({"all": true, "dryRun": true})), Ok(vec![Target::Everything]));
    }

    #[test]
    fn how_far_it_is_to_go_is_said_too() {
        let wish = |body: Value| {
            let wanted: Wanted = serde_json::from_value(body).expect("it is readable");
            wanted.wish().map_err(|error| error.code().slug)
        };
        assert_eq!(wish(json!({})), Ok(Wish::Applied));
        assert_eq!(wish(json!({"wait": "applied"})), Ok(Wish::Applied));
        assert_eq!(wish(json!({"level": "barrier"})), Ok(Wish::Barrier));
        let replicated = |replicas, millis| Ok(Wish::Replicated(replicas, Duration::from_millis(millis)));
        assert_eq!(wish(json!({"wait": "replicated"})), replicated(1, 1000));
        assert_eq!(wish(json!({"wait": "replicated", "replicas": 2, "withinMs": 50})), replicated(2, 50));
        for refused in [
            json!({"wait": "later"}),
            json!({"wait": "replicated", "replicas": 0}),
            json!({"wait": "replicated", "withinMs": 0}),
            json!({"wait": "barrier", "replicas": 1}),
        ] {
            assert_eq!(wish(refused.clone()), Err("parameter-invalid"), "{refused}");
        }
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
        assert_eq!(without["redis"].as_object().unwrap().len(), 11);
    }
}
