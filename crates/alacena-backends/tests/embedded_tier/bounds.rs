//! No more than may be: bytes, markers, writes.

use std::{fs, sync::Arc, time::Duration};

use alacena_backends::embedded::TierSettings;
use alacena_core::tier::{Era, Failure, MarkerId, Push, Shard, Stored, Watcher};
use alacena_testkit::FakeRuntime;
use parking_lot::Mutex;

use crate::stage::{DAY, Disk, MINUTE, entry, envelope, patient};

fn small(entries_bytes_max: u64, markers_max: u64) -> TierSettings {
    let mut settings = patient();
    (settings.entries_bytes_max, settings.markers_max) = (entries_bytes_max, markers_max);
    settings
}

#[tokio::test]
async fn entries_give_way_and_those_that_are_asked_for_stay() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), small(1 << 20, 1_024), &runtime).await;
    let liked: Vec<_> = (0..50).map(entry).collect();
    for entry in &liked {
        disk.fill(*entry, envelope(1, 1_000), DAY).await;
    }
    // Several times as much as there is room for; what is liked is asked for every now and then.
    for number in 1_000..4_000 {
        assert_eq!(disk.fill(entry(number), envelope(number, 1_000), DAY).await, Stored::Kept);
        if number % 100 == 0 {
            for entry in &liked {
                disk.stored(*entry).await;
            }
        }
    }
    disk.tier.tidy().await.unwrap();
    let figures = disk.tier.figures();
    assert!(figures.bytes <= 1 << 20 && figures.bytes > 900_000, "{figures:?}");
    assert_eq!(figures.entries + figures.evicted, 3_050);
    let mut left = 0;
    for entry in &liked {
        left += usize::from(disk.stored(*entry).await.is_some());
    }
    assert!(left >= 45, "{left} of 50 are left");
    disk.close().await;
    let length = fs::metadata(folder.path().join("entries.redb")).unwrap().len();
    assert!(length < 6 << 20, "the file takes {length} bytes");
}

#[tokio::test]
async fn what_is_larger_than_all_of_it_is_refused_and_harms_nobody() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), small(1 << 20, 1_024), &runtime).await;
    disk.fill(entry(1), envelope(1, 1_000), DAY).await;
    let attempt = disk.nonce(9);
    let load = alacena_core::tier::Begin { entry: entry(2).into(), attempt, seen: None, lease: MINUTE };
    disk.shard.begin(load).await.unwrap();
    let store = alacena_core::tier::Store {
        entry: entry(2).into(),
        attempt,
        envelope: envelope(2, 1 << 20),
        keep: DAY,
    };
    let refused = disk.shard.store(store).await;
    assert!(
        matches!(&refused, Err(Failure::OutOfMemory(error)) if error.to_string().contains("entries_max"))
    );
    assert_eq!(disk.stored(entry(1)).await, Some(envelope(1, 1_000)));
}

#[tokio::test]
async fn a_smaller_bound_holds_from_the_next_start_on() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), small(8 << 20, 1_024), &runtime).await;
    for number in 0..3_000 {
        disk.fill(entry(number), envelope(number, 1_000), DAY).await;
    }
    disk.close().await;
    let disk = Disk::open(folder.path(), small(1 << 20, 1_024), &runtime).await;
    let figures = disk.tier.figures();
    assert!(figures.bytes <= 1 << 20 && figures.entries > 500, "{figures:?}");
    disk.close().await;
}

/// Guards what was told.
#[derive(Default)]
struct Ear(Mutex<Vec<Push>>);

impl Watcher for Ear {
    fn connected(&self, _: Era) {}
    fn lost(&self) {}
    fn pushed(&self, push: Push) {
        self.0.lock().push(push);
    }
}

#[tokio::test]
async fn markers_that_are_used_stay_and_those_that_give_way_are_told_of() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), small(1 << 20, 1_024), &runtime).await;
    let marker = |number: u64| MarkerId::Dep(entry(number).0);
    let liked: Vec<_> = (0..50).map(marker).collect();
    for marker in &liked {
        disk.mint(*marker, 1).await;
    }
    let ear = Arc::<Ear>::default();
    disk.shard.watch(ear.clone());
    for number in 1_000..6_000 {
        disk.mint(marker(number), number).await;
        if number % 100 == 0 {
            // As a node does once a second with what it relies on.
            disk.shard.touch(&liked).await.unwrap();
        }
    }
    disk.tier.tidy().await.unwrap();
    assert_eq!(disk.tier.figures().markers, 1_024);
    let held = disk.shard.check(&liked).await.unwrap().markers;
    assert!(held.iter().flatten().count() >= 45, "{} of 50 are left", held.iter().flatten().count());
    let told = ear.0.lock();
    for number in 1_000..6_000 {
        let of = Push::Marker(marker(number));
        let times = told.iter().filter(|push| **push == of).count();
        assert!(times == 1 || times == 2, "it came, and it went or did not: {times}");
    }
    assert_eq!(told.len(), 5_000 + (5_050 - 1_024), "each of those that came, each of those that went");
}

#[tokio::test]
async fn what_has_run_out_goes_by_itself() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), patient(), &runtime).await;
    for number in 0..3_000 {
        let keep = if number % 3 == 0 { DAY } else { MINUTE };
        disk.fill(entry(number), envelope(number, 100), keep).await;
    }
    runtime.advance(MINUTE * 3).await;
    disk.tier.tidy().await.unwrap();
    assert_eq!((disk.tier.figures().entries, disk.tier.names().await.unwrap().len()), (1_000, 1_000));
}

#[tokio::test]
async fn a_read_writes_nothing_and_neither_does_idleness() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), patient(), &runtime).await;
    let markers: Vec<_> = (0..4).map(MarkerId::Dep).collect();
    for marker in &markers {
        disk.mint(*marker, 1).await;
    }
    disk.fill(entry(1), envelope(1, 1_000), DAY).await;
    disk.tier.tidy().await.unwrap();
    let file = folder.path().join("entries.redb");
    let (before, written) = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    for _ in 0..1_000 {
        assert!(disk.shard.look(&entry(1).into(), &markers).await.unwrap().entry.is_some());
        disk.shard.check(&markers).await.unwrap();
        disk.shard.touch(&markers).await.unwrap();
    }
    // Minted again, though nothing is missing.
    for marker in &markers {
        disk.mint(*marker, 2).await;
    }
    for _ in 0..10 {
        runtime.advance(Duration::from_secs(1)).await;
        disk.tier.tidy().await.unwrap();
    }
    assert!(fs::read(&file).unwrap() == before, "the file is as it was");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
}
