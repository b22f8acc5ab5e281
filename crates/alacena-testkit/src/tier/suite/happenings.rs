//! What happens to servers: they evict, fill up, are flushed and start again.

use std::time::Duration;

use alacena_core::tier::{Begin, Failure, Fill, Push, Stored};

use super::{
    leases::{is_woken, leads, waits},
    stage::{Happening, Heard, KEEP, Member, Stage, entry, envelope, marker, store},
};

/// What was evicted is missing, and every node is told of it.
///
/// # Panics
/// Where that is not so.
pub async fn check_eviction(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let (marker, entry) = (marker(), entry());
    a.mint(a.current_era(), &[(marker, a.nonce())], KEEP).await.expect("there is room");
    let load = a.load(entry, None);
    leads(&a, &load).await;
    let woken = waits(&b, &b.load(entry, None)).await;
    b.catches_up().await;
    if !stage.happen(Happening::Evicted(marker.name())).await {
        return;
    }
    b.hears_of(marker).await;
    assert_eq!(b.look(&entry.into(), &[marker]).await.expect("it can be read").markers, [None]);

    stage.happen(Happening::Evicted(entry.lease_name())).await;
    is_woken(stage, woken, "the lease was evicted").await;
    let stored = a.store(store(&load, &envelope(Fill(1), "late"))).await;
    assert_eq!(stored.expect("it can be asked"), Stored::LeaseLost);
}

/// A full server takes nothing new, says so, and lets everything be removed.
///
/// # Panics
/// Where that is not so.
pub async fn check_full(stage: &dyn Stage) {
    let node = Member::join(stage).await;
    let (era, there, new) = (node.current_era(), (marker(), node.nonce()), (marker(), node.nonce()));
    let load = node.load(entry(), None);
    node.mint(era, &[there], KEEP).await.expect("there is room");
    leads(&node, &load).await;
    if !stage.happen(Happening::Full(true)).await {
        return;
    }
    let refused = node.mint(era, &[there, new], KEEP).await;
    assert!(matches!(refused, Err(Failure::OutOfMemory(_))), "{refused:?}");
    assert_eq!(node.mint(era, &[there], KEEP).await.expect("nothing is new in it"), [there.1]);
    let refused = node.begin(node.load(entry(), None)).await.map(|_| ());
    assert!(matches!(refused, Err(Failure::OutOfMemory(_))), "{refused:?}");
    let refused = node.store(store(&load, &envelope(Fill(1), "too much"))).await;
    assert!(matches!(refused, Err(Failure::OutOfMemory(_))), "{refused:?}");
    let checked = node.check(&[there.0, new.0]).await.expect("it can be read");
    assert_eq!(checked.markers, [Some(there.1), None]);

    node.release(load.entry.id(), load.attempt, None).await.expect("giving back works");
    node.invalidate_entries(std::slice::from_ref(&load.entry)).await.expect("removing works");
    node.invalidate(&[there.0]).await.expect("removing works");
    assert_eq!(node.check(&[there.0]).await.expect("it can be read").markers, [None]);

    stage.happen(Happening::Full(false)).await;
    assert_eq!(node.mint(era, &[new], KEEP).await.expect("there is room again"), [new.1]);
}

/// A flush takes everything, and every node is told of that.
///
/// # Panics
/// Where that is not so.
pub async fn check_flush(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let (marker, entry) = (marker(), entry());
    a.mint(a.current_era(), &[(marker, a.nonce())], KEEP).await.expect("there is room");
    leads(&a, &a.load(entry, None)).await;
    let woken = waits(&b, &b.load(entry, None)).await;
    if !stage.happen(Happening::Flushed).await {
        return;
    }
    for node in [&a, &b] {
        node.hears("of a flush", |heard| *heard == Heard::Pushed(Push::Everything)).await;
    }
    is_woken(stage, woken, "everything was flushed").await;
    assert_eq!(b.check(&[marker]).await.expect("it can be read").markers, [None]);
    leads(&b, &b.load(entry, None)).await;
}

/// A server that starts again is of another era, every node learns of it, and nothing of the former era counts.
///
/// # Panics
/// Where that is not so.
pub async fn check_restart(stage: &dyn Stage) {
    let node = Member::join(stage).await;
    for keeps in [true, false] {
        let (before, marker, entry) = (node.current_era(), (marker(), node.nonce()), entry());
        node.mint(before, &[marker], KEEP).await.expect("there is room");
        let load = node.load(entry, None);
        leads(&node, &load).await;
        let waiting = Member::join(stage).await;
        let woken = waits(&waiting, &waiting.load(entry, None)).await;
        if !stage.happen(Happening::Restarted { keeps }).await {
            continue;
        }
        is_woken(stage, woken, "nobody can hear of it any more").await;
        node.hears("that the connection was lost", |heard| *heard == Heard::Lost).await;
        let is_new = |heard: &Heard| matches!(heard, Heard::Connected(era) if *era != before);
        node.hears("that it is connected again, to another era", is_new).await;
        check_that_nothing_counts(&node, marker, &load).await;
    }
}

async fn check_that_nothing_counts(
    node: &Member<'_>,
    marker: (alacena_core::tier::MarkerId, alacena_core::tier::Nonce),
    load: &Begin,
) {
    let refused = node.mint(load.attempt.era, &[marker], KEEP).await;
    assert!(matches!(refused, Err(Failure::OtherEra)), "{refused:?}");
    let fresh = (marker.0, node.nonce());
    let minted = node.mint(node.current_era(), &[fresh], KEEP).await.expect("there is room");
    assert_eq!(minted, [fresh.1], "what another era has left is minted anew");

    let late = node.store(store(load, &envelope(Fill(1), "late"))).await;
    assert!(matches!(late, Ok(Stored::LeaseLost) | Err(Failure::OtherEra)), "{late:?}");
    assert_eq!(node.look(&load.entry, &[]).await.expect("it can be read").entry, None);
    let again = Begin { lease: Duration::from_secs(1), ..node.load(load.entry.id(), None) };
    leads(node, &again).await;
}
