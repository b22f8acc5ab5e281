//! Whatever could have shifted an answer ends the connection.

use std::{pin::pin, time::Duration};

use alacena_backends::redis::{
    Cause, Failure, Settings,
    resp::{Command, Limits, Malformed},
};
use alacena_testkit::settle;
use futures_util::FutureExt;

use crate::peer::{LONG, Pair, pair, pair_with};

fn ping() -> Command {
    Command::new("PING")
}

/// What two callers and one that comes later are told once the server has said `bytes`, and whether the other side then
/// sees the connection closed.
async fn say(bytes: &str) -> (Result<String, Failure>, Result<String, Failure>, Failure, bool) {
    let Pair { connection, mut session, told, .. } = pair().await;
    let (first, second) = (connection.call(&ping(), LONG), connection.call(&ping(), LONG));
    session.heard().await;
    session.heard().await;
    session.say(bytes).await;
    let text = |reply: Result<alacena_backends::redis::resp::Frame, Failure>| {
        reply.map(|frame| frame.text().unwrap_or_default().to_owned())
    };
    let (first, second) = (text(first.await), text(second.await));
    settle().await;
    let late = connection.call(&ping(), LONG).await.expect_err("it has ended");
    assert_eq!(told.lock().len(), 1, "its owner is told once");
    (first, second, late, session.listen().await.is_none())
}

#[tokio::test]
async fn garbage_ends_the_connection_for_everybody() {
    let lost = |malformed| Failure::Lost(Cause::Malformed(malformed));
    for (bytes, malformed) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", Malformed::Type(b'H')),
        ("$3\r\nabcd\r\n", Malformed::BulkEnd),
        ("$?\r\n", Malformed::Streamed),
    ] {
        let (first, second, late, is_closed) = say(bytes).await;
        assert_eq!((first, second), (Err(lost(malformed)), Err(lost(malformed))), "{bytes:?}");
        assert_eq!((late, is_closed), (Failure::Down(Some(Cause::Malformed(malformed))), true), "{bytes:?}");
    }
    let (first, second, ..) = say("+1\r\nx").await;
    assert_eq!(first, Ok("1".to_owned()), "what came before is an answer");
    assert_eq!(second, Err(lost(Malformed::Type(b'x'))));
}

#[tokio::test]
async fn an_answer_too_many_ends_the_connection() {
    let (first, second, late, is_closed) = say("+1\r\n+2\r\n+3\r\n").await;
    assert_eq!((first, second), (Ok("1".to_owned()), Ok("2".to_owned())));
    assert_eq!((late, is_closed), (Failure::Down(Some(Cause::Unasked)), true));
}

#[tokio::test]
async fn an_answer_beyond_the_limits_ends_the_connection() {
    let answer = Limits { frame_bytes_max: 1024, ..Limits::default() };
    let Pair { connection, mut session, .. } = pair_with(Settings { answer, ..Settings::default() }).await;
    let call = connection.call(&ping(), LONG);
    session.heard().await;
    session.say("$1025\r\n").await;
    assert_eq!(call.await, Err(Failure::Lost(Cause::Malformed(Malformed::TooLarge))));
}

#[tokio::test]
async fn a_server_that_goes_away_is_told_from_one_that_never_got_the_command() {
    let Pair { connection, mut session, .. } = pair().await;
    let sent = connection.call(&ping(), LONG);
    session.heard().await;
    drop(session);
    assert_eq!(sent.await, Err(Failure::Lost(Cause::Ended)));
    assert_eq!(connection.call(&ping(), LONG).await, Err(Failure::Down(Some(Cause::Ended))));
}

#[tokio::test]
async fn a_server_that_says_nothing_for_too_long_loses_the_connection_whoever_still_waits() {
    let Pair { connection, mut session, runtime, told } = pair().await;
    drop(connection.call(&ping(), Duration::from_millis(50)));
    runtime.advance(Duration::from_millis(300)).await;
    let mut waits = pin!(connection.call(&ping(), LONG));
    runtime.advance(Duration::from_millis(699)).await;
    assert!(waits.as_mut().now_or_never().is_none());
    runtime.advance(Duration::from_millis(1)).await;
    assert_eq!(waits.await, Err(Failure::Lost(Cause::Silent)), "the first is a second old");
    assert_eq!(*told.lock(), [Cause::Silent.to_string()]);
    assert_eq!([session.heard().await, session.heard().await], ["PING", "PING"]);
    assert_eq!(session.listen().await, None);
}

#[tokio::test]
async fn a_server_that_answers_slowly_but_in_time_keeps_the_connection() {
    let Pair { connection, mut session, runtime, .. } = pair().await;
    for _ in 0..5 {
        let call = connection.call(&ping(), LONG);
        runtime.advance(Duration::from_millis(800)).await;
        session.say("+PONG\r\n").await;
        assert!(call.await.is_ok());
    }
    runtime.advance(Duration::from_secs(60)).await;
    assert_eq!(runtime.sleepers(), 0, "where nothing is asked, nothing ticks");
    let call = connection.call(&ping(), LONG);
    session.say("+PONG\r\n").await;
    assert!(call.await.is_ok());
}

#[tokio::test]
async fn closing_tells_whoever_waits_and_the_other_side() {
    let Pair { connection, mut session, told, .. } = pair().await;
    let call = connection.call(&ping(), LONG);
    session.heard().await;
    connection.close();
    assert_eq!(call.await, Err(Failure::Closed));
    assert_eq!(connection.call(&ping(), LONG).await, Err(Failure::Closed));
    assert_eq!(*told.lock(), [Cause::Closed.to_string()]);
    assert_eq!(session.listen().await, None);

    let Pair { connection, mut session, .. } = pair().await;
    let call = connection.call(&ping(), LONG);
    session.heard().await;
    drop(connection);
    assert_eq!(call.await, Err(Failure::Closed), "dropping closes, too");
    assert_eq!(session.listen().await, None);
}
