//! A disk that is full, a file that is damaged, a folder that cannot be written: the tier is away, says so, and is back by
//! itself.

use std::{env, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, sync::Arc};

use alacena_core::tier::{Begin, Era, Failure, MarkerId, Push, Shard, Store, Watcher};
use alacena_testkit::FakeRuntime;
use parking_lot::Mutex;

use crate::stage::{DAY, Disk, MINUTE, entry, envelope, patient};

const MARKER: MarkerId = MarkerId::Dep(7);
const CHILD_FOLDER: &str = "ALACENA_TEST_STORE";

/// Guards what was told of the connection.
#[derive(Default)]
struct Ear(Mutex<Vec<&'static str>>);

impl Watcher for Ear {
    fn connected(&self, _: Era) {
        self.0.lock().push("connected");
    }
    fn lost(&self) {
        self.0.lock().push("lost");
    }
    fn pushed(&self, _: Push) {}
}

/// Lets so many pauses of the tier pass.
async fn rounds(disk: &Disk, many: u32) {
    for _ in 0..many {
        disk.tier.tidy().await.unwrap();
    }
}

/// The part of [`a_full_disk_costs_entries_and_no_invalidation`] with the limit; on its own it does nothing.
#[tokio::test]
async fn child_on_a_full_disk() {
    let Some(folder) = env::var_os(CHILD_FOLDER) else { return };
    let disk = Disk::open(Path::new(&folder), patient(), &FakeRuntime::new(1)).await;
    let ear = Arc::<Ear>::default();
    disk.shard.watch(ear.clone());
    disk.mint(MARKER, 1).await;
    disk.shard.invalidate(&[MARKER]).await.unwrap();
    let (mut full, mut kept) = (false, 0_u64);
    for number in 0..20_000 {
        let attempt = disk.nonce(number + 1);
        let load = Begin { entry: entry(number).into(), attempt, seen: None, lease: MINUTE };
        let store =
            Store { entry: entry(number).into(), attempt, envelope: envelope(number, 3_000), keep: DAY };
        if disk.shard.begin(load).await.is_err() || disk.shard.store(store).await.is_err() {
            full = true;
            break;
        }
        kept += 1;
        if number % 50 == 0 {
            disk.tier.tidy().await.unwrap();
            if disk.shard.era().is_none() {
                full = true;
                break;
            }
        }
    }
    assert!(full, "the limit does not hold");
    disk.tier.names().await.unwrap_err();
    assert_eq!((disk.shard.era(), ear.0.lock().clone()), (None, vec!["connected", "lost"]));
    let lacks = disk.shard.lacks();
    assert!(lacks[0].is_serious && lacks[0].what.contains("entries.redb"), "{lacks:?}");
    assert!(matches!(disk.shard.invalidate(&[MARKER]).await, Err(Failure::Unavailable(_))));
    assert!(matches!(disk.shard.check(&[MARKER]).await, Err(Failure::Unavailable(_))));

    // The disk is as full as before: what is there has to do.
    rounds(&disk, 4).await;
    assert_eq!(ear.0.lock().clone(), ["connected", "lost", "connected"]);
    assert_eq!(disk.held(MARKER).await, None, "what was answered as gone has stayed gone");
    let lacks = disk.shard.lacks();
    assert!(!lacks[0].is_serious && lacks[0].what.starts_with("the disk was full"), "{lacks:?}");
    for number in 30_000..32_000 {
        disk.fill(entry(number), envelope(number, 3_000), DAY).await;
    }
    disk.tier.tidy().await.unwrap();
    assert_eq!(ear.0.lock().len(), 3, "and does");
    println!("\nkept {kept} then {}", disk.tier.figures().entries);
    disk.close().await;
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_entries_and_no_invalidation() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files, with its signal ignored, stands in for the disk: 8 or 16 MiB, as the shell counts.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "faults::child_on_a_full_disk", "--nocapture"])
        .env(CHILD_FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.lines().any(|line| line.starts_with("kept ")),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_and_another_begun() {
    for damage in [b"not a database at all".as_slice(), &[0; 4_096]] {
        let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
        let file = folder.path().join("entries.redb");
        fs::write(&file, damage).unwrap();
        let disk = Disk::open(folder.path(), patient(), &runtime).await;
        assert_eq!(fs::read(folder.path().join("entries.redb.damaged")).unwrap(), damage);
        let lacks = disk.shard.lacks();
        assert!(!lacks[0].is_serious && lacks[0].what.contains("was damaged"), "{lacks:?}");
        disk.fill(entry(1), envelope(1, 100), DAY).await;
        assert!(disk.stored(entry(1)).await.is_some());
        disk.close().await;
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_in_places_takes_nobody_down() {
    let mut moved_aside = 0;
    for seed in 0..12_u64 {
        let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
        let disk = Disk::open(folder.path(), patient(), &runtime).await;
        for number in 0..300 {
            disk.fill(entry(number), envelope(number, 700), DAY).await;
            disk.mint(MarkerId::Dep(entry(number).0), number).await;
        }
        disk.close().await;
        let file = folder.path().join("entries.redb");
        let mut bytes = fs::read(&file).unwrap();
        // Beyond the header, a few pages of nonsense.
        for page in 0..4 {
            let mixed = (seed * 4 + page + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let at = 4_096 + usize::try_from(mixed >> 20).unwrap() % (bytes.len() - 8_192);
            bytes[at..at + 2_000].fill(u8::try_from(seed).unwrap());
        }
        fs::write(&file, &bytes).unwrap();

        let disk = Disk::open(folder.path(), patient(), &runtime).await;
        for number in 0..300 {
            // Whatever happens to it: the tier answers, or says that it cannot.
            match disk.shard.look(&entry(number).into(), &[MarkerId::Dep(entry(number).0)]).await {
                Ok(looked) => drop(looked),
                Err(failure) => assert!(matches!(failure, Failure::Unavailable(_)), "{failure}"),
            }
        }
        rounds(&disk, 2).await;
        disk.fill(entry(1_000), envelope(1, 100), DAY).await;
        assert!(disk.stored(entry(1_000)).await.is_some(), "seed {seed}: it goes on");
        moved_aside += u32::from(folder.path().join("entries.redb.damaged").exists());
        disk.close().await;
    }
    assert!(moved_aside > 0, "no damage was ever noticed");
}

/// redb panics over some pages and reports others; some it meets as it opens the file, some as entries are counted.
#[tokio::test]
async fn whichever_page_is_damaged_the_tier_goes_on() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let disk = Disk::open(folder.path(), patient(), &runtime).await;
    for number in 0..30 {
        disk.fill(entry(number), envelope(number, 700), DAY).await;
        disk.mint(MarkerId::Dep(entry(number).0), number).await;
    }
    disk.close().await;
    let file = folder.path().join("entries.redb");
    let whole = fs::read(&file).unwrap();
    let pages = whole.chunks(4_096).enumerate().skip(1);
    let pages: Vec<_> =
        pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0)).map(|(at, _)| at).collect();
    assert!(pages.len() > 8, "{pages:?}");
    for page in pages {
        let mut damaged = whole.clone();
        damaged[page * 4_096..][..4_096].fill(0xff);
        fs::write(&file, &damaged).unwrap();
        let disk = Disk::start(folder.path(), patient(), &runtime);
        rounds(&disk, 4).await;
        disk.fill(entry(1_000), envelope(1, 100), DAY).await;
        assert!(disk.stored(entry(1_000)).await.is_some(), "page {page}");
        disk.close().await;
    }
}

#[tokio::test]
async fn where_entries_are_sealed_no_damaged_file_stays() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let (file, kept) = (folder.path().join("entries.redb"), folder.path().join("entries.redb.damaged"));
    fs::write(&kept, "readable, and kept before there was a key").unwrap();
    fs::write(&file, "readable, and damaged").unwrap();
    let mut settings = patient();
    settings.keeps_damaged = false;
    let disk = Disk::open(folder.path(), settings, &runtime).await;
    assert!(!kept.exists());
    let lacks = disk.shard.lacks();
    assert!(lacks[0].what.contains("was removed"), "{lacks:?}");
    disk.close().await;
    assert!(!fs::read(&file).unwrap().starts_with(b"readable"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_keeps_nobody_from_starting() {
    // Nothing is read-only for root: a folder in the place of the file is.
    let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(1));
    let file = folder.path().join("entries.redb");
    fs::create_dir(&file).unwrap();
    let disk = Disk::start(folder.path(), patient(), &runtime);
    let ear = Arc::<Ear>::default();
    disk.shard.watch(ear.clone());
    assert!(disk.tier.opened().await.unwrap_err().to_string().contains("entries.redb"));
    assert!(matches!(disk.shard.mint(Era(1), &[], DAY).await, Err(Failure::Unavailable(_))));
    assert!(disk.shard.lacks()[0].is_serious);
    fs::remove_dir(&file).unwrap();
    rounds(&disk, 4).await;
    assert_eq!(ear.0.lock().clone(), ["connected"], "it is back by itself");
    assert!(disk.shard.lacks().is_empty());
    disk.mint(MARKER, 1).await;
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads it");
    disk.close().await;
}
