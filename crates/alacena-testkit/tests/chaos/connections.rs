//! The door, and where connections lead.

use std::{
    io::{ErrorKind, Write},
    net::TcpStream,
    time::Duration,
};

use alacena_testkit::chaos::{ChaosProxy, Close, Door, Fault, Rule};

use crate::peer::{Echo, End, connect, is_silent, read_to_end, say};

#[test]
fn a_refusing_door_keeps_its_port_and_the_connections_that_are_open() {
    let (_echo, proxy, mut client) = Echo::with_client();
    say(&mut client, b"a");
    for _ in 0..3 {
        proxy.set_door(Door::Refusing);
        let refused = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        say(&mut client, b"still there");
        proxy.set_door(Door::Open);
        say(&mut connect(&proxy), b"back");
    }
}

#[test]
fn a_silent_door_takes_everything_and_answers_nothing() {
    let (_echo, proxy, mut before) = Echo::with_client();
    say(&mut before, b"a");
    proxy.set_door(Door::Silent);
    let mut client = connect(&proxy);
    // More than the kernel would hold for somebody who does not read.
    client.write_all(&vec![7; 16 * 1024 * 1024]).unwrap();
    assert!(is_silent(&mut client));
    say(&mut before, b"not concerned");
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.ignored, counts.open), (2, 1, 2));
    proxy.close_all(Close::Reset);
    assert_eq!(read_to_end(&mut client), (Vec::new(), End::Reset));
}

#[test]
fn a_server_that_is_not_there_is_a_reset() {
    let nobody = ChaosProxy::start("127.0.0.1:1".parse().unwrap(), 1);
    assert_eq!(read_to_end(&mut connect(&nobody)), (Vec::new(), End::Reset));
    assert_eq!(nobody.counts().unreachable, 1);
}

#[test]
fn new_connections_lead_to_another_server() {
    let (first, proxy, mut before) = Echo::with_client();
    say(&mut before, b"a");
    let second = Echo::start();
    proxy.lead_to(second.address);
    let mut after = connect(&proxy);
    say(&mut after, b"b");
    say(&mut before, b"a");
    drop((before, after));
    assert_eq!(first.ended.recv().unwrap().0, b"aa");
    assert_eq!(second.ended.recv().unwrap().0, b"b");
}

#[test]
fn dropped_it_takes_its_connections_along() {
    let (echo, proxy, mut client) = Echo::with_client();
    say(&mut client, b"a");
    let address = proxy.address();
    drop(proxy);
    read_to_end(&mut client);
    assert_eq!(echo.ended.recv().unwrap().0, b"a");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn what_it_holds_back_is_bounded() {
    let delay = Duration::from_secs(60);
    for fault in
        [Fault::Blackhole, Fault::Latency { delay, jitter: Duration::ZERO }, Fault::Burst { hold: delay }]
    {
        let (_echo, proxy, mut client) = Echo::with_client();
        proxy.inject(Rule::to_server(fault));
        client.set_write_timeout(Some(Duration::from_millis(60))).unwrap();
        let (chunk, mut taken) = (vec![7; 64 * 1024], 0);
        while let Ok(length) = client.write(&chunk) {
            taken += length;
            // The kernel's own buffers take some too.
            assert!(taken < 64 * 1024 * 1024, "{fault:?} has taken {taken} bytes");
        }
    }
}
