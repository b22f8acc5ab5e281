//! Who is let in, and what becomes of whom.

use std::net::{Ipv4Addr, Ipv6Addr};

use alacena::runtime::{Moment, Runtime};
use alacena_testkit::FakeRuntime;

use super::*;

fn connections(connections_max: u32, per_address_max: u32) -> Connections {
    let limits = Limits { connections_max, per_address_max, idle_timeout: Duration::from_secs(60) };
    Connections::new(limits, Arc::new(FakeRuntime::new(1)))
}

fn v4(last: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, last), 1).into()
}

#[tokio::test]
async fn of_one_address_only_so_many_are_let_in_until_one_of_them_goes() {
    let connections = connections(100, 2);
    let enter = async |peer| connections.enter(peer, connections.place().await);
    let (first, second) = (enter(v4(1)).await, enter(v4(1)).await);
    assert!(first.is_some() && second.is_some() && enter(v4(1)).await.is_none());
    let mapped = (Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped(), 1).into();
    assert!(enter(mapped).await.is_none(), "the same address in other words");
    let other = enter(v4(2)).await;
    assert!(other.is_some(), "another address");
    drop(first);
    let third = enter(v4(1)).await;
    assert!(third.is_some() && enter(v4(1)).await.is_none());
    drop((second, third, other));
    assert!(connections.0.open.lock().by_address.is_empty(), "who is gone leaves nothing");
    assert_eq!(connections.0.places.available_permits(), 100, "whoever is refused takes no place");
}

#[tokio::test]
async fn this_machine_does_not_count_nor_does_anybody_where_there_is_no_limit() {
    for (connections, peer) in [
        (connections(100, 1), (Ipv4Addr::LOCALHOST, 1).into()),
        (connections(100, 1), (Ipv6Addr::LOCALHOST, 1).into()),
        (connections(100, 0), v4(1)),
    ] {
        let mut members = Vec::new();
        for _ in 0..50 {
            members.push(connections.enter(peer, connections.place().await).expect("it is let in"));
        }
    }
}

#[test]
fn an_address_counts_with_its_network() {
    let of = |text: &str| counted(text.parse().unwrap()).map(|address| address.to_string());
    for here in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(of(here), None, "{here}");
    }
    assert_eq!(of("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
    assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
}

/// A watch, and the clock that it stamps by.
fn watched() -> (Arc<Clock>, Arc<Watch>) {
    let clock = Arc::new(Clock::default());
    (Arc::clone(&clock), Arc::new(Watch::new(clock)))
}

fn at(seconds: u64) -> Moment {
    Moment::ORIGIN + Duration::from_secs(seconds)
}

const IDLE: Duration = Duration::from_secs(60);

#[test]
fn a_verdict_comes_when_a_limit_is_over_and_never_before() {
    let over = |prepare: &dyn Fn(&Arc<Watch>)| {
        let (_, watch) = watched();
        prepare(&watch);
        (0..1000).find_map(|second| {
            let verdict = watch.judge(at(second), IDLE);
            (verdict != Verdict::Stay).then_some((second, verdict))
        })
    };
    // One second more than promised: a stamp may be that much too early.
    assert_eq!(over(&|_| {}), Some((11, Verdict::Cut)), "nothing has come");
    assert_eq!(over(&|watch| watch.head_ended()), Some((61, Verdict::End)), "idle");
    let stalled = |bytes| {
        over(&move |watch| {
            let _running = watch.request();
            watch.head_ended();
            watch.answer_waits();
            watch.answer_goes_on(bytes);
        })
    };
    assert_eq!(stalled(0), Some((31, Verdict::Cut)));
    assert_eq!(stalled(10 * 1024), Some((41, Verdict::Cut)), "whoever takes something gets more time");
}

#[test]
fn whoever_is_worked_for_is_not_idle() {
    let (clock, watch) = watched();
    watch.head_ended();
    let (running, sound) = watch.request();
    assert!(sound);
    assert_eq!(watch.judge(at(500), IDLE), Verdict::Stay);
    clock.set(at(500));
    drop(running);
    assert_eq!(watch.judge(at(560), IDLE), Verdict::Stay, "its idle time begins with the answer");
    assert_eq!(watch.judge(at(561), IDLE), Verdict::End);
}

#[test]
fn a_head_that_waits_behind_a_request_has_its_time_once_that_is_answered() {
    let (clock, watch) = watched();
    let (running, _) = watch.request();
    // It has arrived in part, and the rest is not read while the one before it is worked on.
    watch.head_began();
    assert_eq!(watch.judge(at(500), IDLE), Verdict::Stay);
    clock.set(at(500));
    drop(running);
    assert_eq!(watch.judge(at(510), IDLE), Verdict::Stay);
    assert_eq!(watch.judge(at(511), IDLE), Verdict::Cut);
}

#[test]
fn over_http2_bytes_are_no_sign_of_life_and_whoever_was_told_to_end_must() {
    let (clock, watch) = watched();
    watch.head_ended();
    watch.speaks_http2();
    clock.set(at(60));
    watch.bytes_moved();
    assert_eq!(watch.judge(at(61), IDLE), Verdict::End);
    watch.tell(Verdict::End);
    assert_eq!(watch.judge(at(120), IDLE), Verdict::End);
    assert_eq!(watch.judge(at(121), IDLE), Verdict::Cut);
}

#[test]
fn only_the_flawed_request_is_not_answered() {
    let (_, watch) = watched();
    watch.distrust(2);
    assert_eq!([watch.request().1, watch.request().1, watch.request().1], [true, false, true]);
}

#[tokio::test]
async fn nobody_watches_over_a_server_that_is_gone() {
    let runtime = FakeRuntime::new(1);
    let limits = Limits { connections_max: 1, per_address_max: 0, idle_timeout: IDLE };
    let connections = Connections::new(limits, Arc::new(runtime.clone()));
    let inner = Arc::downgrade(&connections.0);
    connections.end().await;
    runtime.advance(Duration::from_secs(2)).await;
    assert_eq!((inner.strong_count(), runtime.sleepers()), (0, 0));
    assert_eq!(runtime.now(), at(2));
}
