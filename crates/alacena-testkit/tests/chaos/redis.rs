//! The faults before real servers, spoken to as the tier will do it.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use alacena_testkit::{
    chaos::{ChaosProxy, Door, Fault, Rule},
    servers::{Flavour, RedisServer, Reply},
};

use crate::peer::{connect, is_silent, read_to_end};

/// Sends commands in one write and reads so many lines.
fn ask(stream: &mut TcpStream, commands: &str, lines: usize) -> Vec<String> {
    stream.write_all(commands.as_bytes()).expect("the connection is open");
    let mut reader = BufReader::new(stream);
    let line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line comes");
        line.trim_end().to_owned()
    };
    std::iter::repeat_with(line).take(lines).collect()
}

#[test]
fn swapped_replies_are_those_of_the_wrong_keys() {
    for flavour in Flavour::ALL {
        let Some(redis) = RedisServer::builder().flavour(flavour).start() else { continue };
        redis.command(&["MSET", "a", "1", "b", "2"]);
        let proxy = ChaosProxy::start(redis.address(), 1);
        let mut client = connect(&proxy);
        assert_eq!(ask(&mut client, "GET a\r\nGET b\r\n", 4), ["$1", "1", "$1", "2"]);
        let wait = Duration::from_secs(5);
        let swap = proxy.inject(Rule::to_client(Fault::SwapReplies { wait }).times(1));
        assert_eq!(ask(&mut client, "GET a\r\nGET b\r\n", 4), ["$1", "2", "$1", "1"]);
        assert_eq!(swap.hits(), 1);
        assert_eq!(ask(&mut client, "GET a\r\nGET b\r\n", 4), ["$1", "1", "$1", "2"]);
    }
}

#[test]
fn only_the_tracking_connection_loses_its_pushes() {
    for flavour in Flavour::ALL {
        let Some(redis) = RedisServer::builder().flavour(flavour).start() else { continue };
        let proxy = ChaosProxy::start(redis.address(), 1);
        let (mut data, mut link) = (connect(&proxy), connect(&proxy));
        link.write_all(b"HELLO 3\r\nCLIENT TRACKING ON BCAST\r\nPING\r\n").unwrap();
        let mut lines = BufReader::new(link.try_clone().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "+PONG"));

        let cut = proxy.inject(Rule::to_client(Fault::Blackhole).only_who_sent("TRACKING"));
        assert_eq!(ask(&mut data, "SET a 1\r\n", 1), ["+OK"]);
        assert!(is_silent(&mut link));
        cut.lift();
        assert_eq!(lines.take(2).collect::<Vec<_>>(), [">2", "$10"]);
    }
}

#[test]
fn pushes_can_be_lost_on_a_connection_that_is_alive() {
    for flavour in Flavour::ALL {
        let Some(redis) = RedisServer::builder().flavour(flavour).start() else { continue };
        let proxy = ChaosProxy::start(redis.address(), 1);
        let stripped = proxy.inject(Rule::to_client(Fault::OmitPush));
        let mut link = connect(&proxy);
        ask(&mut link, "CLIENT REPLY SKIP\r\nHELLO 3\r\nCLIENT TRACKING ON BCAST\r\n", 1);
        redis.command(&["SET", "a", "1"]);
        assert_eq!(ask(&mut link, "PING\r\n", 1), ["+PONG"]);
        assert_eq!(stripped.hits(), 1);
    }
}

#[test]
fn a_client_behind_a_blackhole_does_not_hear_that_the_server_was_killed() {
    let Some(mut redis) = RedisServer::builder().start() else { return };
    let proxy = ChaosProxy::start(redis.address(), 1);
    let mut client = connect(&proxy);
    assert_eq!(ask(&mut client, "PING\r\n", 1), ["+PONG"]);
    let hole = proxy.inject(Rule::to_client(Fault::Blackhole));
    redis.kill();
    for _ in 0..3 {
        // The first finds nobody who takes it, which is news of the server too.
        client.write_all(b"PING\r\n").unwrap();
        assert!(is_silent(&mut client));
    }
    hole.lift();
    assert_eq!(read_to_end(&mut client).0, b"");
}

#[test]
fn a_replica_behind_a_blackhole_is_promoted_without_what_it_missed() {
    let Some(master) = RedisServer::builder().start() else { return };
    let proxy = ChaosProxy::start(master.address(), 1);
    let Some(replica) = RedisServer::builder().replica_of(proxy.address()).start() else { return };
    master.command(&["SET", "marker", "1"]);
    replica.wait_for_copy(&master);

    proxy.inject(Rule::both_ways(Fault::Blackhole));
    assert_eq!(master.command(&["DEL", "marker"]).integer(), 1, "it is acknowledged");
    assert_eq!(master.command(&["WAIT", "1", "60"]).integer(), 0, "but has not arrived");
    assert_eq!(replica.info("master_link_status"), "up", "which nobody has noticed");
    proxy.set_door(Door::Refusing);
    replica.promote();
    assert_eq!(replica.command(&["GET", "marker"]), Reply::Bulk(b"1".to_vec()));
}
