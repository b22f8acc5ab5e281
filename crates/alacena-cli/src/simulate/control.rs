//! The simulator's own routes: how it fails, how slow it is, what it has counted. They need no key and never fail.

use std::sync::Arc;

use axum::{
    Json as JsonBody, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::json;

use super::{
    Simulated, api,
    switch::{Behaviour, Failure},
};

type Shared = State<Arc<Simulated>>;

pub(super) fn routes() -> Router<Arc<Simulated>> {
    Router::new()
        .route("/simulator/failure", put(failure))
        .route("/simulator/latency", put(latency))
        .route("/simulator/calls", get(calls))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureChange {
    mode: String,
    /// The share of calls that fail; all of them where it is absent.
    rate: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyChange {
    latency: String,
}

async fn failure(State(simulated): Shared, body: Bytes) -> Response {
    let change: FailureChange = match read(&body) {
        Ok(change) => change,
        Err(wrong) => return *wrong,
    };
    let Ok(mode) = Failure::from_str(&change.mode, false) else {
        return api::refuse(StatusCode::BAD_REQUEST, "mode is none, 500, reset, hang or 429");
    };
    let rate = change.rate.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&rate) {
        return api::refuse(StatusCode::BAD_REQUEST, "rate is between 0 and 1");
    }
    show(simulated.switch.change(|behaviour| (behaviour.failure, behaviour.fail_rate) = (mode, rate)))
}

async fn latency(State(simulated): Shared, body: Bytes) -> Response {
    let change: LatencyChange = match read(&body) {
        Ok(change) => change,
        Err(wrong) => return *wrong,
    };
    match change.latency.parse() {
        Ok(latency) => show(simulated.switch.change(|behaviour| behaviour.latency = latency)),
        Err(wrong) => api::refuse(StatusCode::BAD_REQUEST, wrong),
    }
}

/// Reads a body whatever media type it claims: `curl -d` alone claims a form.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Box<Response>> {
    serde_json::from_slice(body)
        .map_err(|error| api::refuse(StatusCode::BAD_REQUEST, error.to_string()).into())
}

async fn calls(State(simulated): Shared) -> Response {
    JsonBody(simulated.switch.calls()).into_response()
}

fn show(behaviour: Behaviour) -> Response {
    let mode = behaviour.failure.to_possible_value().expect("no mode is hidden");
    let (mode, rate) = (mode.get_name(), behaviour.fail_rate);
    JsonBody(json!({ "mode": mode, "rate": rate, "latency": behaviour.latency.to_string() })).into_response()
}
