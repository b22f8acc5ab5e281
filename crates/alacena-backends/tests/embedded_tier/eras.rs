//! What an earlier process has left is believed, unless something says that it may have gone back in time.

use std::{fs, path::Path};

use alacena_backends::embedded::{EmbeddedLedger, EmbeddedTier, Owner};
use alacena_core::tier::MarkerId;
use alacena_testkit::FakeRuntime;

use crate::stage::{DAY, Disk, entry, envelope, patient};

const MARKER: MarkerId = MarkerId::Dep(7);
const FILE: &str = "entries.redb";

/// A process that leaves a marker and an entry.
async fn leave(folder: &Path, runtime: &FakeRuntime) -> alacena_core::tier::Nonce {
    let disk = Disk::open(folder, patient(), runtime).await;
    let nonce = disk.mint(MARKER, 1).await;
    disk.fill(entry(1), envelope(1, 100), DAY).await;
    disk.close().await;
    nonce
}

#[tokio::test]
async fn what_a_process_has_left_is_of_the_same_era_for_the_next() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let nonce = leave(folder.path(), &runtime).await;
    for _ in 0..3 {
        let disk = Disk::open(folder.path(), patient(), &runtime).await;
        assert_eq!(disk.held(MARKER).await, Some(nonce));
        assert_eq!(disk.nonce(0).era, nonce.era);
        assert_eq!(disk.stored(entry(1)).await, Some(envelope(1, 100)));
        disk.close().await;
    }
}

/// The next process finds everything as it was, and says that it is of another era.
async fn is_of_another_era(folder: &Path, runtime: &FakeRuntime, nonce: alacena_core::tier::Nonce) {
    let disk = Disk::open(folder, patient(), runtime).await;
    assert_eq!(disk.held(MARKER).await, Some(nonce), "it is still there");
    assert_ne!(disk.nonce(0).era, nonce.era);
    assert_eq!(disk.stored(entry(1)).await, Some(envelope(1, 100)), "to be answered once more, as suspect");
    let fresh = disk.nonce(2);
    assert_eq!(disk.mint(MARKER, 2).await, fresh, "what another era has left is minted anew");
    disk.close().await;
    // And that is what the one after it believes.
    let disk = Disk::open(folder, patient(), runtime).await;
    assert_eq!((disk.nonce(0).era, disk.held(MARKER).await), (fresh.era, Some(fresh)));
    disk.close().await;
}

#[tokio::test]
async fn a_copy_is_of_another_era() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let nonce = leave(folder.path(), &runtime).await;
    let (file, backup) = (folder.path().join(FILE), folder.path().join("backup"));
    fs::copy(&file, &backup).unwrap();
    fs::rename(&backup, &file).unwrap();
    is_of_another_era(folder.path(), &runtime, nonce).await;
}

#[tokio::test]
async fn what_a_process_ran_without_is_of_another_era() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let nonce = leave(folder.path(), &runtime).await;
    let owner = Owner { pid: std::process::id(), listen: None, started_at: 7 };
    let ledger =
        EmbeddedLedger::open(folder.path(), owner, None, std::sync::Arc::new(runtime.clone())).unwrap();
    ledger.close().await;
    is_of_another_era(folder.path(), &runtime, nonce).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_another_era_and_one_that_was_corrected_none() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let nonce = leave(folder.path(), &runtime).await;
    runtime.step_wall_clock(-30_000);
    let disk = Disk::open(folder.path(), patient(), &runtime).await;
    assert_eq!(disk.nonce(0).era, nonce.era);
    disk.close().await;
    runtime.step_wall_clock(-3_600_000);
    is_of_another_era(folder.path(), &runtime, nonce).await;
}

#[tokio::test]
async fn what_was_written_with_another_key_is_begun_anew() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    leave(folder.path(), &runtime).await;
    let mut settings = patient();
    settings.mark = [1; 32];
    let disk = Disk::open(folder.path(), settings, &runtime).await;
    assert_eq!((disk.held(MARKER).await, disk.stored(entry(1)).await), (None, None));
    disk.close().await;
}

#[tokio::test]
async fn whoever_goes_on_without_the_entries_removes_them() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    leave(folder.path(), &runtime).await;
    EmbeddedTier::remove(folder.path());
    EmbeddedTier::remove(folder.path());
    assert!(!folder.path().join(FILE).exists());
    let disk = Disk::open(folder.path(), patient(), &runtime).await;
    assert_eq!(disk.stored(entry(1)).await, None);
    disk.close().await;
}

#[tokio::test]
async fn time_goes_on_while_there_is_no_process() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    leave(folder.path(), &runtime).await;
    runtime.step_wall_clock(86_400_000);
    let disk = Disk::open(folder.path(), patient(), &runtime).await;
    assert_eq!(disk.stored(entry(1)).await, None, "a day has passed");
    disk.close().await;
}
