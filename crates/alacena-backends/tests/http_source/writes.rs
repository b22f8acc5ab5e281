//! What a write sends, and what is known about it afterwards.

use std::{sync::Arc, time::Duration};

use alacena_backends::http::{HttpQuestion, HttpSettings, HttpSource};
use alacena_core::{
    error::{Error, catalogue},
    source::Delivery,
    value::Body,
};
use alacena_testkit::FakeRuntime;
use serde_json::json;

use crate::{
    call,
    peer::{Peer, Reply, head, reply},
    question, settings,
};

/// Delivers `POST /jobs` on a runtime whose clock stands still.
async fn deliver(base: &str) -> Delivery {
    send(base, question("POST /jobs"), &[]).await
}

async fn send(base: &str, write: HttpQuestion, given: &[(&str, &str)]) -> Delivery {
    let source =
        HttpSource::open(HttpSettings { retries: 3, ..settings(base) }, Arc::new(FakeRuntime::new(1)));
    source.unwrap().write(write).unwrap().deliver(call(given)).await
}

fn done(delivery: Delivery) -> Body {
    match delivery {
        Delivery::Done(body) => body,
        other => panic!("not done: {other:?}"),
    }
}

fn unknown(delivery: Delivery) -> Error {
    match delivery {
        Delivery::Unknown(error) => error,
        other => panic!("not unknown: {other:?}"),
    }
}

fn refused(delivery: Delivery) -> Error {
    match delivery {
        Delivery::Refused(error) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn parameters_that_nothing_else_uses_are_the_document() {
    let peer = Peer::start([reply("201 Created", &[], "{\"id\": 7}")]).await;
    let given = [("id", "7"), ("name", "Ana"), ("q", "1")];
    assert_eq!(
        done(send(&peer.base, question("PUT /jobs/{id}?q={q}"), &given).await).bytes().as_ref(),
        b"{\"id\": 7}"
    );
    done(send(&peer.base, question("POST /jobs"), &[]).await);
    done(send(&peer.base, question("DELETE /jobs/{id}"), &given[..1]).await);
    let declared =
        HttpQuestion { body: Some(json!({"job": {"name": "{name}"}})), ..question("PATCH /jobs/{id}") };
    done(send(&peer.base, declared, &given).await);

    let received = peer.received();
    let sent: Vec<(&str, &str)> =
        received.iter().map(|request| (request.line(), request.body.as_str())).collect();
    assert_eq!(
        sent,
        [
            ("PUT /jobs/7?q=1 HTTP/1.1", r#"{"name":"Ana"}"#),
            ("POST /jobs HTTP/1.1", "{}"),
            ("DELETE /jobs/7 HTTP/1.1", ""),
            ("PATCH /jobs/7 HTTP/1.1", r#"{"job":{"name":"Ana"}}"#),
        ]
    );
    assert_eq!(received[2].header("content-type"), None);
}

#[tokio::test]
async fn an_answer_without_a_body_is_null() {
    for reply in [Reply::Whole(head("204 No Content", &[])), reply("200 OK", &["content-encoding: gzip"], "")]
    {
        let peer = Peer::start([reply]).await;
        assert_eq!(done(deliver(&peer.base).await).bytes().as_ref(), b"null");
    }
}

#[tokio::test]
async fn a_no_is_told_apart_from_an_unknown_end_and_nothing_is_sent_twice() {
    for status in ["400 Bad", "401 No", "403 No", "404 No", "409 No", "410 No", "422 Bad", "429 Too Many"] {
        let peer = Peer::start([reply(status, &["retry-after: 0"], "")]).await;
        let error = refused(deliver(&peer.base).await);
        assert_eq!(error.context(), [("status", status[..3].to_owned()), ("source", "crm".to_owned())]);
        assert_eq!(peer.received().len(), 1);
    }
    for reply in [
        reply("408 Slow", &[], ""),
        reply("500 Oops", &[], ""),
        reply("502 Gateway", &[], ""),
        reply("503 Busy", &["retry-after: 0"], ""),
        reply("302 Found", &["location: /elsewhere"], ""),
        reply("200 OK", &[], "not JSON"),
        reply("200 OK", &[], vec![b' '; 3 << 20]),
        Reply::Broken(Vec::new()),
        Reply::Broken(head("200 OK", &["content-length: 5"])),
    ] {
        let peer = Peer::start([reply]).await;
        unknown(deliver(&peer.base).await);
        assert_eq!(peer.received().len(), 1);
    }
}

#[tokio::test]
async fn what_was_never_sent_is_refused() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(deliver(&format!("http://{unused}")).await);
    assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
    let error =
        refused(send(&format!("http://{unused}"), question("DELETE /jobs/{id}"), &[("id", "..")]).await);
    assert_eq!(error.code(), &catalogue::PARAMETER_INVALID);
}

#[tokio::test]
async fn after_a_redirect_nobody_knows() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer =
        Peer::start([Reply::Broken(head("307 Temporary", &["location: /jobs/", "content-length: 0"]))]).await;
    unknown(deliver(&peer.base).await);
    let away = reply("307 Temporary", &[&format!("location: http://{unused}/jobs")], "");
    unknown(deliver(&Peer::start([away]).await.base).await);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the write runs beside the test")]
async fn a_write_without_an_answer_ends_unknown_after_its_time() {
    let peer = Peer::start([Reply::Silence]).await;
    let runtime = FakeRuntime::new(1);
    let settings = HttpSettings { write_timeout: Duration::from_secs(30), ..settings(&peer.base) };
    let source = HttpSource::open(settings, Arc::new(runtime.clone())).unwrap();
    let write = source.write(question("POST /jobs")).unwrap();
    let delivery = tokio::spawn(write.deliver(call(&[])));
    peer.arrival().await;
    runtime.advance(Duration::from_secs(29)).await;
    assert!(!delivery.is_finished());
    runtime.advance(Duration::from_secs(1)).await;
    let error = unknown(delivery.await.unwrap());
    assert_eq!(error.code(), &catalogue::SOURCE_TIMEOUT);
    assert_eq!(error.detail(), "no answer to the write within 30s");
    peer.deserted().await;
}
