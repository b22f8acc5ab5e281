//! `POST /reads/{name}/batch`: one read asked many times in one request.
//!
//! Answers leave in the order of their calls, each as soon as it and those before it are there: what a batch holds at
//! once is a handful of answers, however large they are together. Nobody waits while holding what others need, because
//! every call is asked for itself.

use std::{convert::Infallible, sync::Arc};

use alacena::{
    Ask, DeclaredRead,
    declared::Parameters,
    error::{Error, catalogue},
    outcome::{Origin, Outcome},
    value::Body,
};
use axum::{
    Extension,
    body::{Body as HttpBody, Bytes},
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    answer::absent,
    app::App,
    cache_status::cache_status,
    problem::{self, Problem},
    representation::EntityTag,
    request::{JsonBody, Members, Name, after, credentials, mode},
    token::Caller,
};

/// Calls in one batch.
pub(crate) const CALLS_MAX: usize = 100;
/// Calls of one batch that are asked at once: a batch must not take every place at a source.
pub(crate) const RUNNING_MAX: usize = 16;

/// The body of a batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    calls: Vec<Members>,
}

/// `POST /reads/{name}/batch`.
pub(crate) async fn by_bodies(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    headers: HeaderMap,
    JsonBody(Batch { calls }): JsonBody<Batch>,
) -> Result<Response, Problem> {
    let read = app.alacena().declared_read(&name)?;
    caller.may_ask(&app, &read)?;
    if calls.len() > CALLS_MAX {
        let detail = format!("`calls` holds {}; a batch has at most {CALLS_MAX}", calls.len());
        return Err(Error::new(&catalogue::BATCH_TOO_LARGE, detail).into());
    }
    let ask = Ask {
        credentials: credentials(&read.credentials, &headers)?,
        mode: mode(&headers, caller.role),
        after: after(app.alacena(), &headers)?,
        ..Ask::default()
    };
    let varies = HeaderValue::try_from(read.credentials.join(", ")).ok().filter(|varies| !varies.is_empty());
    let asking = Asking { read, ask, sees_cache: caller.sees_cache };
    let body = HttpBody::from_stream(asking.answers(calls).map(Ok::<_, Infallible>));
    let mut response = ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response();
    if let Some(varies) = varies {
        response.headers_mut().insert(VARY, varies);
    }
    Ok(response)
}

/// What the calls of a batch have in common.
struct Asking {
    read: DeclaredRead,
    ask: Ask,
    sees_cache: bool,
}

impl Asking {
    /// The document `{"answers": […]}` in pieces.
    fn answers(self, calls: Vec<Members>) -> impl Stream<Item = Bytes> + Send + 'static {
        let asking = Arc::new(self);
        let answers = stream::iter(calls)
            .map(move |call| {
                let asking = Arc::clone(&asking);
                async move { asking.one(&call).await }
            })
            .buffered(RUNNING_MAX)
            .enumerate()
            .flat_map(|(at, pieces)| {
                let comma = if at == 0 { "" } else { "," };
                stream::iter([Bytes::from_static(comma.as_bytes())].into_iter().chain(pieces))
            });
        let opening = stream::iter([Bytes::from_static(b"{\"answers\":[")]);
        let closing = stream::iter([Bytes::from_static(b"]}")]);
        opening.chain(answers).chain(closing).filter(|piece| std::future::ready(!piece.is_empty()))
    }

    async fn one(&self, call: &Members) -> [Bytes; 3] {
        match self.outcome(call).await {
            Ok(outcome) => self.answered(&outcome),
            Err(error) => failed(&error, Map::new()),
        }
    }

    async fn outcome(&self, call: &Members) -> Result<Outcome<Body>, Error> {
        let parameters = Parameters::from_json(&self.read.parameters, call.iter())?;
        self.read.ask(parameters, self.ask.clone()).await
    }

    fn answered(&self, outcome: &Outcome<Body>) -> [Bytes; 3] {
        let mut facts = Map::new();
        // As in the header of a single answer: what has just been made has no age.
        if outcome.origin() != Origin::Source {
            facts.insert("age".to_owned(), outcome.age().as_secs().into());
        }
        if self.sees_cache {
            facts.insert("cacheStatus".to_owned(), cache_status(outcome, self.ask.mode).into());
        }
        let Some(body) = outcome.value() else { return failed(&absent(&self.read), facts) };
        let mut head = json!({ "status": StatusCode::OK.as_u16(), "etag": EntityTag::of(body).as_str() });
        head.as_object_mut().expect("it has just been made as one").append(&mut facts);
        // The value goes out byte for byte, as a single answer does: read and written again, its numbers might change.
        let mut opening = head.to_string();
        opening.truncate(opening.len() - 1);
        opening.push_str(",\"body\":");
        [opening.into(), body.bytes().clone(), Bytes::from_static(b"}")]
    }
}

fn failed(error: &Error, mut facts: Map<String, Json>) -> [Bytes; 3] {
    problem::log_mistake(error);
    let mut answer = Map::new();
    answer.insert("status".to_owned(), problem::status(error.code()).as_u16().into());
    answer.append(&mut facts);
    answer.insert("problem".to_owned(), problem::document(error));
    [Json::Object(answer).to_string().into(), Bytes::new(), Bytes::new()]
}
