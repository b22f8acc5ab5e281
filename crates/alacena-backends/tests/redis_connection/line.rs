//! One connection kept up.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{
    Attend, Cause, Connection, Failure, Line, LineSettings, Refusal, Script, State,
    resp::{Command, Frame},
};
use alacena_core::runtime::{BoxFuture, Runtime};
use alacena_testkit::{FakeRuntime, settle};
use futures_util::FutureExt;
use parking_lot::Mutex;

use crate::peer::{LONG, Peer, Session};

/// Writes down what it is told, and asks `TRACK` first on every connection.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.lock().drain(..).collect()
    }
}

impl Attend for Diary {
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(async move {
            for reply in connection.pipeline(&[Command::new("TRACK")], LONG).await? {
                self.note(format!("prepared {}", reply?.text().unwrap_or_default()));
            }
            Ok(())
        })
    }

    fn pushed(&self, push: Frame) {
        self.note(format!("pushed {}", push.items().unwrap()[0].text().unwrap()));
    }

    fn changed(&self, state: &State) {
        self.note(match state {
            State::Connecting(cause) => format!("connecting: {}", cause.as_ref().unwrap()),
            State::Up { epoch } => format!("up {epoch}"),
            other => format!("{other:?}"),
        });
    }
}

struct Setting {
    peer: Peer,
    runtime: FakeRuntime,
    line: Arc<Line>,
    diary: Arc<Diary>,
}

async fn setting() -> Setting {
    let (peer, runtime, diary) = (Peer::start().await, FakeRuntime::new(7), Arc::new(Diary::default()));
    let attend = Arc::clone(&diary) as Arc<dyn Attend>;
    let line = Line::open(peer.server(), LineSettings::default(), Arc::new(runtime.clone()), attend);
    Setting { peer, runtime, line: Arc::new(line), diary }
}

/// Accepts a connection, and answers its preparation.
async fn serve(peer: &Peer) -> Session {
    let mut session = peer.greet().await;
    assert_eq!(session.heard().await, "TRACK");
    session.say("+tracked\r\n").await;
    session
}

async fn until(line: &Line, wanted: impl Fn(&State) -> bool) {
    line.changes().wait_for(wanted).await.expect("the line is there");
}

fn is_up(state: &State) -> bool {
    matches!(state, State::Up { .. })
}

fn ping() -> Command {
    Command::new("PING")
}

#[tokio::test]
async fn nobody_can_use_a_connection_before_it_is_prepared() {
    let Setting { peer, line, diary, .. } = setting().await;
    assert_eq!(line.state(), State::Connecting(None));
    assert_eq!(line.call(&ping(), LONG).await, Err(Failure::Down(None)));
    let mut session = peer.greet().await;
    assert_eq!(session.heard().await, "TRACK");
    settle().await;
    assert_eq!(line.call(&ping(), LONG).await, Err(Failure::Down(None)), "it is not prepared yet");
    session.say("+tracked\r\n").await;
    until(&line, is_up).await;
    let command = ping();
    let call = line.call(&command, LONG);
    assert_eq!(session.heard().await, "PING");
    session.say(">1\r\n+news\r\n+PONG\r\n").await;
    assert_eq!(call.await.unwrap().text(), Some("PONG"));
    assert_eq!(diary.take(), ["prepared tracked", "up 1", "pushed news"]);
}

#[tokio::test]
async fn a_lost_connection_is_told_before_its_callers_learn_of_it_and_is_made_again() {
    let Setting { peer, line, diary, runtime } = setting().await;
    let mut session = serve(&peer).await;
    until(&line, is_up).await;
    let (noting, calling) = (Arc::clone(&diary), Arc::clone(&line));
    let call = tokio::spawn(async move {
        let failure = calling.call(&ping(), LONG).await.unwrap_err();
        noting.note(format!("caller: {failure}"));
    });
    assert_eq!(session.heard().await, "PING");
    session.say(">1\r\n+news\r\n").await;
    drop(session);
    call.await.unwrap();
    let ended = Cause::Ended;
    assert_eq!(
        diary.take(),
        [
            "prepared tracked".to_owned(),
            "up 1".to_owned(),
            "pushed news".to_owned(),
            format!("connecting: {ended}"),
            format!("caller: the connection was lost: {ended}"),
        ]
    );
    assert_eq!(line.call(&ping(), LONG).now_or_never(), Some(Err(Failure::Down(Some(ended)))), "at once");
    let (_, _session) = tokio::join!(runtime.advance(Duration::from_millis(50)), serve(&peer));
    until(&line, is_up).await;
    assert_eq!(diary.take(), ["prepared tracked", "up 2"]);
}

#[tokio::test]
async fn pauses_double_up_to_the_longest_and_are_spread_and_a_connection_that_lasted_ends_that() {
    let Setting { peer, line, runtime, .. } = setting().await;
    // Every attempt reaches the server, which hangs up.
    drop(peer.accept().await);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        pauses.push(pause(&peer, &line, &runtime).await);
    }
    for (at, pause) in pauses.iter().enumerate() {
        let full = Duration::from_millis(50 << at).min(Duration::from_secs(5));
        assert!(*pause >= full / 2 && *pause <= full + Duration::from_millis(10), "pause {at} is {pause:?}");
    }
    let last = &pauses[7..];
    assert!(last.iter().any(|pause| *pause != last[0]), "they are spread: {last:?}");

    let connect = async {
        while line.state() != (State::Up { epoch: 12 }) {
            runtime.advance(Duration::from_millis(10)).await;
        }
    };
    let ((), session) = tokio::join!(connect, serve(&peer));
    runtime.advance(Duration::from_secs(6)).await;
    drop(session);
    until(&line, |state| !is_up(state)).await;
    let first = pause(&peer, &line, &runtime).await;
    assert!(first <= Duration::from_millis(60), "{first:?}");
}

/// How long it takes until the next attempt, in steps of 10 ms. The server hangs up.
async fn pause(peer: &Peer, line: &Line, runtime: &FakeRuntime) -> Duration {
    settle().await;
    let before = runtime.now();
    let accepted = async {
        let mut accept = std::pin::pin!(peer.accept());
        loop {
            if let Some(session) = accept.as_mut().now_or_never() {
                return session;
            }
            runtime.advance(Duration::from_millis(10)).await;
        }
    };
    drop(accepted.await);
    let took = runtime.now() - before;
    until(line, |state| !is_up(state)).await;
    took
}

#[tokio::test]
async fn a_preparation_that_fails_keeps_the_line_down_and_says_why() {
    let Setting { peer, line, diary, .. } = setting().await;
    let mut session = peer.greet().await;
    session.heard().await;
    session.say("-NOPERM this user has no permissions to run the 'track' command\r\n").await;
    assert_eq!(session.listen().await, None);
    let refusal = Refusal::new(b"NOPERM this user has no permissions to run the 'track' command");
    until(&line, |state| *state == State::Connecting(Some(Cause::Refused(refusal.clone())))).await;
    assert_eq!(diary.take().len(), 1);
}

#[tokio::test]
async fn a_closed_line_stays_closed_in_every_state() {
    // While it connects.
    let Setting { peer, line, runtime, diary } = setting().await;
    let mut session = peer.accept().await;
    line.close();
    while session.listen().await.is_some() {}
    assert_eq!(line.call(&ping(), LONG).await, Err(Failure::Closed));
    runtime.advance(Duration::from_secs(60)).await;
    assert!(peer.accept().now_or_never().is_none() && runtime.sleepers() == 0);
    assert_eq!(diary.take(), ["Closed"]);
    // While it is up.
    let Setting { peer, line, runtime, diary } = setting().await;
    let mut session = serve(&peer).await;
    until(&line, is_up).await;
    let command = ping();
    let call = line.call(&command, LONG);
    session.heard().await;
    line.close();
    line.close();
    assert_eq!(call.await, Err(Failure::Closed));
    assert_eq!(session.listen().await, None);
    runtime.advance(Duration::from_secs(60)).await;
    assert!(peer.accept().now_or_never().is_none() && runtime.sleepers() == 0);
    assert_eq!(diary.take(), ["prepared tracked", "up 1", "Closed"]);
    // While it pauses; here by being dropped.
    let Setting { peer, line, runtime, .. } = setting().await;
    drop(peer.accept().await);
    until(&line, |state| *state != State::Connecting(None)).await;
    drop(line);
    runtime.advance(Duration::from_secs(60)).await;
    assert!(peer.accept().now_or_never().is_none() && runtime.sleepers() == 0);
}

#[tokio::test]
async fn a_script_that_the_server_has_forgotten_is_loaded_and_run_again() {
    let Setting { peer, line, runtime, .. } = setting().await;
    let mut session = serve(&peer).await;
    until(&line, is_up).await;
    let script = Script::new("return KEYS[1]");
    let command = script.on(["k"]).arg("a");
    let run = format!("EVALSHA {} 1 k a", script.sha1());

    let call = line.call(&command, LONG);
    assert_eq!(session.heard().await, run);
    session.say("-NOSCRIPT No matching script.\r\n").await;
    let server = async {
        assert_eq!(session.heard().await, "SCRIPT LOAD return KEYS[1]");
        assert_eq!(session.heard().await, run);
        session.say("+sha\r\n+k\r\n").await;
    };
    assert_eq!(tokio::join!(call, server).0.unwrap().text(), Some("k"));

    let commands = [ping(), command.clone(), command.clone()];
    let pipeline = line.pipeline(&commands, LONG);
    for _ in 0..3 {
        session.heard().await;
    }
    session.say("+PONG\r\n-NOSCRIPT No\r\n-NOSCRIPT No\r\n").await;
    let server = async {
        for heard in ["SCRIPT LOAD return KEYS[1]", "PING", &run, &run] {
            assert_eq!(session.heard().await, heard);
        }
        session.say("+sha\r\n+PONG\r\n-OOM full\r\n+k\r\n").await;
    };
    let replies = tokio::join!(pipeline, server).0.unwrap();
    let texts: Vec<_> = replies.iter().map(|reply| reply.as_ref().ok().and_then(Frame::text)).collect();
    assert_eq!(texts, [Some("PONG"), None, Some("k")]);

    // Both attempts together have the time of one.
    let call = line.call(&command, Duration::from_millis(50));
    session.heard().await;
    runtime.advance(Duration::from_millis(40)).await;
    session.say("-NOSCRIPT No\r\n").await;
    let mut call = std::pin::pin!(call);
    settle().await;
    assert!(call.as_mut().now_or_never().is_none());
    runtime.advance(Duration::from_millis(10)).await;
    assert_eq!(call.now_or_never(), Some(Err(Failure::TimedOut)));
}
