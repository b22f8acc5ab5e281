//! The server without its sockets: for the fuzzers, which ask thousands of times a second.

use std::net::{Ipv4Addr, SocketAddr};

use alacena::Alacena;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::Response,
};
use tower::Service;

use crate::{app::App, routes, settings::ServerSettings, token::Peer};

/// Where the callers of [`InProcess`] seem to come from, and to be going.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Everything that stands behind a connection.
pub struct InProcess(Router);

impl InProcess {
    /// A server that is asked by calling it.
    #[must_use]
    pub fn new(alacena: Alacena, settings: ServerSettings) -> Self {
        Self(routes::router(App::new(alacena, settings, LOOPBACK)))
    }

    /// What it answers to a caller on this machine, whole.
    pub async fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(Peer(LOOPBACK));
        let answering = self.0.clone().call(Request::from_parts(parts, Body::from(body)));
        let response: Response<Body> = answering.await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
    }
}
