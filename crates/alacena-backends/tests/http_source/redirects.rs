//! Where a source may send us: somewhere else on its own host.

use alacena_backends::http::{HttpQuestion, HttpSettings};
use alacena_core::{error::catalogue, secret::Secret};
use serde_json::json;

use crate::{
    ask, ask_with, found, open,
    peer::{Peer, reply},
    question, settings,
};

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_everything_that_was_sent() {
    for (status, location) in [
        ("301 Moved", "/v2/jobs?a=1"),
        ("302 Found", "v2/jobs?a=1#top"),
        ("308 Permanent", "./v2/../v2/jobs?a=1"),
    ] {
        let redirect = reply(status, &[&format!("location: {location}")], "");
        let peer = Peer::start([redirect, reply("200 OK", &[], "1")]).await;
        let headers = vec![("authorization".to_owned(), Secret::new("Bearer 1"))];
        let source = open(HttpSettings { headers, ..settings(&peer.base) });
        assert_eq!(found(ask(&source).await), "1");
        let received = &peer.received()[1];
        assert_eq!(received.line(), "GET /v2/jobs?a=1 HTTP/1.1");
        assert_eq!(received.header("authorization"), Some("Bearer 1"));
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_and_nothing_is_sent_there() {
    let other = Peer::start([reply("200 OK", &[], "1")]).await;
    let port = other.base.rsplit(':').next().unwrap();
    for location in [
        other.base.clone(),
        format!("//127.0.0.1:{port}/jobs"),
        format!("http://localhost:{port}/jobs"),
        "https://127.0.0.1/jobs".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://[".to_owned(),
    ] {
        let peer = Peer::start([reply("302 Found", &[&format!("location: {location}")], "")]).await;
        let error = ask(&open(settings(&peer.base))).await.unwrap_err();
        assert_eq!(error.code(), &catalogue::SOURCE_FAILED, "{location}");
        assert!(error.detail().contains("redirect"), "{error}");
        assert_eq!(peer.received().len(), 1);
    }
    let peer = Peer::start([reply("302 Found", &[], "")]).await;
    assert!(ask(&open(settings(&peer.base))).await.is_err());
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn credentials_in_a_location_are_not_taken_over() {
    let peer = Peer::start([reply("200 OK", &[], "1")]).await;
    let host = peer.base.strip_prefix("http://").unwrap();
    let redirect = reply("302 Found", &[&format!("location: http://admin:1@{host}/jobs")], "");
    let peer = Peer::start([redirect]).await;
    assert!(ask(&open(settings(&peer.base))).await.is_err());
    assert_eq!(peer.received().len(), 1);
}

#[tokio::test]
async fn a_circle_ends_after_five_redirects() {
    let peer = Peer::start([reply("302 Found", &["location: /jobs"], "")]).await;
    let error = ask(&open(settings(&peer.base))).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_FAILED);
    assert!(error.detail().contains("more than 5 times"), "{error}");
    assert_eq!(peer.received().len(), 6);
}

#[tokio::test]
async fn a_document_is_sent_again_or_not_at_all() {
    let read = HttpQuestion { body: Some(json!({"a": 1})), ..question("POST /search") };
    let peer =
        Peer::start([reply("307 Temporary", &["location: /search/"], ""), reply("200 OK", &[], "1")]).await;
    assert_eq!(found(ask_with(&open(settings(&peer.base)), read.clone(), &[]).await), "1");
    assert_eq!(peer.received()[1].line(), "POST /search/ HTTP/1.1");
    assert_eq!(peer.received()[1].body, r#"{"a":1}"#);

    let peer = Peer::start([reply("303 See Other", &["location: /search/"], "")]).await;
    let error = ask_with(&open(settings(&peer.base)), read, &[]).await.unwrap_err();
    assert!(error.detail().contains("would ask something else"), "{error}");
}
