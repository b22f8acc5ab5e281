//! Is it alive, is it ready: for whoever starts and stops processes. Says nothing that a stranger could use.

use alacena::Status;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::app::App;

/// `GET /health`: the process answers.
pub(crate) async fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// `GET /health/ready`: it should be sent requests.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let status = app.alacena().health().status;
    let word = if app.is_draining() { "draining" } else { status.as_str() };
    let ready = !app.is_draining() && status != Status::Down;
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": ready, "status": word }))).into_response()
}
