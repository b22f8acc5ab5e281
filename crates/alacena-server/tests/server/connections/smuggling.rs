//! Requests that two readers could take for different ones: a proxy in front of us for one, we for two.

use super::{open, rest_of};
use crate::support::Running;

const POST: &str = "POST /reads/item HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
/// What an attacker hides in the body of another request.
const HIDDEN: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// A sound request of the same connection, before it.
const BEFORE: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Fields of a `POST`, its body, and what the answer says; nothing where hyper refuses the head by itself.
const CORPUS: &[(&str, &str, &str)] = &[
    // Two lengths.
    ("content-length: 4\r\ncontent-length: 0\r\n", "{}  ", ""),
    ("content-length: 4\r\ncontent-length: 4\r\n", "{}  ", "request-ambiguous"),
    ("content-length: 4, 4\r\n", "{}  ", ""),
    ("content-length: +4\r\n", "{}  ", ""),
    ("content-length: 0x4\r\n", "{}  ", ""),
    ("content-length: -1\r\n", "{}  ", ""),
    ("content-length: 4 0\r\n", "{}  ", ""),
    ("content-length:\r\n", "{}  ", ""),
    ("content-length: 18446744073709551620\r\n", "{}  ", ""),
    ("content-length : 4\r\n", "{}  ", ""),
    ("content-length\t: 4\r\n", "{}  ", ""),
    (" content-length: 4\r\n", "{}  ", ""),
    ("content_length: 4\r\ncontent-length: 4, 0\r\n", "{}  ", ""),
    // A length and chunks.
    ("content-length: 60\r\ntransfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", "request-ambiguous"),
    ("transfer-encoding: chunked\r\ncontent-length: 60\r\n", "2\r\n{}\r\n0\r\n\r\n", "request-ambiguous"),
    ("Transfer-Encoding: Chunked\r\nCONTENT-LENGTH: 5\r\n", "0\r\n\r\n", "request-ambiguous"),
    ("content-length: 5\r\ntransfer-encoding:\tchunked\r\n", "0\r\n\r\n", "request-ambiguous"),
    ("content-length: 5\r\ntransfer-encoding: gzip, chunked\r\n", "0\r\n\r\n", "request-ambiguous"),
    ("transfer-encoding: chunked\r\ncontent-length: x\r\n", "0\r\n\r\n", "request-ambiguous"),
    // A coding that only some readers know.
    ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n", ""),
    ("transfer-encoding: identity\r\ncontent-length: 2\r\n", "{}", ""),
    ("transfer-encoding: xchunked\r\n", "0\r\n\r\n", ""),
    ("transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n", ""),
    ("transfer-encoding: chunked;\r\n", "0\r\n\r\n", ""),
    ("transfer-encoding : chunked\r\n", "0\r\n\r\n", ""),
    ("transfer-encoding:\x0bchunked\r\n", "0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n", ""),
    ("transfer\x00-encoding: chunked\r\n", "0\r\n\r\n", ""),
    // Lines that do not end as lines do.
    ("x: a\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", "request-ambiguous"),
    ("x: a\ncontent-length: 4\r\n", "{}  ", "request-ambiguous"),
    ("content-length: 4\n", "{}  ", "request-ambiguous"),
    ("x: a\n\n", "", "request-ambiguous"),
    ("x: a\rcontent-length: 4\r\n", "{}  ", ""),
    ("x: a\r\rcontent-length: 4\r\n", "{}  ", ""),
    ("x-folded: a\r\n content-length: 4\r\n", "{}  ", ""),
    ("x-folded: a\r\n\tcontent-length: 4\r\n", "{}  ", ""),
    // Chunks that do not add up.
    ("transfer-encoding: chunked\r\n", "z\r\n{}\r\n0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\n", "-1\r\n", ""),
    ("transfer-encoding: chunked\r\n", "+2\r\n{}\r\n0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\n", " 2\r\n{}\r\n0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\n", "2\n{}\n0\n\n", ""),
    ("transfer-encoding: chunked\r\n", "2\r{}\r0\r\r", ""),
    ("transfer-encoding: chunked\r\n", "2\r\n{}0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\n", "2\r\n{}xx\r\n0\r\n\r\n", ""),
    ("transfer-encoding: chunked\r\n", "10000000000000000\r\n", ""),
    ("transfer-encoding: chunked\r\n", "2;a\n{}\r\n{}\r\n0\r\n\r\n", ""),
];

#[tokio::test]
async fn of_a_request_with_two_readings_nothing_is_taken_for_a_second_one() {
    let server = Running::start("").await;
    for (fields, body, says) in CORPUS {
        for before in ["", BEFORE] {
            let request = format!("{before}{POST}{fields}\r\n{body}{HIDDEN}");
            let answers = rest_of(open(server.address, request.as_bytes()).await).await;
            let last = answers.rsplit("HTTP/1.1 ").next().unwrap();
            assert!(last.starts_with("400"), "{fields:?} {body:?}: {answers}");
            assert!(last.contains(says), "{fields:?} {body:?}: {answers}");
            let expected = 1 + usize::from(!before.is_empty());
            assert_eq!(answers.matches("HTTP/1.1 ").count(), expected, "{fields:?} {body:?}: {answers}");
        }
    }
    assert_eq!(server.upstream.calls(), 0);
}

/// Who takes a line feed alone for the end of a body sees a request behind it; who does not, trailers.
#[tokio::test]
async fn after_a_body_with_two_ends_nothing_is_answered() {
    let server = Running::start("").await;
    let body = "9\r\n{\"id\": 7}\r\n0\r\n\n";
    let last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    for next in
        [BEFORE.to_owned(), format!("{POST}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n")]
    {
        let requests = format!("{POST}transfer-encoding: chunked\r\n\r\n{body}{HIDDEN}{next}{last}");
        let answers = rest_of(open(server.address, requests.as_bytes()).await).await;
        let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["200", "400"], "{answers}");
        assert!(answers.contains("request-ambiguous"), "{answers}");
    }
}

/// First lines that could be more than one request, or another one.
#[tokio::test]
async fn a_first_line_with_two_readings_is_refused() {
    let server = Running::start("").await;
    for line in [
        "GET /health HTTP/1.1\n",
        "GET /health HTTP/1.1 \r\n",
        "GET  /health HTTP/1.1\r\n",
        "GET\t/health HTTP/1.1\r\n",
        " GET /health HTTP/1.1\r\n",
        "GET /he alth HTTP/1.1\r\n",
        "GET /health\r\n",
        "GET /health HTTP/1.2\r\n",
        "GET /health HTTP/9.9\r\n",
        "GET /health http/1.1\r\n",
        "G\u{0}T /health HTTP/1.1\r\n",
        "GET /he\u{0}alth HTTP/1.1\r\n",
        "GET /he\u{7f}alth HTTP/1.1\r\n",
        "\nGET /health HTTP/1.1\r\n",
    ] {
        let request = format!("{line}host: localhost\r\n\r\n{HIDDEN}");
        let answer = rest_of(open(server.address, request.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{line:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{line:?}: {answer}");
    }
}

#[tokio::test]
async fn two_hosts_are_none() {
    let server = Running::start("").await;
    for hosts in ["host: localhost\r\nhost: localhost\r\n", "Host: localhost\r\nHOST: evil.example\r\n"] {
        let request = format!("GET /health HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let answer = rest_of(open(server.address, request.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("host-refused"), "{answer}");
    }
}

#[tokio::test]
async fn requests_that_follow_one_another_without_waiting_are_all_answered() {
    let server = Running::start("").await;
    let sized = format!("{POST}content-length: 9\r\n\r\n{{\"id\": 7}}");
    let chunked = format!(
        "{POST}transfer-encoding: chunked\r\n\r\n4\r\n{{\"id\r\n5;x=y\r\n\": 7}}\r\n0\r\na: b\r\n\r\n"
    );
    let requests = [BEFORE, &sized, &chunked, BEFORE, &chunked, &sized].concat();
    let last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answers = rest_of(open(server.address, (requests + last).as_bytes()).await).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 7, "{answers}");
}
