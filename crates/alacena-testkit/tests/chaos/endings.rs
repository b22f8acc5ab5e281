//! Connections that break, end or fall silent.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use alacena_testkit::chaos::{Close, Fault, Rule};

use crate::peer::{Echo, End, connect, is_silent, read_to_end, say};

#[test]
fn a_reset_comes_in_the_middle_of_a_reply_and_reaches_both_ends() {
    let (echo, proxy, mut client) = Echo::with_client();
    say(&mut client, b"before");
    let reset = proxy.inject(Rule::to_client(Fault::Reset { at: 4 }));
    client.write_all(b"$5\r\nhello\r\n").unwrap();
    assert_eq!(read_to_end(&mut client), (b"$5\r\n".to_vec(), End::Reset));
    assert_eq!(echo.ended.recv().unwrap(), (b"before$5\r\nhello\r\n".to_vec(), End::Reset));
    assert_eq!(reset.hits(), 1);
}

#[test]
fn a_reset_at_zero_leaves_an_idle_connection_alone_until_it_speaks() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let reset = proxy.inject(Rule::to_server(Fault::Reset { at: 0 }));
    assert!(is_silent(&mut client));
    assert_eq!(reset.hits(), 0);
    client.write_all(b"a").unwrap();
    assert_eq!(read_to_end(&mut client), (Vec::new(), End::Reset));
}

#[test]
fn an_end_in_the_middle_of_a_value_is_an_orderly_one() {
    let (echo, proxy, mut client) = Echo::with_client();
    let finish = proxy.inject(Rule::to_client(Fault::Finish { at: 7 }));
    client.write_all(b"$5\r\nhello\r\n").unwrap();
    while finish.hits() == 0 {
        std::thread::yield_now();
    }
    // What is still said does not turn it into a reset.
    for _ in 0..3 {
        client.write_all(b"PING\r\n").unwrap();
    }
    assert_eq!(read_to_end(&mut client), (b"$5\r\nhel".to_vec(), End::Orderly));
    assert_eq!(echo.ended.recv().unwrap().1, End::Orderly);
    assert_eq!(finish.hits(), 1);
}

#[test]
fn ends_and_resets_pass_through_when_nothing_is_wrong() {
    let (echo, _proxy, mut client) = Echo::with_client();
    client.write_all(b"last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), (b"last words".to_vec(), End::Orderly));
    assert_eq!(echo.ended.recv().unwrap(), (b"last words".to_vec(), End::Orderly));

    let (echo, _proxy, mut client) = Echo::with_client();
    say(&mut client, b"a");
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(echo.ended.recv().unwrap(), (b"a".to_vec(), End::Reset));
}

#[test]
fn a_blackhole_towards_the_client_lets_the_server_hear_and_delivers_once_lifted() {
    let (echo, proxy, mut client) = Echo::with_client();
    let hole = proxy.inject(Rule::to_client(Fault::Blackhole));
    client.write_all(b"half open").unwrap();
    assert!(is_silent(&mut client));
    assert_eq!(proxy.counts().bytes_to_server, 9);
    assert_eq!(hole.hits(), 1);
    hole.lift();
    client.read_exact(&mut [0; 9]).unwrap();
    drop(client);
    assert_eq!(echo.ended.recv().unwrap(), (b"half open".to_vec(), End::Orderly));
}

#[test]
fn a_blackhole_towards_the_server_lets_the_client_hear() {
    let (echo, proxy, mut client) = Echo::with_client();
    let slow = proxy.inject(Rule::to_client(Fault::Latency {
        delay: std::time::Duration::from_millis(50),
        jitter: std::time::Duration::ZERO,
    }));
    client.write_all(b"on its way").unwrap();
    while slow.hits() == 0 {
        std::thread::yield_now();
    }
    let hole = proxy.inject(Rule::to_server(Fault::Blackhole));
    client.write_all(b"lost").unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    assert!(is_silent(&mut client));
    // Nor does the server hear that the client is gone.
    drop(client);
    assert!(echo.ended.recv_timeout(std::time::Duration::from_millis(60)).is_err());
    hole.lift();
    assert_eq!(echo.ended.recv().unwrap().0, b"on its waylost");
}

#[test]
fn in_a_blackhole_both_ways_neither_end_hears_of_the_others() {
    let (echo, proxy, mut client) = Echo::with_client();
    say(&mut client, b"a");
    let hole = proxy.inject(Rule::both_ways(Fault::Blackhole));
    client.write_all(b"b").unwrap();
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    assert!(echo.ended.recv_timeout(std::time::Duration::from_millis(60)).is_err());
    hole.lift();
    assert_eq!(echo.ended.recv().unwrap().1, End::Reset);
}

#[test]
fn a_connection_is_closed_even_if_the_proxy_has_not_yet_accepted_it() {
    let (_echo, proxy, mut client) = Echo::with_client();
    for _ in 0..50 {
        let mut newest = connect(&proxy);
        proxy.close_all(Close::Reset);
        assert_eq!(read_to_end(&mut newest), (Vec::new(), End::Reset));
    }
    assert_eq!(read_to_end(&mut client), (Vec::new(), End::Reset));
}

#[test]
fn all_connections_are_closed_on_demand() {
    for (how, end) in [(Close::Reset, End::Reset), (Close::Finish, End::Orderly)] {
        let (echo, proxy, mut first) = Echo::with_client();
        let mut second = connect(&proxy);
        say(&mut first, b"a");
        say(&mut second, b"b");
        proxy.close_all(how);
        assert_eq!((read_to_end(&mut first).1, read_to_end(&mut second).1), (end, end));
        drop((first, second));
        assert_eq!([echo.ended.recv().unwrap().1, echo.ended.recv().unwrap().1], [end, end]);
        let mut third = connect(&proxy);
        say(&mut third, b"c");
        assert_eq!(proxy.counts().accepted, 3);
    }
}
