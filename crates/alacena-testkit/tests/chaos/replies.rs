//! Replies that change places, come twice or not at all. The echo sends back the replies that the client writes.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use alacena_testkit::chaos::{Fault, Rule};

use crate::peer::{Echo, End, is_silent, read_to_end, say, time};

/// Longer than a test waits for anything.
const SWAP: Fault = Fault::SwapReplies { wait: Duration::from_secs(60) };

/// What comes back for these bytes, which are `length` in all.
fn get(client: &mut TcpStream, sent: &str, length: usize) -> String {
    client.write_all(sent.as_bytes()).expect("the connection is open");
    let mut answer = vec![0; length];
    client.read_exact(&mut answer).expect("it comes back");
    String::from_utf8(answer).expect("it is text")
}

#[test]
fn neighbours_change_places_however_the_stream_is_cut() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let swap = proxy.inject(Rule::to_client(SWAP).times(2));
    let sent = "$3\r\none\r\n*2\r\n:2\r\n$2\r\n\r\n\r\n+three\r\n:4\r\n:5\r\n:6\r\n";
    let swapped = "*2\r\n:2\r\n$2\r\n\r\n\r\n$3\r\none\r\n:4\r\n+three\r\n:5\r\n:6\r\n";
    assert_eq!(get(&mut client, sent, sent.len()), swapped);
    assert_eq!(swap.hits(), 2);
    swap.lift();

    proxy.inject(Rule::to_server(Fault::Pieces { size: 1, gap: Duration::ZERO }));
    proxy.inject(Rule::to_client(SWAP).times(2));
    assert_eq!(get(&mut client, sent, sent.len()), swapped);
}

#[test]
fn a_push_is_left_where_it_is() {
    let (_echo, proxy, mut client) = Echo::with_client();
    proxy.inject(Rule::to_client(SWAP));
    let sent = "+1\r\n>2\r\n+invalidate\r\n_\r\n+2\r\n";
    assert_eq!(get(&mut client, sent, sent.len()), ">2\r\n+invalidate\r\n_\r\n+2\r\n+1\r\n");
}

#[test]
fn a_reply_that_waits_in_vain_goes_on_alone() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let wait = Duration::from_millis(40);
    let swap = proxy.inject(Rule::to_client(Fault::SwapReplies { wait }));
    let (answer, took) = time(|| say(&mut client, b"+1\r\n"));
    assert_eq!(answer, b"+1\r\n");
    assert!(took >= wait, "{took:?}");
    assert_eq!(swap.hits(), 0);
    // What is held back comes when the rule goes.
    swap.lift();
    let swap = proxy.inject(Rule::to_client(SWAP));
    client.write_all(b"+2\r\n$10\r\npart").unwrap();
    assert!(is_silent(&mut client));
    swap.lift();
    let mut answer = [0; 13];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+2\r\n$10\r\npart");
}

#[test]
fn the_end_of_a_connection_does_not_wait_for_neighbours() {
    let (_echo, proxy, mut client) = Echo::with_client();
    proxy.inject(Rule::to_client(SWAP));
    client.write_all(b"+1\r\n$10\r\npart").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), (b"+1\r\n$10\r\npart".to_vec(), End::Orderly));
}

#[test]
fn a_reply_comes_twice_or_not_at_all() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let twice = proxy.inject(Rule::to_client(Fault::DuplicateReply).times(1));
    assert_eq!(get(&mut client, "+1\r\n+2\r\n", 12), "+1\r\n+1\r\n+2\r\n");
    let never = proxy.inject(Rule::to_client(Fault::OmitReply).times(1));
    assert_eq!(get(&mut client, "+1\r\n+2\r\n", 4), "+2\r\n");
    assert_eq!((twice.hits(), never.hits()), (1, 1));
}

#[test]
fn an_error_comes_instead() {
    let (_echo, proxy, mut client) = Echo::with_client();
    let error = Fault::ErrorReply { error: "LOADING" };
    let loading = proxy.inject(Rule::to_client(error).times(1));
    let answered = ">1\r\n+a\r\n-LOADING\r\n+2\r\n";
    assert_eq!(get(&mut client, ">1\r\n+a\r\n$3\r\none\r\n+2\r\n", answered.len()), answered);
    assert_eq!(loading.hits(), 1);
}

#[test]
fn a_rule_that_comes_in_the_middle_of_a_reply_begins_with_the_next() {
    let (_echo, proxy, mut client) = Echo::with_client();
    say(&mut client, b"$10\r\npart");
    proxy.inject(Rule::to_client(Fault::OmitReply).times(1));
    assert_eq!(get(&mut client, " of it\r\n+gone\r\n+there\r\n", 16), " of it\r\n+there\r\n");
}

#[test]
fn a_stream_that_is_not_of_replies_passes() {
    let (_echo, proxy, mut client) = Echo::with_client();
    proxy.inject(Rule::to_client(SWAP));
    assert_eq!(say(&mut client, b"\x16\x03\x01 hello"), b"\x16\x03\x01 hello");
}
