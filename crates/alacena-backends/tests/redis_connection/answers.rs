//! Everybody gets its own answer.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use alacena_backends::redis::{
    Cause, Failure, InFlight, RefusalReason, Settings,
    resp::{Command, Frame},
};
use alacena_core::runtime::BoxFuture;
use alacena_testkit::settle;
use futures_util::FutureExt;

use crate::peer::{LONG, Pair, Session, pair, pair_with};

fn echo(number: usize) -> Command {
    Command::new("ECHO").number(number as u64)
}

/// Answers every `ECHO` with its argument until the other side closes, every byte alone if so told.
async fn echo_all(session: &mut Session, trickles: bool) {
    while let Some(command) = session.listen().await {
        let said = command.strip_prefix("ECHO ").expect("it is an echo");
        let reply = format!("${}\r\n{said}\r\n", said.len());
        if trickles { session.trickle(&reply).await } else { session.say(reply).await }
    }
}

#[tokio::test]
async fn each_of_many_callers_gets_its_own_answer_also_byte_by_byte() {
    for trickles in [false, true] {
        let Pair { connection, mut session, .. } = pair().await;
        let connection = Arc::new(connection);
        let callers = async {
            let callers: Vec<_> = (0..20)
                .map(|caller| {
                    let connection = Arc::clone(&connection);
                    tokio::spawn(async move {
                        for number in (caller * 10)..(caller * 10 + 10) {
                            let frame = connection.call(&echo(number), LONG).await.unwrap();
                            assert_eq!(frame.text(), Some(&*number.to_string()));
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.unwrap();
            }
            connection.close();
        };
        tokio::join!(callers, echo_all(&mut session, trickles));
    }
}

#[tokio::test]
async fn commands_are_sent_when_they_are_called_and_a_pipeline_stays_together() {
    let Pair { connection, mut session, .. } = pair().await;
    let first = connection.call(&echo(1), LONG);
    let pipeline = connection.pipeline(&[echo(2), echo(3), echo(4)], LONG);
    let last = connection.call(&echo(5), LONG);
    drop(first);
    for number in 1..=5 {
        assert_eq!(session.heard().await, format!("ECHO {number}"));
    }
    session.say("+1\r\n+2\r\n-WRONGTYPE no\r\n+4\r\n+5\r\n").await;
    let replies = pipeline.await.unwrap();
    assert_eq!(replies[0], Ok(Frame::Simple("2".into())));
    assert_eq!(replies[1].as_ref().unwrap_err().reason, RefusalReason::WrongType);
    assert_eq!(replies[2], Ok(Frame::Simple("4".into())));
    assert_eq!(last.await.unwrap().text(), Some("5"));
    assert_eq!(connection.pipeline(&[], LONG).await, Ok(vec![]));
}

/// On a scheduler of several threads, here one, whoever is woken last runs first: the task, before the other callers.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn callers_who_are_answered_together_ask_again_in_one_write() {
    const CALLERS: usize = 50;
    let Pair { connection, mut session, .. } = pair().await;
    let connection = Arc::new(connection);
    for caller in 0..CALLERS {
        let connection = Arc::clone(&connection);
        tokio::spawn(async move { while connection.call(&echo(caller), LONG).await.is_ok() {} });
    }
    let mut heard = 0;
    while heard < CALLERS {
        heard += session.heard_at_once().await;
    }
    for _ in 0..20 {
        session.say("+OK\r\n".repeat(CALLERS)).await;
        assert_eq!(session.heard_at_once().await, CALLERS);
    }
}

/// INV-12: whoever goes away, at whatever point, takes nothing with it and leaves nothing behind.
#[tokio::test]
async fn a_call_that_is_dropped_at_any_poll_shifts_no_answer() {
    for is_pipeline in [false, true] {
        for (polls, answered_before) in (0..4).flat_map(|polls| (0..=polls).map(move |poll| (polls, poll))) {
            let Pair { connection, mut session, .. } = pair().await;
            let ahead = connection.call(&echo(0), LONG);
            let mut doomed: BoxFuture<'_, ()> = match is_pipeline {
                false => Box::pin(connection.call(&echo(1), LONG).map(drop)),
                true => Box::pin(connection.pipeline(&[echo(1), echo(1)], LONG).map(drop)),
            };
            let next = connection.call(&echo(2), LONG);
            let answers = if is_pipeline { "+0\r\n+1\r\n+1\r\n" } else { "+0\r\n+1\r\n" };
            for poll in 0..polls {
                if poll == answered_before {
                    session.say(answers).await;
                    settle().await;
                }
                let is_ready = doomed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                assert_eq!(
                    is_ready,
                    poll >= answered_before,
                    "{polls} polls, answered before {answered_before}"
                );
                if is_ready {
                    break;
                }
            }
            drop(doomed);
            if polls <= answered_before {
                session.say(answers).await;
            }
            session.say("+2\r\n").await;
            assert_eq!(ahead.await.unwrap().text(), Some("0"));
            assert_eq!(
                next.await.unwrap().text(),
                Some("2"),
                "{polls} polls, answered before {answered_before}"
            );
        }
    }
}

#[tokio::test]
async fn a_call_gives_up_when_its_time_is_over_and_its_late_answer_is_swallowed() {
    let Pair { connection, mut session, runtime, .. } = pair().await;
    let patient = connection.call(&echo(0), LONG);
    let mut hasty = pin!(connection.call(&echo(1), Duration::from_millis(50)));
    let pipeline = connection.pipeline(&[echo(2), echo(3)], Duration::from_millis(60));
    runtime.advance(Duration::from_millis(49)).await;
    assert!(hasty.as_mut().now_or_never().is_none(), "not before");
    runtime.advance(Duration::from_millis(1)).await;
    assert_eq!(hasty.await, Err(Failure::TimedOut));
    runtime.advance(Duration::from_millis(10)).await;
    assert_eq!(pipeline.await, Err(Failure::TimedOut));
    let next = connection.call(&echo(4), Duration::from_millis(50));
    session.say("+0\r\n+1\r\n+2\r\n+3\r\n+4\r\n").await;
    assert_eq!(patient.await.unwrap().text(), Some("0"));
    assert_eq!(next.await.unwrap().text(), Some("4"));
}

#[tokio::test]
async fn pushes_are_handled_before_the_answers_behind_them_are_handed_out() {
    let Pair { connection, mut session, told, .. } = pair().await;
    for trickles in [false, true] {
        let reply = connection.call(&echo(1), LONG);
        session.heard().await;
        let bytes = ">2\r\n+invalidate\r\n*1\r\n+a\r\n+1\r\n>2\r\n+later\r\n_\r\n";
        if trickles {
            session.trickle(bytes).await
        } else {
            session.say(bytes).await
        }
        assert_eq!(reply.await.unwrap().text(), Some("1"), "a push answers nothing");
        assert_eq!(told.lock().first().map(String::as_str), Some("invalidate _"));
        settle().await;
        assert_eq!(told.lock().drain(..).collect::<Vec<_>>(), ["invalidate _", "later _"]);
    }
}

#[tokio::test]
async fn what_is_too_much_fails_at_once_and_everything_else_is_answered() {
    let in_flight = InFlight { commands_max: 3, unsent_bytes_max: 64 * 1024 * 1024 };
    let Pair { connection, mut session, .. } = pair_with(Settings { in_flight, ..Settings::default() }).await;
    let taken = connection.pipeline(&[echo(0), echo(1), echo(2)], LONG);
    assert_eq!(connection.call(&echo(3), LONG).now_or_never(), Some(Err(Failure::Overloaded)));
    session.say("+0\r\n+1\r\n+2\r\n").await;
    assert_eq!(taken.await.unwrap().len(), 3);
    let call = connection.call(&echo(3), LONG);
    session.say("+3\r\n").await;
    assert_eq!(call.await.unwrap().text(), Some("3"), "there is room again");
}

#[tokio::test]
async fn a_server_that_does_not_read_takes_no_more_memory_than_is_allowed() {
    let in_flight = InFlight { commands_max: 4_096, unsent_bytes_max: 32 * 1024 * 1024 };
    let Pair { connection, session, runtime, .. } =
        pair_with(Settings { in_flight, ..Settings::default() }).await;
    let megabyte = Command::new("ECHO").arg(vec![b'x'; 1024 * 1024]);
    let mut calls = Vec::new();
    let refused = loop {
        let mut call = connection.call(&megabyte, LONG);
        settle().await;
        match (&mut call).now_or_never() {
            Some(answer) => break answer,
            None => calls.push(call),
        }
    };
    assert_eq!(refused, Err(Failure::Overloaded));
    // The kernel takes a few megabytes for itself.
    assert!((31..=64).contains(&calls.len()), "{} megabytes", calls.len());
    runtime.advance(Duration::from_secs(1)).await;
    for call in calls {
        assert_eq!(call.await, Err(Failure::TimedOut));
    }
    drop(session);
    assert_eq!(connection.call(&echo(0), LONG).await, Err(Failure::Down(Some(Cause::Silent))));
}
