//! What lies under which name, and what is put there without a lease.

use std::time::Duration;

use alacena_core::{
    key::KeySpace,
    tier::{EntryId, EntryName, Era, Fill, Overwrite, Stored},
};

use super::{
    leases::{is_woken, leads, waits},
    stage::{KEEP, Member, Stage, entry, envelope, store},
};

/// What lies under a readable name is found under it, and goes with its entry; the lease has no such name.
///
/// # Panics
/// Where that is not so.
pub async fn check_names(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let (plain, value) = (entry(), envelope(Fill(1), "readable"));
    let readable = called(plain);

    let load = alacena_core::tier::Begin { entry: readable.clone(), ..a.load(plain, None) };
    leads(&a, &load).await;
    // Who calls it otherwise waits for it all the same, and is woken.
    let woken = waits(&b, &b.load(plain, None)).await;
    assert_eq!(a.store(store(&load, &value)).await.expect("there is room"), Stored::Kept);
    is_woken(stage, woken, "a store under the other name").await;
    assert_eq!(b.look(&readable, &[]).await.expect("it can be read").entry, Some(value));
    // A store whose names nobody can see may do without those that can be read.
    if b.look(&plain.into(), &[]).await.expect("it can be read").entry.is_none() {
        let names = stage.names().await;
        assert!(names.contains(&readable.name()), "{readable:?} is not among {names:?}");
    }

    b.invalidate_entries(std::slice::from_ref(&readable)).await.expect("removing works");
    assert_eq!(a.look(&readable, &[]).await.expect("it can be read").entry, None);

    let other = a.load(plain, None);
    leads(&a, &other).await;
    let stored = a.store(store(&other, &envelope(Fill(2), "hashed"))).await;
    assert_eq!(stored.expect("there is room"), Stored::Kept);
    b.invalidate_entries(std::slice::from_ref(&readable)).await.expect("removing works");
    assert_eq!(a.look(&plain.into(), &[]).await.expect("it can be read").entry, None, "under either name");
}

/// What is put in the place of a fill is put there only where that is, and nothing of what was there goes on: no copy, no
/// load, nothing under the other name.
///
/// # Panics
/// Where that is not so.
pub async fn check_overwriting(stage: &dyn Stage) {
    let (a, b) = (Member::join(stage).await, Member::join(stage).await);
    let plain = entry();
    let [first, second, third] = [1, 2, 3].map(|fill| envelope(Fill(fill), "put"));
    let over = |over: Option<u64>, envelope| Overwrite {
        entry: plain.into(),
        elsewhere: called(plain),
        era: a.current_era(),
        over: over.map(Fill),
        envelope,
        keep: Duration::from_secs(60),
    };
    assert!(!a.overwrite(over(Some(1), second.clone())).await.expect("it can be asked"), "there is nothing");
    assert_eq!(a.look(&plain.into(), &[]).await.expect("it can be read").entry, None);

    let load = a.load(plain, None);
    leads(&a, &load).await;
    assert_eq!(a.store(store(&load, &first)).await.expect("there is room"), Stored::Kept);
    let foreign = Overwrite { era: Era(a.current_era().0 ^ 1), ..over(Some(1), second.clone()) };
    assert!(!a.overwrite(foreign).await.expect("it can be asked"), "it was of another era");
    assert!(!a.overwrite(over(Some(9), second.clone())).await.expect("it can be asked"), "another is there");
    assert_eq!(a.look(&plain.into(), &[]).await.expect("it can be read").entry, Some(first));

    // Somebody loads it again, and somebody has a copy.
    let reload = b.load(plain, Some(Fill(1)));
    leads(&b, &reload).await;
    let woken = waits(&a, &a.load(plain, Some(Fill(1)))).await;
    let bucket = (plain.bucket_marker(), a.nonce());
    a.mint(a.current_era(), &[bucket], KEEP).await.expect("there is room");
    b.catches_up().await;
    assert!(a.overwrite(over(Some(1), second.clone())).await.expect("there is room"));
    is_woken(stage, woken, "a value that was put").await;
    b.hears_of(plain.bucket_marker()).await;
    let late = b.store(store(&reload, &third)).await.expect("it can be asked");
    assert_eq!(late, Stored::LeaseLost, "it was asked for before");
    let looked = b.look(&plain.into(), &[]).await.expect("it can be read");
    assert_eq!((looked.bucket, looked.entry), (None, Some(second)));

    // Under the other name, and whatever is there.
    let elsewhere = Overwrite { entry: called(plain), elsewhere: plain.into(), ..over(None, third.clone()) };
    assert!(a.overwrite(elsewhere).await.expect("there is room"));
    let there = b.look(&plain.into(), &[]).await.expect("it can be read").entry;
    assert!(there.is_none_or(|there| there == third), "what was there is gone under its old name");
    assert_eq!(b.look(&called(plain), &[]).await.expect("it can be read").entry, Some(third));
}

/// The entry as a class with readable names calls it.
fn called(entry: EntryId) -> EntryName {
    let space = KeySpace::new("suite", "c", &["c"]).expect("it is short");
    entry.called(&space.key(None, ["a key {with} all sorts: \u{e4}"]).expect("it is short"))
}
