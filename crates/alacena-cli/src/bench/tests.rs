//! Loads against peers that say exactly what the test wants: nothing here depends on how fast they are.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use alacena::SystemRuntime;

use super::{Arrivals, Load, Question, Tally};

/// A server that does this with each of its connections.
fn peer(with: impl Fn(TcpStream) + Send + Clone + 'static) -> Question {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let with = with.clone();
            thread::Builder::new().spawn(move || with(stream)).unwrap();
        }
    };
    thread::Builder::new().spawn(accept).unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {authority}\r\n\r\n").into_bytes();
    Question { authority, request }
}

/// Reads one request; false where there is none any more.
fn requested(stream: &mut TcpStream) -> bool {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        request.push(byte[0]);
    }
    true
}

async fn run(question: Question, arrivals: Arrivals, connections: usize) -> Tally {
    let load = Load { question, arrivals, duration: Duration::from_millis(100), connections };
    load.run(&SystemRuntime::shared(), |_| {}).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_read_whole_however_it_arrives() {
    let question = peer(|mut stream| {
        while requested(&mut stream) {
            let body = "x".repeat(100_000);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncache-status: Alacena; hit\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            for part in [&answer[..20], &answer[20..70], &answer[70..50_000], &answer[50_000..]] {
                stream.write_all(part.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        }
    });
    let tally = run(question, Arrivals::Open { per_second: 200.0 }, 3).await;
    assert_eq!((tally.questions, tally.answered(), tally.hits, tally.failed()), (20, 20, 20, 0));
    assert_eq!(tally.unanswered(), 0);
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_asked_anew() {
    let question = peer(|mut stream| {
        assert!(requested(&mut stream));
        stream
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    });
    let tally = run(question, Arrivals::Open { per_second: 100.0 }, 2).await;
    assert_eq!((tally.refused.get(&503), tally.answered(), tally.broken.0), (Some(&10), 0, 0));
}

#[tokio::test]
async fn where_nobody_is_questions_stay_unanswered_and_nothing_hangs() {
    let question = peer(drop);
    let tally = run(question, Arrivals::Open { per_second: 1_000.0 }, 2).await;
    assert_eq!(
        (tally.questions, tally.broken.0, tally.unanswered()),
        (100, 20, 80),
        "ten in a row are enough"
    );
    let nowhere = Question { authority: "127.0.0.1:1".to_owned(), request: Vec::new() };
    let tally = run(nowhere, Arrivals::Closed, 3).await;
    assert_eq!((tally.broken.0, tally.answered(), tally.unanswered()), (tally.questions, 0, 0));
    assert!(tally.questions <= 30, "ten in a row are enough");
}
