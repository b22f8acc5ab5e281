//! Markers: minted once, held until they are removed, and never changed without a word.

use std::time::Duration;

use alacena_core::tier::{Era, Failure, MarkerId, Nonce};

use super::stage::{Heard, KEEP, Member, Stage, entry, marker};

/// A marker that was minted is what every node reads, until it is removed; none is minted at another era.
///
/// # Panics
/// Where that is not so.
pub async fn check_markers(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let era = a.current_era();
    let [first, second, third] = [marker(), marker(), marker()];
    let [of_first, of_third, unused] = [a.nonce(), a.nonce(), b.nonce()];

    let minted = a.mint(era, &[(third, of_third), (first, of_first)], KEEP).await;
    assert_eq!(minted.expect("there is room"), [of_third, of_first], "in the order in which they were given");
    let again = b.mint(era, &[(first, unused)], KEEP).await.expect("there is room");
    assert_eq!(again, [of_first], "what is held is not minted again");

    let held = [Some(of_first), None, Some(of_third), Some(of_first)];
    let asked = [first, second, third, first];
    let checked = b.check(&asked).await.expect("it can be read");
    assert_eq!(
        (checked.era, checked.markers),
        (era, held.to_vec()),
        "in the order in which they were asked for"
    );
    let looked = b.look(&entry().into(), &asked).await.expect("it can be read");
    assert_eq!(looked.markers, held);
    assert_eq!((looked.bucket, looked.entry), (None, None), "nobody has stored it");

    a.invalidate(&[first, second]).await.expect("removing works");
    let checked = b.check(&[first, third]).await.expect("it can be read");
    assert_eq!(checked.markers, [None, Some(of_third)], "only what was named, and at once");

    let other = Era(era.0 ^ 1);
    let of_another = Nonce { era: other, random: 1 };
    let refused = a.mint(other, &[(second, of_another)], KEEP).await;
    assert!(matches!(refused, Err(Failure::OtherEra)), "nothing is minted in another era: {refused:?}");
    assert_eq!(a.check(&[second]).await.expect("it can be read").markers, [None]);

    check_that_nothing_is_nothing(&a).await;
    for name in stage.names().await {
        assert!(name.starts_with("alc:"), "`{name}` is not ours to write");
    }
}

async fn check_that_nothing_is_nothing(node: &Member<'_>) {
    let era = node.current_era();
    assert_eq!(node.look(&entry().into(), &[]).await.expect("no markers").markers, []);
    assert_eq!(node.check(&[]).await.expect("no markers").markers, []);
    assert_eq!(node.mint(era, &[], KEEP).await.expect("no markers"), []);
    node.touch(&[]).await.expect("no markers");
    node.invalidate(&[]).await.expect("no markers");
    node.invalidate_entries(&[]).await.expect("no entries");
}

/// Every node is told of a marker that comes or goes, the one that did it included; of one that is only read, nobody is.
///
/// # Panics
/// Where that is not so.
pub async fn check_news(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let era = a.current_era();
    let kinds = [marker(), entry().bucket_marker()];
    for marker in kinds {
        a.mint(era, &[(marker, a.nonce())], KEEP).await.expect("there is room");
        a.hears_of(marker).await;
        b.hears_of(marker).await;
        a.catches_up().await;
        b.catches_up().await;

        a.mint(era, &[(marker, a.nonce())], KEEP).await.expect("there is room");
        a.touch(&[marker]).await.expect("it can be used");
        a.check(&[marker]).await.expect("it can be read");
        a.look(&entry().into(), &[marker]).await.expect("it can be read");
        is_told_nothing(&b, marker).await;

        a.invalidate(&[marker]).await.expect("removing works");
        a.hears_of(marker).await;
        b.hears_of(marker).await;
    }

    let nobodys = marker();
    a.invalidate(&[nobodys]).await.expect("removing works");
    is_told_nothing(&b, nobodys).await;
}

async fn is_told_nothing(node: &Member<'_>, marker: MarkerId) {
    for _ in 0..2 {
        node.ping().await.expect("a ping is answered");
    }
    let is_told = node.has_heard(|heard| matches!(heard, Heard::Pushed(_)));
    assert!(!is_told, "{marker:?} has not changed, and a node was told something");
}

/// A marker is kept as long as was said when it was last minted, and not for ever.
///
/// # Panics
/// Where that is not so.
pub async fn check_prolonging(stage: &dyn Stage) {
    let node = Member::join(stage).await;
    let (era, marker, nonce) = (node.current_era(), marker(), node.nonce());
    let keep = Duration::from_millis(400);
    for _ in 0..4 {
        let minted = node.mint(era, &[(marker, nonce)], keep).await.expect("there is room");
        assert_eq!(minted, [nonce]);
        stage.pass(keep - Duration::from_millis(100)).await;
        let checked = node.check(&[marker]).await.expect("it can be read");
        assert_eq!(checked.markers, [Some(nonce)], "kept for as long as was said, and prolonged");
    }
    stage.pass(keep * 10).await;
    let checked = node.check(&[marker]).await.expect("it can be read");
    assert_eq!(checked.markers, [None], "what nobody asks for goes");
}
