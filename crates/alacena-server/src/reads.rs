//! `/reads`: asking declared reads.

use alacena::{Ask, DeclaredRead, declared::Parameters, runtime::Moment};
use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use crate::{
    accept_encoding,
    answer::{View, answer},
    app::App,
    listing,
    problem::Problem,
    query::query_pairs,
    request::{JsonBody, Members, Name, after, credentials, mode},
    token::Caller,
};

/// `GET /reads`: what can be asked.
pub(crate) async fn list(State(app): State<App>) -> Response {
    Json(listing::reads(&app)).into_response()
}

/// `GET /reads/{name}`: parameters in the query.
pub(crate) async fn by_query(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begun = app.alacena().runtime().now();
    let read = app.alacena().declared_read(&name)?;
    caller.may_ask(&app, &read)?;
    let pairs = query_pairs(query.as_deref().unwrap_or_default())?;
    let given = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let parameters = Parameters::from_text(&read.parameters, given)?;
    let asked = Asked { read, parameters, begun, conditional: true };
    asked.answer(&app, &caller, &headers).await
}

/// `POST /reads/{name}`: parameters as a JSON object.
pub(crate) async fn by_body(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    headers: HeaderMap,
    JsonBody(members): JsonBody<Members>,
) -> Result<Response, Problem> {
    let begun = app.alacena().runtime().now();
    let read = app.alacena().declared_read(&name)?;
    caller.may_ask(&app, &read)?;
    let parameters = Parameters::from_json(&read.parameters, members.iter())?;
    let asked = Asked { read, parameters, begun, conditional: false };
    asked.answer(&app, &caller, &headers).await
}

/// A question as a request asks it.
struct Asked {
    read: DeclaredRead,
    parameters: Parameters,
    /// When the server took the request up; a body had arrived by then.
    begun: Moment,
    /// Whether the request may be answered with "not modified".
    conditional: bool,
}

impl Asked {
    async fn answer(self, app: &App, caller: &Caller, headers: &HeaderMap) -> Result<Response, Problem> {
        let Asked { read, parameters, begun, conditional } = self;
        let mode = mode(headers, caller.role);
        let gzip = accept_encoding::gzip(headers)?;
        let credentials = credentials(&read.credentials, headers)?;
        let ask = Ask { credentials, mode, gzip, after: after(app.alacena(), headers)? };
        let outcome = read.ask(parameters, ask).await?;
        let view = View {
            mode,
            gzip,
            read: &read,
            sees_cache: caller.sees_cache,
            took: app.alacena().runtime().now() - begun,
        };
        Ok(answer(&outcome, &view, conditional.then_some(headers)))
    }
}
