//! Bytes that come late, in parts, or all at once. Only the least that a delay must be is asserted: a busy machine may
//! add to it.

use std::{
    io::{Read, Write},
    time::Duration,
};

use alacena_testkit::chaos::{Fault, Rule};

use crate::peer::{Echo, reads, say, time};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn without_a_rule_it_is_not_noticed() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let round_trip = |_| time(|| assert_eq!(say(&mut client, b"hello"), b"hello")).1;
    let fastest = (0..100).map(round_trip).min().unwrap();
    // A timer in the way would take a millisecond, each way, each time.
    assert!(fastest < ms(1), "the fastest of 100 round trips took {fastest:?}");
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.open), (1, 1));
    assert_eq!((counts.bytes_to_server, counts.bytes_to_client), (500, 500));
}

#[test]
fn latency_delays_each_way_and_keeps_the_order() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let jitter = ms(20);
    let there = proxy.inject(Rule::to_server(Fault::Latency { delay: ms(30), jitter }));
    let back = proxy.inject(Rule::to_client(Fault::Latency { delay: ms(40), jitter }));
    let (answer, took) = time(|| say(&mut client, b"a"));
    assert_eq!(answer, b"a");
    assert!(took >= ms(70), "{took:?}");

    // Later bytes are not delayed by earlier ones: twenty at once take no longer than one.
    let (answer, took) = time(|| {
        for byte in b'a'..=b't' {
            client.write_all(&[byte]).unwrap();
        }
        let mut answer = [0; 20];
        client.read_exact(&mut answer).unwrap();
        answer
    });
    assert_eq!(&answer, b"abcdefghijklmnopqrst");
    assert!(took >= ms(70) && took < ms(20 * 70), "{took:?}");
    assert!(there.hits() >= 2 && back.hits() >= 2);

    there.lift();
    back.lift();
    let fastest = (0..20).map(|_| time(|| say(&mut client, b"a")).1).min().unwrap();
    assert!(fastest < ms(70), "lifted, the fastest of 20 round trips took {fastest:?}");
}

#[test]
fn a_burst_comes_late_and_at_once() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let burst = proxy.inject(Rule::to_client(Fault::Burst { hold: ms(80) }));
    let (_, took) = time(|| {
        for byte in b"abcd" {
            client.write_all(&[*byte]).unwrap();
            // So that the proxy reads them apart.
            while proxy.counts().bytes_to_server == 0 {
                std::thread::yield_now();
            }
        }
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"abcd");
    });
    assert!(took >= ms(80), "{took:?}");
    assert_eq!(burst.hits(), 1, "all came with the first");
}

#[test]
fn pieces_are_seen_apart() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let pieces = proxy.inject(Rule::to_client(Fault::Pieces { size: 2, gap: ms(5) }));
    client.write_all(&[7; 21]).unwrap();
    let apart = reads(&mut client, 21).unwrap();
    // A reader that does not get its turn in time sees two at once.
    assert!(apart.len() > 5, "21 bytes, in pieces of 2, were read as {apart:?}");
    pieces.lift();
    proxy.inject(Rule::both_ways(Fault::Pieces { size: 1, gap: Duration::ZERO }));
    let many: Vec<u8> = (0..=255).cycle().take(2_000).collect();
    assert_eq!(say(&mut client, &many), many);
}

#[test]
fn a_trickle_is_as_slow_as_it_says() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let trickle = proxy.inject(Rule::to_client(Fault::Trickle { bytes_per_second: 50 }));
    let (_, took) = time(|| say(&mut client, &[7; 6]));
    assert!(took >= ms(100), "{took:?}");
    trickle.lift();
    let fast = proxy.inject(Rule::to_client(Fault::Trickle { bytes_per_second: 10_000 }));
    let (_, took) = time(|| say(&mut client, &[7; 1_000]));
    assert!(took >= ms(90), "{took:?}");
    assert_eq!((trickle.hits(), fast.hits()), (1, 1));
}

#[test]
fn a_reply_is_split_at_every_byte() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let reply = b"$5\r\nhello\r\n";
    for at in 1..reply.len() {
        let rule = proxy.inject(Rule::to_client(Fault::Split { at: at as u64, pause: ms(30) }));
        client.write_all(reply).unwrap();
        assert_eq!(reads(&mut client, reply.len()).unwrap(), [at, reply.len() - at]);
        assert_eq!(rule.hits(), 1);
        assert_eq!(say(&mut client, reply), reply, "once for each connection");
        rule.lift();
    }
}
