//! Entries and leases: one loads, others wait and are woken, and who has lost a lease stores nothing.

use std::time::Duration;

use alacena_core::{
    runtime::BoxFuture,
    tier::{Begin, Begun, Era, Failure, Fill, Nonce, Stored, Woken},
};
use bytes::Bytes;
use futures_util::future::{Either, select};

use super::stage::{KEEP, Member, Stage, entry, envelope, store};

/// An entry is what was stored, for as long as was said, beside the marker of its bucket.
///
/// # Panics
/// Where that is not so.
pub async fn check_entries(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let (entry, value) = (entry(), envelope(Fill(1), "first"));

    let load = a.load(entry, None);
    leads(&a, &load).await;
    assert_eq!(a.store(store(&load, &value)).await.expect("there is room"), Stored::Kept);
    assert_eq!(b.look(&entry.into(), &[]).await.expect("it can be read").entry, Some(value.clone()));
    hits(&b, &b.load(entry, None), &value).await;
    hits(&b, &b.load(entry, Some(Fill(9))), &value).await;

    // Who has seen it and found it wanting loads it again, and stores over it.
    let (reload, newer) = (b.load(entry, Some(Fill(1))), envelope(Fill(2), "second"));
    leads(&b, &reload).await;
    assert_eq!(
        b.look(&entry.into(), &[]).await.expect("it can be read").entry,
        Some(value),
        "until another is there"
    );
    assert_eq!(b.store(store(&reload, &newer)).await.expect("there is room"), Stored::Kept);
    hits(&a, &a.load(entry, Some(Fill(1))), &newer).await;

    let bucket = (entry.bucket_marker(), a.nonce());
    a.mint(a.current_era(), &[bucket], KEEP).await.expect("there is room");
    assert_eq!(b.look(&entry.into(), &[]).await.expect("it can be read").bucket, Some(bucket.1));
    b.catches_up().await;
    a.invalidate_entries(&[entry.into()]).await.expect("removing works");
    let looked = b.look(&entry.into(), &[]).await.expect("it can be read");
    assert_eq!((looked.bucket, looked.entry), (None, None));
    b.hears_of(entry.bucket_marker()).await;

    let brief = a.load(entry, None);
    leads(&a, &brief).await;
    let until_soon = alacena_core::tier::Store { keep: Duration::from_millis(200), ..store(&brief, &newer) };
    assert_eq!(a.store(until_soon).await.expect("there is room"), Stored::Kept);
    stage.pass(Duration::from_millis(300)).await;
    assert_eq!(a.look(&entry.into(), &[]).await.expect("it can be read").entry, None, "its time is over");
}

/// Who does not lead waits, and is woken by whatever becomes of the lease.
///
/// # Panics
/// Where that is not so.
pub async fn check_waiting(stage: &dyn Stage) {
    let (a, b, c) = (Member::join(stage).await, Member::join(stage).await, Member::join(stage).await);
    for end in [End::Stored, End::Released, End::Alone, End::Invalidated] {
        let entry = entry();
        let load = a.load(entry, None);
        leads(&a, &load).await;
        let waiting = [waits(&b, &b.load(entry, None)).await, waits(&c, &c.load(entry, None)).await];
        // On the same node, too.
        let beside = waits(&a, &a.load(entry, None)).await;
        match end {
            End::Stored => {
                let stored = a.store(store(&load, &envelope(Fill(1), "new"))).await;
                assert_eq!(stored.expect("there is room"), Stored::Kept);
            }
            End::Released => a.release(entry, load.attempt, None).await.expect("giving back works"),
            End::Alone => a.release(entry, load.attempt, Some(KEEP)).await.expect("giving back works"),
            End::Invalidated => c.invalidate_entries(&[entry.into()]).await.expect("removing works"),
        }
        for woken in waiting.into_iter().chain([beside]) {
            is_woken(stage, woken, end).await;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Stored,
    Released,
    Alone,
    Invalidated,
}

/// A lease is held by one attempt, until it has run out, is given back or is taken away; then that attempt stores nothing,
/// whoever it was of. One of another era is never held.
///
/// # Panics
/// Where that is not so.
pub async fn check_fencing(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let (of_a, of_b) = (envelope(Fill(1), "of a"), envelope(Fill(2), "of b"));

    // It runs out, unless it is held for longer.
    let contested = entry();
    let brief = Begin { lease: Duration::from_millis(300), ..a.load(contested, None) };
    leads(&a, &brief).await;
    stage.pass(Duration::from_millis(200)).await;
    let renewed = a.renew(contested, brief.attempt, Duration::from_millis(600)).await;
    assert!(renewed.expect("it can be asked"), "it was still held");
    stage.pass(Duration::from_millis(300)).await;
    let _woken = waits(&b, &b.load(contested, None)).await;
    stage.pass(Duration::from_millis(500)).await;
    let next = b.load(contested, None);
    leads(&b, &next).await;
    let renewed = a.renew(contested, brief.attempt, Duration::from_secs(5)).await;
    assert!(!renewed.expect("it can be asked"), "somebody else holds it");
    assert_eq!(a.store(store(&brief, &of_a)).await.expect("it can be asked"), Stored::LeaseLost);
    a.release(contested, brief.attempt, None).await.expect("giving back works");
    assert_eq!(b.store(store(&next, &of_b)).await.expect("it can be asked"), Stored::Kept, "and kept it");
    assert_eq!(a.look(&contested.into(), &[]).await.expect("it can be read").entry, Some(of_b.clone()));
    let twice = b.store(store(&next, &of_a)).await.expect("it can be asked");
    assert_eq!(twice, Stored::LeaseLost, "a lease is for one store");

    // It is taken away by who invalidates, and given to the next attempt of the same node: the first stores nothing.
    let entry = entry();
    let first = a.load(entry, None);
    leads(&a, &first).await;
    b.invalidate_entries(&[entry.into()]).await.expect("removing works");
    assert_eq!(a.store(store(&first, &of_a)).await.expect("it can be asked"), Stored::LeaseLost);
    let second = a.load(entry, None);
    leads(&a, &second).await;
    assert_eq!(a.store(store(&first, &of_a)).await.expect("it can be asked"), Stored::LeaseLost);
    assert_eq!(a.look(&entry.into(), &[]).await.expect("it can be read").entry, None);

    // Who says another era neither leads nor waits for who leads.
    let foreign = Nonce { era: Era(a.current_era().0 ^ 1), ..a.nonce() };
    for of in [entry, super::stage::entry()] {
        let refused = b.begin(Begin { attempt: foreign, ..b.load(of, None) }).await;
        assert!(matches!(refused, Err(Failure::OtherEra)), "a lease of another era is none");
    }
}

/// Where nobody is to wait for anybody nobody does, for as long as was said.
///
/// # Panics
/// Where that is not so.
pub async fn check_alone(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let entry = entry();
    let load = a.load(entry, None);
    leads(&a, &load).await;
    a.release(entry, load.attempt, Some(Duration::from_millis(400))).await.expect("giving back works");
    for node in [&a, &b] {
        let begun = node.begin(node.load(entry, None)).await.expect("it can be asked");
        assert!(
            matches!(begun, Begun::Alone),
            "it was said that nobody waits, and somebody does not go alone"
        );
    }
    stage.pass(Duration::from_millis(500)).await;
    leads(&b, &b.load(entry, None)).await;
}

pub(super) async fn leads(node: &Member<'_>, load: &Begin) {
    let begun = node.begin(load.clone()).await.expect("it can be asked");
    assert!(
        matches!(begun, Begun::Lead),
        "nobody else loads it, and this node does not lead but {}",
        name(&begun)
    );
}

async fn hits(node: &Member<'_>, load: &Begin, expected: &Bytes) {
    match node.begin(load.clone()).await.expect("it can be asked") {
        Begun::Hit(envelope) => assert_eq!(envelope, *expected),
        begun => panic!("there is an entry, and this node does not get it but {}", name(&begun)),
    }
}

pub(super) async fn waits(node: &Member<'_>, load: &Begin) -> Woken {
    match node.begin(load.clone()).await.expect("it can be asked") {
        Begun::Wait(left, woken) => {
            assert!(left <= Duration::from_secs(10), "longer than the lease: {left:?}");
            woken
        }
        begun => panic!("somebody else holds the lease, and this node does not wait but {}", name(&begun)),
    }
}

pub(super) async fn is_woken(stage: &dyn Stage, woken: Woken, by: impl std::fmt::Debug) {
    // Long before the lease would have run out.
    let patience: BoxFuture<'_, ()> = stage.pass(Duration::from_secs(2));
    let is_woken = matches!(select(woken, patience).await, Either::Left(_));
    assert!(is_woken, "{by:?}, and who waited was not woken");
}

fn name(begun: &Begun) -> &'static str {
    match begun {
        Begun::Hit(_) => "hits",
        Begun::Lead => "leads",
        Begun::Wait(..) => "waits",
        Begun::Alone => "goes alone",
    }
}
