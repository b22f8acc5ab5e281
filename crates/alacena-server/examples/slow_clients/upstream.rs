//! A source, good and bad.

use std::{convert::Infallible, io::Write as _, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use tokio::net::TcpListener;

use crate::Outcome;

const JSON: (axum::http::HeaderName, &str) = (CONTENT_TYPE, "application/json");

pub(crate) async fn start() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let bomb = Bytes::from(bomb()?);
    let large: Arc<str> = format!("\"{}\"", "x".repeat(400_000)).into();
    let router = Router::new()
        .route("/items/{id}", get(|Path(id): Path<u64>| async move { ([JSON], format!("{{\"id\":{id}}}")) }))
        .route("/large", get(|| async move { ([JSON], large.to_string()) }))
        .route("/endless", get(endless))
        .route("/bomb", get(|| async move { ([JSON, (CONTENT_ENCODING, "gzip")], bomb) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Spaces, which JSON allows before a value, and never the value.
async fn endless() -> impl IntoResponse {
    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    let pieces = stream::repeat_with(move || Ok::<_, Infallible>(piece.clone()));
    ([JSON], Body::from_stream(pieces))
}

/// A gigabyte of spaces.
fn bomb() -> Outcome<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..1024 {
        gzip.write_all(&piece)?;
    }
    Ok(gzip.finish()?)
}
