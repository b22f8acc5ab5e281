//! `/cache/warming`: loading answers before anybody asks, and how far that is.

use alacena::{
    Alacena, ReadWarming, WarmCall, WarmingRun,
    declared::Parameters,
    error::{Error, catalogue},
};
use axum::{
    Extension, Json,
    extract::{FromRequestParts, RawPathParams, RawQuery, State},
    http::{StatusCode, header::LOCATION, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    display,
    problem::Problem,
    query::Query,
    request::{JsonBody, Members},
    token::Caller,
};

/// Elements of `reads` of one request.
pub(crate) const READS_MAX: usize = 1000;

/// The body of `POST /cache/warming`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    reads: Vec<WantedRead>,
    all: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedRead {
    name: String,
    /// `null` or left out: what its `warm` names.
    #[serde(default)]
    params: Option<Members>,
}

/// `POST /cache/warming`: begins one, and answers where to see how far it is.
pub(crate) async fn begin(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Response, Problem> {
    let alacena = app.alacena();
    let run = match (wanted.all, wanted.reads.len()) {
        (true, 0) => alacena.warm_all(&caller.who)?,
        (false, 1..=READS_MAX) => {
            let calls = wanted.reads.iter().map(|read| call(alacena, read));
            alacena.warm(&calls.collect::<Result<Vec<_>, Error>>()?, &caller.who)?
        }
        (true, _) | (false, 0) => {
            let detail = "say what is to be warm: `reads`, or `all` for everything that is declared so";
            return Err(Error::new(&catalogue::PARAMETER_INVALID, detail).into());
        }
        (false, many) => {
            let detail = format!("`reads` holds {many}; a warming has at most {READS_MAX}");
            return Err(Error::new(&catalogue::BATCH_TOO_LARGE, detail).into());
        }
    };
    let location = format!("/cache/warming/{}", run.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(shape(&run))).into_response())
}

fn call(alacena: &Alacena, wanted: &WantedRead) -> Result<WarmCall, Error> {
    let read = alacena.declared_read(&wanted.name)?;
    let given = wanted.params.as_ref();
    let parameters = given.map(|given| Parameters::from_json(&read.parameters, given.iter())).transpose();
    let parameters = parameters.map_err(|error| error.with("read", &wanted.name))?;
    Ok(WarmCall { read: read.name.clone(), parameters })
}

/// `GET /cache/warming`: those under way and those that have ended last, newest first.
pub(crate) async fn list(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response, Problem> {
    let query = Query::read(raw.as_deref(), &["format"])?;
    let runs = app.alacena().warmings();
    display::answer(&query, json!({ "warmings": runs.iter().map(summary).collect::<Vec<_>>() }))
}

/// `GET /cache/warming/{id}`: how far one is.
pub(crate) async fn one(
    State(app): State<App>,
    RawQuery(raw): RawQuery,
    Id(id): Id,
) -> Result<Response, Problem> {
    let query = Query::read(raw.as_deref(), &["format"])?;
    let unknown =
        || Error::new(&catalogue::NOT_FOUND, "there is no warming of this number, or it ended too long ago");
    let run = id.and_then(|id| app.alacena().warming(id)).ok_or_else(unknown)?;
    display::answer(&query, shape(&run))
}

/// The `{id}` of the path; `None` where it is no number.
pub(crate) struct Id(Option<u64>);

impl FromRequestParts<App> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, app).await.ok();
        let id = path.iter().flatten().find_map(|(key, value)| (key == "id").then(|| value.parse().ok()));
        Ok(Self(id.flatten()))
    }
}

fn shape(run: &WarmingRun) -> Value {
    let mut shape = summary(run);
    shape["reads"] = run.reads.iter().map(of_read).collect();
    shape
}

/// All of it but what became of each read: those can be many.
fn summary(run: &WarmingRun) -> Value {
    let sum = |count: fn(&ReadWarming) -> u64| run.reads.iter().map(count).sum::<u64>();
    json!({
        "id": run.id.to_string(),
        "trigger": run.trigger.as_str(),
        "who": run.who,
        "running": run.ended_at.is_none(),
        "startedAt": run.started_at,
        "endedAt": run.ended_at,
        "total": sum(|read| read.total),
        "done": sum(|read| read.done),
        "loaded": sum(|read| read.loaded),
        "fresh": sum(|read| read.fresh),
        "skipped": sum(|read| read.skipped_by_reason.values().sum()),
        "failed": sum(|read| read.failed_by_reason.values().sum()),
    })
}

fn of_read(read: &ReadWarming) -> Value {
    json!({
        "name": read.read,
        "total": read.total,
        "done": read.done,
        "loaded": read.loaded,
        "fresh": read.fresh,
        "skipped": read.skipped_by_reason,
        "failed": read.failed_by_reason,
        "lastProblem": read.last_problem,
    })
}
