//! Answers that are too much.

use std::io::Write;

use alacena_backends::http::HttpSettings;
use alacena_core::error::{Retry, catalogue};
use flate2::{Compression, write::GzEncoder};

use crate::{
    ask, found, open,
    peer::{Peer, Reply, head, reply},
    settings,
};

const CHUNKED: &str = "transfer-encoding: chunked";
const GZIP: &str = "content-encoding: gzip";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn array(bytes: usize) -> String {
    format!("[{}1]", "1,".repeat((bytes - 3) / 2))
}

#[tokio::test]
async fn ten_megabytes_are_refused_before_they_are_read() {
    let body = array(10 << 20);
    let peer = Peer::start([reply("200 OK", &[], &body)]).await;
    let error = ask(&open(settings(&peer.base))).await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (&catalogue::ANSWER_TOO_LARGE, Retry::Never));
    assert_eq!(error.detail(), "it has more than 2097152 bytes");
    assert_eq!(peer.received().len(), 1, "the next answer would be as large");

    let generous = open(HttpSettings { body_bytes_max: 10 << 20, ..settings(&peer.base) });
    assert_eq!(found(ask(&generous).await), body);
}

#[tokio::test]
async fn an_infinite_body_is_cut_off_at_the_limit() {
    let peer = Peer::start([Reply::Endless(head("200 OK", &[CHUNKED]))]).await;
    let error = ask(&open(settings(&peer.base))).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::ANSWER_TOO_LARGE);
    peer.deserted().await;
    // Two megabytes were read; the rest is what the system's socket buffers took before the line went dead.
    assert!(peer.sent() < 64 << 20, "{} bytes", peer.sent());
}

#[tokio::test]
async fn gzip_is_read_and_a_bomb_is_not() {
    let numbers: String = (0..40_000).map(|number| format!("{number},")).collect();
    let honest = format!("[{numbers}0]");
    let peer = Peer::start([reply("200 OK", &[GZIP], gzip(honest.as_bytes()))]).await;
    assert_eq!(found(ask(&open(settings(&peer.base))).await), honest);
    let small = open(HttpSettings { body_bytes_max: 200_000, ..settings(&peer.base) });
    assert_eq!(ask(&small).await.unwrap_err().detail(), "it has more than 200000 bytes");

    let bomb = gzip(&vec![b' '; 10 << 20]);
    assert!(bomb.len() < 20_000);
    let peer = Peer::start([reply("200 OK", &[GZIP], bomb)]).await;
    let error = ask(&open(settings(&peer.base))).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::ANSWER_TOO_LARGE);
    assert!(error.detail().contains("more than 100 times its size"), "{error}");
}

#[tokio::test]
async fn a_coding_that_was_not_asked_for_or_is_damaged_is_refused() {
    let whole = gzip(b"[1]");
    for (headers, body) in [
        (&["content-encoding: br"][..], &whole[..]),
        (&["content-encoding: gzip, gzip"], &whole),
        (&[GZIP, GZIP], &whole),
        (&[GZIP], &whole[..whole.len() - 1]),
        (&[GZIP], b"[1]"),
    ] {
        let peer = Peer::start([reply("200 OK", headers, body)]).await;
        let error = ask(&open(settings(&peer.base))).await.unwrap_err();
        assert_eq!(error.code(), &catalogue::ANSWER_MALFORMED, "{headers:?}");
    }
    let peer = Peer::start([reply("200 OK", &["content-encoding: identity"], "[1]")]).await;
    assert_eq!(found(ask(&open(settings(&peer.base))).await), "[1]");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_an_answer() {
    for (headers, part) in [("content-length: 10", "[1,2]"), (CHUNKED, "5\r\n[1,2]\r\n")] {
        let broken = Reply::Broken([head("200 OK", &[headers]), part.into()].concat());
        let peer = Peer::start([broken]).await;
        let error = ask(&open(settings(&peer.base))).await.unwrap_err();
        assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
        assert_eq!(error.detail(), "the connection broke before the answer was complete");
        assert_eq!(peer.received().len(), 2, "the next answer may be whole");
    }
}
