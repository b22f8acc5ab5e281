//! Whom a rule means, and how often.

use std::{
    io::{Read, Write},
    time::Duration,
};

use alacena_testkit::chaos::{ChaosProxy, Fault, Rule};

use crate::peer::{Echo, connect, is_silent, say};

#[test]
fn only_the_connection_that_has_sent_the_words() {
    let (_echo, proxy, mut data) = Echo::with_client();
    let mut tracking = connect(&proxy);
    let rule = proxy.inject(Rule::both_ways(Fault::Blackhole).only_who_sent("client tracking"));
    say(&mut data, b"GET a");
    say(&mut tracking, b"HELLO 3\r\n");
    say(&mut tracking, b"CLIENT TRACK");
    assert_eq!(rule.hits(), 0);
    tracking.write_all(b"ING ON").unwrap();
    assert!(is_silent(&mut tracking));
    say(&mut data, b"GET a");
    assert_eq!(rule.hits(), 1);
}

#[test]
fn only_the_connection_of_that_number_and_only_so_often() {
    let (_echo, proxy, mut first) = Echo::with_client();
    let mut second = connect(&proxy);
    say(&mut first, b"a");
    say(&mut second, b"a");
    let hole = proxy.inject(Rule::to_client(Fault::Blackhole).only_connection(1));
    say(&mut first, b"b");
    second.write_all(b"b").unwrap();
    assert!(is_silent(&mut second));
    hole.lift();
    second.read_exact(&mut [0]).unwrap();

    let once = proxy.inject(Rule::to_client(Fault::Blackhole).times(1));
    first.write_all(b"c").unwrap();
    assert!(is_silent(&mut first));
    say(&mut second, b"c");
    assert_eq!(once.hits(), 1);
}

#[test]
fn the_same_seed_draws_the_same_connections() {
    let echo = Echo::start();
    let struck = |seed| {
        let proxy = ChaosProxy::start(echo.address, seed);
        proxy.inject(Rule::to_client(Fault::Reset { at: 0 }).chance(0.5));
        let survives = |_| {
            let mut client = connect(&proxy);
            client.write_all(b"a").unwrap();
            client.read(&mut [0]).is_ok()
        };
        (0..32).map(survives).collect::<Vec<_>>()
    };
    assert_eq!(struck(5), struck(5));
    assert_ne!(struck(5), struck(6));
    let survivors = struck(5).iter().filter(|survives| **survives).count();
    assert!((4..=28).contains(&survivors), "{survivors} of 32 survived an even chance");
}

#[tokio::test]
async fn a_test_waits_for_what_the_proxy_has_done() {
    let (_echo, proxy, mut client) = Echo::with_client();
    proxy.until(|counts| counts.open == 1).await;
    let slow = Fault::Latency { delay: Duration::from_millis(5), jitter: Duration::ZERO };
    let rule = proxy.inject(Rule::to_client(slow));
    client.write_all(b"a").unwrap();
    rule.acted(1).await;
    let counts = proxy.until(|counts| counts.bytes_to_client == 1).await;
    assert_eq!(counts.bytes_to_server, 1);
    drop(client);
    proxy.until(|counts| counts.open == 0).await;
}
