//! How a server comes up, how it is reached, and that it goes away.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
};

use alacena_testkit::servers::{Flavour, RedisServer, Reply};

/// Sends a line as a person would with telnet, and answers the first line that comes back.
fn say(mut stream: impl Read + Write, line: &str) -> String {
    writeln!(stream, "{line}\r").expect("it takes a line");
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn every_flavour_is_what_it_says() {
    for flavour in Flavour::ALL {
        let Some(redis) = RedisServer::builder().flavour(flavour).start() else { continue };
        let version = redis.info(if flavour == Flavour::Valkey { "valkey_version" } else { "redis_version" });
        let major: u32 = version.split('.').next().unwrap().parse().unwrap();
        let is_right = match flavour {
            // A distribution may have a newer Redis than the one that continuous integration has.
            Flavour::Debian => major >= 7,
            Flavour::Oldest => version.starts_with("6.2."),
            Flavour::Valkey => major == 9,
        };
        assert!(is_right, "{} is {version}", flavour.name());
        assert_eq!(redis.info("process_id"), redis.pid().to_string());
    }
}

#[test]
fn it_is_reached_over_both_loopbacks_and_the_socket() {
    for flavour in Flavour::ALL {
        let Some(redis) = RedisServer::builder().flavour(flavour).start() else { continue };
        assert_eq!(say(TcpStream::connect(redis.address()).unwrap(), "PING"), "+PONG");
        if TcpListener::bind(("::1", 0)).is_ok() {
            assert_eq!(say(TcpStream::connect(redis.address_v6()).unwrap(), "PING"), "+PONG");
        }
        assert_eq!(say(UnixStream::connect(redis.socket()).unwrap(), "PING"), "+PONG");
    }
}

#[test]
fn the_kit_keeps_its_rights_whatever_is_asked_of_others() {
    let builder = RedisServer::builder().password("secret").config("user", "app on >word ~app:* +get");
    let Some(redis) = builder.start() else { return };
    let ask = |line: &str| say(TcpStream::connect(redis.address()).unwrap(), line);
    assert!(ask("GET a").starts_with("-NOAUTH"));
    assert!(ask("AUTH wrong").starts_with("-WRONGPASS"));
    assert_eq!(ask("AUTH secret"), "+OK");
    assert_eq!(ask("AUTH app word"), "+OK");

    redis.command(&["ACL", "SETUSER", "default", "off"]);
    assert!(ask("AUTH secret").starts_with("-WRONGPASS"));
    assert_eq!(redis.command(&["SET", "a", "b"]).text(), "OK");
    redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]);
    assert_eq!(redis.command(&["GET", "a"]), Reply::Bulk(b"b".to_vec()));
    assert!(matches!(redis.try_command(&["NONSENSE"]), Reply::Error(_)));
}

#[test]
fn it_counts_the_commands_and_the_memory_of_others() {
    for flavour in Flavour::ALL {
        let Some(redis) = RedisServer::builder().flavour(flavour).config("maxmemory", "25mb").start() else {
            continue;
        };
        assert_eq!(redis.commands_processed(), 0, "{}", flavour.name());
        let memory = redis.used_memory();
        redis.command(&["SET", "a", &"x".repeat(1_000_000)]);
        assert!(redis.used_memory() > memory + 1_000_000);
        assert_eq!(redis.commands_processed(), 0, "{}", flavour.name());
        say(TcpStream::connect(redis.address()).unwrap(), "PING");
        assert_eq!(redis.commands_processed(), 1, "{}", flavour.name());
        let limit = redis.command(&["CONFIG", "GET", "maxmemory"]);
        assert_eq!(limit.array()[1].text(), (25 * 1024 * 1024).to_string());
    }
}

#[test]
fn it_goes_away_when_dropped_also_by_a_panic_and_also_when_paused() {
    let Some(redis) = RedisServer::builder().start() else { return };
    let (address, socket) = (redis.address(), redis.socket());
    redis.pause();
    catch_unwind(AssertUnwindSafe(move || {
        let _held = redis;
        panic!("as a failed test does");
    }))
    .unwrap_err();
    assert!(TcpStream::connect(address).is_err());
    assert!(!socket.parent().unwrap().exists(), "its folder is still there");
}

#[test]
fn a_wrong_configuration_shows_the_log() {
    if Flavour::Debian.program().is_none() {
        return;
    }
    let started = catch_unwind(|| {
        RedisServer::builder().config("appendonly", "yes").config("aof-use-rdb-preamble", "maybe").start()
    });
    let panic = started.unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("ended at once"));
}
