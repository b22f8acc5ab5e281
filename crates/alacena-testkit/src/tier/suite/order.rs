//! Order: of steps, of answers, and of what is told.

use std::time::Duration;

use alacena_core::tier::{Failure, Fill, Looked, Push, Stored};
use futures_util::{
    FutureExt,
    future::{join_all, join3, join4},
};

use super::{
    leases::leads,
    stage::{Heard, KEEP, Member, Stage, entry, envelope, marker, store},
};

/// Steps are taken in the order in which they were asked for, without waiting for their answers.
///
/// # Panics
/// Where that is not so.
pub async fn check_order(stage: &dyn Stage) {
    let node = Member::join(stage).await;
    let era = node.current_era();
    let (marker, entry) = (marker(), entry());
    for round in 0..50 {
        let (first, second) = ([(marker, node.nonce())], [(marker, node.nonce())]);
        let markers = [marker];
        let (minted, removed, again, checked) = join4(
            node.mint(era, &first, KEEP),
            node.invalidate(&markers),
            node.mint(era, &second, KEEP),
            node.check(&markers),
        )
        .await;
        assert_eq!(minted.expect("there is room"), [first[0].1]);
        removed.expect("removing works");
        assert_eq!(again.expect("there is room"), [second[0].1]);
        assert_eq!(checked.expect("it can be read").markers, [Some(second[0].1)]);

        let load = node.load(entry, u64::checked_sub(round, 1).map(Fill));
        leads(&node, &load).await;
        let value = envelope(Fill(round), "in order");
        let (stored, looked, removed) = join3(
            node.store(store(&load, &value)),
            node.look(&entry.into(), &markers),
            node.invalidate(&markers),
        )
        .await;
        assert_eq!(stored.expect("there is room"), Stored::Kept);
        let expected = Looked { markers: vec![Some(second[0].1)], bucket: None, entry: Some(value) };
        assert_eq!(looked.expect("it can be read"), expected);
        removed.expect("removing works");
    }
}

/// Who gives up before the answer neither undoes the step nor gets another's answer to anybody.
///
/// # Panics
/// Where that is not so.
pub async fn check_giving_up(stage: &dyn Stage) {
    let node = Member::join(stage).await;
    let era = node.current_era();
    let markers: Vec<_> = (0..64).map(|_| (marker(), node.nonce())).collect();
    for (at, marker) in markers.iter().enumerate() {
        let mut step = node.mint(era, std::slice::from_ref(marker), KEEP);
        if at % 2 == 0 {
            // Sent, and not waited for.
            let _ = (&mut step).now_or_never();
        } else {
            assert_eq!(step.await.expect("there is room"), [marker.1]);
        }
    }
    let answers = join_all(markers.iter().map(|(marker, nonce)| {
        let checked = node.check(std::slice::from_ref(marker));
        async move { (checked.await.expect("it can be read").markers, vec![Some(*nonce)]) }
    }));
    for (at, (held, minted)) in answers.await.into_iter().enumerate() {
        assert_eq!(held, minted, "marker {at}");
    }
}

/// What was done before a ping was sent has been heard of when the next ping is answered; and pings are all that it takes.
///
/// # Panics
/// Where that is not so.
pub async fn check_heartbeat(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let era = a.current_era();
    for _ in 0..100 {
        let marker = marker();
        b.mint(era, &[(marker, b.nonce())], KEEP).await.expect("there is room");
        a.catches_up().await;
        // In the same round as the first ping, if chance will have it so.
        let markers = [marker];
        let (removed, first) = futures_util::future::join(b.invalidate(&markers), a.ping()).await;
        removed.expect("removing works");
        first.expect("a ping is answered");
        // That one was sent too early to prove anything.
        for _ in 0..2 {
            a.ping().await.expect("a ping is answered");
        }
        let told = Heard::Pushed(Push::Marker(marker));
        assert!(
            a.has_heard(|heard| *heard == told),
            "two pings were answered after it, and it was not heard of"
        );
    }
}

/// Large things get through, nobody waits for replicas that are not there longer than was said, and who is closed answers
/// so.
///
/// # Panics
/// Where that is not so.
pub async fn check_limits(stage: &dyn Stage) {
    let node = Member::join(stage).await;
    let markers: Vec<_> = (0..1_000).map(|_| (marker(), node.nonce())).collect();
    let minted = node.mint(node.current_era(), &markers, KEEP).await.expect("there is room");
    assert_eq!(minted, markers.iter().map(|(_, nonce)| *nonce).collect::<Vec<_>>());

    let load = node.load(entry(), None);
    leads(&node, &load).await;
    let large = envelope(Fill(1), &"x".repeat(1 << 20));
    assert_eq!(node.store(store(&load, &large)).await.expect("there is room"), Stored::Kept);
    assert_eq!(node.look(&load.entry, &[]).await.expect("it can be read").entry, Some(large));

    let (a, b) = (node.server_millis(), Member::join(stage).await.server_millis());
    assert!(a.abs_diff(b) < 1_000, "nodes agree on the server's time: {a} and {b}");

    let of_none = node.replicate(0, Duration::ZERO).await;
    of_none.expect("there is nothing to wait for");
    let of_many = node.replicate(1_000, Duration::from_millis(50));
    let passed = stage.pass(Duration::from_millis(100));
    let (reached, ()) = futures_util::future::join(of_many, passed).await;
    assert!(reached.expect("it can be asked") < 1_000);

    node.close().await;
    let refused = node.check(&[]).await;
    assert!(matches!(refused, Err(Failure::Unavailable(_))), "closed: {refused:?}");
}
