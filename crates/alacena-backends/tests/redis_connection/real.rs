//! Against real servers, of every kind and age that there is on this machine.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{
    Address, Cause, Connection, Failure, Line, LineSettings, RefusalReason, Script, Server, Settings, State,
    resp::{Command, Frame},
};
use alacena_testkit::{
    FakeRuntime,
    servers::{Builder, Certificates, Flavour, RedisServer},
};
use parking_lot::Mutex;

use crate::peer::{LONG, open};

/// A server of each flavour, one after the other.
fn servers(configure: impl Fn(Builder) -> Builder) -> impl Iterator<Item = RedisServer> {
    Flavour::ALL
        .into_iter()
        .filter_map(move |flavour| configure(RedisServer::builder().flavour(flavour)).start())
}

fn server(url: &str) -> Server {
    Server::new(Address::parse(url).unwrap(), None).unwrap()
}

async fn connect(server: &Server) -> Result<(Connection, Arc<Mutex<Vec<String>>>), Cause> {
    let told = Arc::new(Mutex::new(Vec::new()));
    Ok((open(server, &Settings::default(), &FakeRuntime::new(1), &told).await?, told))
}

fn get(key: &str) -> Command {
    Command::new("GET").arg(key)
}

#[tokio::test]
async fn what_is_written_is_read_also_when_it_is_large_or_many() {
    for redis in servers(|builder| builder) {
        let (connection, _) = connect(&server(&format!("redis://{}", redis.address()))).await.unwrap();
        let value: Vec<u8> = (0..3 * 1024 * 1024_u32).map(|at| (at % 251) as u8).collect();
        let set = Command::new("SET").arg("large").arg(&value);
        assert!(connection.call(&set, LONG).await.unwrap().is_ok());
        assert_eq!(connection.call(&get("large"), LONG).await.unwrap().into_bytes().unwrap(), value);
        assert_eq!(connection.call(&get("none"), LONG).await, Ok(Frame::Null));
        let many: Vec<_> = (0..2_000).map(|number| Command::new("ECHO").number(number)).collect();
        let replies = connection.pipeline(&many, LONG).await.unwrap();
        assert!(
            replies
                .iter()
                .enumerate()
                .all(|(at, reply)| { reply.as_ref().is_ok_and(|frame| frame.integer() == Some(at as i64)) })
        );
        let refused = connection.call(&Command::new("LPUSH").arg("large").arg("x"), LONG).await.unwrap_err();
        assert!(matches!(refused, Failure::Refused(refusal) if refusal.reason == RefusalReason::WrongType));
        assert_eq!(redis.command(&["CLIENT", "LIST"]).text().matches("name=alacena").count(), 1);
    }
}

#[tokio::test]
async fn a_change_is_pushed_before_whatever_is_answered_after_it() {
    for redis in servers(|builder| builder) {
        let (connection, told) = connect(&server(&format!("redis://{}", redis.address()))).await.unwrap();
        connection.call(&Command::new("CLIENT TRACKING ON BCAST PREFIX m:"), LONG).await.unwrap();
        for number in 0..200 {
            redis.command(&["SET", &format!("m:{number}"), "x"]);
            // Two, since a push goes out at the end of the server's turn and an answer at once.
            for _ in 0..2 {
                connection.call(&Command::new("PING"), LONG).await.unwrap();
            }
            assert_eq!(told.lock().len(), number + 1);
        }
        redis.command(&["FLUSHALL"]);
        for _ in 0..2 {
            connection.call(&Command::new("PING"), LONG).await.unwrap();
        }
        assert_eq!(told.lock().last().map(String::as_str), Some("invalidate _"), "everything");
    }
}

#[tokio::test]
async fn a_server_is_reached_by_address_name_and_socket_and_its_databases_are_apart() {
    for redis in servers(|builder| builder) {
        let port = redis.address().port();
        let urls = [
            format!("redis://localhost:{port}/1"),
            format!("redis://{}/2", redis.address_v6()),
            format!("unix://{}?db=3", redis.socket().display()),
        ];
        for url in &urls {
            let (connection, _) = connect(&server(url)).await.unwrap();
            connection.call(&Command::new("SET").arg("url").arg(url), LONG).await.unwrap();
        }
        for url in &urls {
            let (connection, _) = connect(&server(url)).await.unwrap();
            assert_eq!(connection.call(&get("url"), LONG).await.unwrap().text(), Some(&**url));
        }
        let beyond = connect(&server(&format!("redis://localhost:{port}/16"))).await.unwrap_err();
        assert!(beyond.to_string().contains("DB index is out of range"), "{beyond}");
    }
}

#[tokio::test]
async fn who_may_not_come_in_is_told_why() {
    for redis in servers(|builder| builder.password("s3cret")) {
        let at = redis.address();
        let refused = async |login: &str| {
            connect(&server(&format!("redis://{login}{at}"))).await.map(drop).unwrap_err()
        };
        assert_eq!(refused("").await, Cause::PasswordNeeded);
        assert_eq!(refused(":wrong@").await, Cause::WrongPassword);
        assert_eq!(refused("nobody:s3cret@").await, Cause::WrongPassword);
        let (connection, _) = connect(&server(&format!("redis://:s3cret@{at}"))).await.unwrap();
        let acl = Command::new("ACL SETUSER app on >pw ~app:* -@all +get");
        connection.call(&acl, LONG).await.unwrap();
        let (narrow, _) = connect(&server(&format!("redis://app:pw@{at}"))).await.unwrap();
        assert_eq!(narrow.call(&get("app:1"), LONG).await, Ok(Frame::Null));
        for command in [get("other"), Command::new("INFO")] {
            let refused = narrow.call(&command, LONG).await.unwrap_err();
            assert!(
                matches!(refused, Failure::Refused(refusal) if refusal.reason == RefusalReason::NotPermitted)
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_is_full_of_clients_says_so() {
    for redis in servers(|builder| builder.config("maxclients", "4")) {
        let server = server(&format!("redis://{}", redis.address()));
        let mut held = Vec::new();
        let cause = loop {
            match connect(&server).await {
                Ok(connection) => held.push(connection),
                Err(cause) => break cause,
            }
        };
        assert!(cause.to_string().contains("max number of clients reached"), "{cause}");
    }
}

#[tokio::test]
async fn tls_reaches_only_whom_a_known_authority_vouches_for() {
    let certificates = Certificates::generate();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &certificates.authority).unwrap();
    for flavour in Flavour::ALL.into_iter().filter(|flavour| flavour.has_tls()) {
        let tls = RedisServer::builder().flavour(flavour).tls(certificates.clone());
        let Some(redis) = tls.start() else { continue };
        let address = Address::parse(&format!("rediss://localhost:{}", redis.tls_address().port())).unwrap();
        let unknown = connect(&Server::new(address.clone(), None).unwrap()).await.unwrap_err();
        assert!(
            matches!(&unknown, Cause::Tls(why) if why.contains("not trusted") && why.contains("`ca`")),
            "{unknown}"
        );
        let (connection, _) = connect(&Server::new(address, Some(&ca)).unwrap()).await.unwrap();
        let value = vec![b'x'; 1024 * 1024];
        connection.call(&Command::new("SET").arg("large").arg(&value), LONG).await.unwrap();
        assert_eq!(connection.call(&get("large"), LONG).await.unwrap().into_bytes().unwrap(), value);
    }
}

#[tokio::test]
async fn a_line_comes_back_with_its_server_and_loads_what_that_has_forgotten() {
    for mut redis in servers(|builder| builder) {
        let runtime = FakeRuntime::new(1);
        let server = server(&format!("redis://{}", redis.address()));
        let line = Line::open(server, LineSettings::default(), Arc::new(runtime.clone()), Arc::new(()));
        let mut changes = line.changes();
        changes.wait_for(|state| *state == (State::Up { epoch: 1 })).await.unwrap();
        let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        let add = script.on(["sum"]).arg("5");
        assert_eq!(line.call(&add, LONG).await, Ok(Frame::Integer(5)));
        redis.kill();
        changes.wait_for(|state| matches!(state, State::Connecting(_))).await.unwrap();
        assert!(matches!(line.call(&add, LONG).await, Err(Failure::Down(Some(_)))));
        redis.restart();
        while !matches!(line.state(), State::Up { .. }) {
            runtime.advance(Duration::from_millis(25)).await;
        }
        assert_eq!(line.call(&add, LONG).await, Ok(Frame::Integer(5)), "it has forgotten script and sum");
        redis.command(&["SCRIPT", "FLUSH"]);
        let both = [Command::new("PING"), add];
        let replies = line.pipeline(&both, LONG).await.unwrap();
        assert_eq!(replies[1], Ok(Frame::Integer(10)));
    }
}

#[tokio::test]
async fn a_server_that_stands_still_costs_its_limit_and_then_the_connection() {
    for redis in servers(|builder| builder) {
        let runtime = FakeRuntime::new(1);
        let told = Arc::new(Mutex::new(Vec::new()));
        let server = server(&format!("redis://{}", redis.address()));
        let connection = open(&server, &Settings::default(), &runtime, &told).await.unwrap();
        redis.pause();
        let call = connection.call(&get("key"), Duration::from_millis(50));
        runtime.advance(Duration::from_millis(50)).await;
        assert_eq!(call.await, Err(Failure::TimedOut));
        let call = connection.call(&get("key"), Duration::from_secs(2));
        runtime.advance(Duration::from_millis(950)).await;
        assert_eq!(call.await, Err(Failure::Lost(Cause::Silent)));
        redis.resume();
    }
}
