//! `POST /mcp`: Streamable HTTP for whichever handler stands behind it.
//!
//! Host and origin have been checked by [`crate::edge`] before a request comes here, and its caller by
//! [`crate::token`].

use std::{mem, sync::Arc};

use alacena::runtime::BoxFuture;
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        SessionManager, StreamableHttpServerConfig, StreamableHttpService,
        session::{local::LocalSessionManager, never::NeverSessionManager},
    },
};

use super::direct::{Direct, Taken};
use crate::{app::App, body, problem::Problem, settings::ServerSettings};

/// The endpoint, whoever answers behind it.
pub(crate) struct McpService {
    answer: Box<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>,
    has_sessions: bool,
    direct: Option<Direct>,
}

impl McpService {
    /// Over a handler that needs nothing of an earlier request: what the revisions before 2026-07-28 call a session
    /// is never begun.
    pub(crate) fn stateless(handler: impl ServerHandler + Clone, settings: &ServerSettings) -> Self {
        Self::new(handler, NeverSessionManager::default(), config(settings).with_legacy_session_mode(false))
    }

    /// Over a handler that asks the client while a request runs, for which those revisions need a session.
    pub(crate) fn with_sessions(handler: impl ServerHandler + Clone, settings: &ServerSettings) -> Self {
        Self::new(handler, LocalSessionManager::default(), config(settings))
    }

    fn new(
        handler: impl ServerHandler + Clone,
        sessions: impl SessionManager,
        config: StreamableHttpServerConfig,
    ) -> Self {
        let has_sessions = config.legacy_session_mode;
        let service = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(sessions), config);
        let answer = move |request| -> BoxFuture<'static, Response> {
            let service = service.clone();
            Box::pin(async move { service.handle(request).await.map(Body::new) })
        };
        Self { answer: Box::new(answer), has_sessions, direct: None }
    }

    /// The same with a way for calls that need nothing of the protocol but their answer.
    pub(crate) fn with_direct(self, direct: Direct) -> Self {
        Self { direct: Some(direct), ..self }
    }

    /// Whether clients before 2026-07-28 get a session.
    pub(crate) fn has_sessions(&self) -> bool {
        self.has_sessions
    }
}

fn config(settings: &ServerSettings) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_max_request_body_bytes(settings.request_bytes_max)
        // `edge` has done it, by the same rules as for every other path.
        .disable_allowed_hosts()
}

/// `POST /mcp`.
pub(crate) async fn streamable_http(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let mut arriving = Request::new(body);
    // Its limit stands there; what is behind needs nothing of it but the `App`.
    mem::swap(arriving.extensions_mut(), &mut parts.extensions);
    let body = body::whole(arriving, &app).await?;
    if let Some(direct) = &app.mcp().direct {
        match direct.take(&app, &parts.headers, &body).await {
            Taken::Answered(response) => return Ok(response),
            Taken::Begun(begun) => {
                parts.extensions.insert(begun);
            }
            Taken::Left => {}
        }
    }
    parts.extensions.insert(app.clone());
    let request = Request::from_parts(parts, Body::from(body));
    Ok((app.mcp().answer)(request).await)
}
