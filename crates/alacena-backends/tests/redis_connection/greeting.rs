//! What a connection begins with, and what is said where it cannot.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{Address, Cause, Server, Settings};
use alacena_core::error::catalogue;
use alacena_testkit::FakeRuntime;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::peer::{GREETING, Peer, open};

async fn outcome(
    server: &Server,
    runtime: &FakeRuntime,
) -> Result<alacena_backends::redis::Connection, Cause> {
    open(server, &Settings::default(), runtime, &Arc::new(Mutex::new(Vec::new()))).await
}

#[tokio::test]
async fn credentials_name_and_database_are_sent_before_anything_else() {
    let table = [
        ("redis://127.0.0.1:PORT", "HELLO 3 SETNAME alacena", None),
        ("redis://:s%20t@127.0.0.1:PORT/0", "HELLO 3 AUTH default s t SETNAME alacena", None),
        ("redis://app:pw@127.0.0.1:PORT/7", "HELLO 3 AUTH app pw SETNAME alacena", Some("SELECT 7")),
    ];
    for (url, hello, select) in table {
        let (peer, runtime) = (Peer::start().await, FakeRuntime::new(1));
        let server = peer.server_at(url);
        let serve = async {
            let mut session = peer.accept().await;
            assert_eq!(session.heard().await, hello);
            session.say(GREETING).await;
            if let Some(select) = select {
                assert_eq!(session.heard().await, select);
                session.say("+OK\r\n").await;
            }
            session
        };
        let (connection, _session) = tokio::join!(outcome(&server, &runtime), serve);
        let connection = connection.unwrap();
        let greeting = connection.greeting();
        assert_eq!((&*greeting.server, &*greeting.version, &*greeting.role), ("redis", "7.0.15", "master"));
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_refused_with_what_to_do_about_it() {
    let table = [
        (
            "-NOAUTH HELLO must be called with the client already authenticated\r\n",
            "user and password",
            &catalogue::TIER_DENIED,
        ),
        ("-WRONGPASS invalid username-password pair\r\n", "is wrong", &catalogue::TIER_DENIED),
        (
            "-NOPERM this user has no permissions to run the 'hello' command\r\n",
            "'hello'",
            &catalogue::TIER_DENIED,
        ),
        (
            "-ERR unknown command `HELLO`, with args beginning with: `3`\r\n",
            "6.2 and newer",
            &catalogue::TIER_UNSUITABLE,
        ),
        ("-NOPROTO unsupported protocol version\r\n", "6.2 and newer", &catalogue::TIER_UNSUITABLE),
        ("+OK\r\n", "6.2 and newer", &catalogue::TIER_UNSUITABLE),
        ("%2\r\n+proto\r\n:3\r\n+version\r\n+6.0.16\r\n", "6.0.16", &catalogue::TIER_UNSUITABLE),
        ("-ERR max number of clients reached\r\n", "max number of clients", &catalogue::TIER_REFUSED),
        ("-LOADING Redis is loading the dataset in memory\r\n", "LOADING", &catalogue::TIER_REFUSED),
        ("SSH-2.0-OpenSSH_9.2\r\n", "no type", &catalogue::TIER_GARBLED),
    ];
    for (reply, said, code) in table {
        let (peer, runtime) = (Peer::start().await, FakeRuntime::new(1));
        let server = peer.server();
        let serve = async {
            let mut session = peer.accept().await;
            session.heard().await;
            session.say(reply).await;
            assert_eq!(session.listen().await, None, "it is closed after {reply:?}");
        };
        let (connection, ()) = tokio::join!(outcome(&server, &runtime), serve);
        let error = connection.expect_err(reply).error(server.address());
        assert!(error.detail().contains(said) && error.code() == code, "{reply:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_turns_clients_away_before_they_speak_is_heard() {
    let (peer, runtime) = (Peer::start().await, FakeRuntime::new(1));
    let server = peer.server();
    let serve = async {
        let mut session = peer.accept().await;
        session.say("-ERR max number of clients reached\r\n").await;
    };
    let (connection, ()) = tokio::join!(outcome(&server, &runtime), serve);
    let cause = connection.expect_err("it was turned away");
    assert!(cause.to_string().contains("max number of clients reached"), "{cause}");
}

#[tokio::test]
async fn a_port_without_tls_is_known_as_one() {
    let (peer, runtime) = (Peer::start().await, FakeRuntime::new(1));
    let server = peer.server_at("rediss://127.0.0.1:PORT");
    let serve = async {
        let mut session = peer.accept().await;
        session.say("-ERR Protocol error\r\n").await;
        session
    };
    let (connection, _session) = tokio::join!(outcome(&server, &runtime), serve);
    let cause = connection.expect_err("there is no TLS");
    assert!(cause.to_string().contains("write redis:// in `url`"), "{cause}");
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_the_limits() {
    let (peer, runtime) = (Peer::start().await, FakeRuntime::new(1));
    for (url, limit, cause) in [
        // It accepts, and says nothing.
        ("redis://127.0.0.1:PORT", Duration::from_secs(1), Cause::Silent),
        ("rediss://127.0.0.1:PORT", Duration::from_secs(1), Cause::Unanswered),
    ] {
        let server = peer.server_at(url);
        let (waiting, clock) = (runtime.clone(), runtime.clone());
        let opened = tokio::spawn(async move { outcome(&server, &waiting).await });
        let session = peer.accept().await;
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(limit - Duration::from_millis(1)).await;
        assert!(!opened.is_finished(), "{url}");
        clock.advance(Duration::from_millis(1)).await;
        assert_eq!(opened.await.unwrap().expect_err(url), cause, "{url}");
        drop(session);
    }
}

#[tokio::test]
async fn where_nobody_listens_it_is_said_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let table = [
        (format!("redis://127.0.0.1:{free}"), Cause::Unreachable(std::io::ErrorKind::ConnectionRefused)),
        (format!("unix://{}", socket.display()), Cause::Unreachable(std::io::ErrorKind::NotFound)),
        ("redis://nobody.invalid".to_owned(), Cause::NoAddress),
    ];
    for (url, cause) in table {
        let server = Server::new(Address::parse(&url).unwrap(), None).unwrap();
        assert_eq!(outcome(&server, &FakeRuntime::new(1)).await.expect_err(&url), cause);
    }
}
