//! `kill -9`: what it loses is entries, never an invalidation that was answered.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use alacena_core::{
    key::KeySpace,
    tier::{EntryId, Fill, MarkerId, Overwrite, Shard},
};
use alacena_testkit::FakeRuntime;

use crate::stage::{DAY, Disk, entry, envelope, fill_of, patient};

/// Where the test that a child process runs finds its folder, and what it is to begin with.
const CHILD_FOLDER: &str = "ALACENA_TEST_STORE";
const CHILD_ROUND: &str = "ALACENA_TEST_ROUND";
/// Markers and entries of one round.
const EACH: u64 = 200;

fn marker(round: u64, number: u64) -> MarkerId {
    MarkerId::Dep(entry(round * EACH + number).0)
}

/// An entry that values are put over.
fn put(round: u64) -> EntryId {
    entry(1_000_000 + round)
}

/// This very test binary, to run one test in a process of its own.
fn child(folder: &Path, round: u64) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "kill::child_that_is_killed", "--nocapture"]);
    command.env(CHILD_FOLDER, folder).env(CHILD_ROUND, round.to_string()).stdout(Stdio::piped());
    command
}

/// The part that is killed; on its own it does nothing. It says what has been answered, in order.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(folder) = env::var_os(CHILD_FOLDER) else { return };
    let round: u64 = env::var(CHILD_ROUND).unwrap().parse().unwrap();
    let disk = Disk::open(Path::new(&folder), patient(), &FakeRuntime::new(round)).await;
    println!("\nera {}", disk.nonce(0).era.0);
    for number in 0..EACH {
        disk.mint(marker(round, number), 1).await;
        disk.fill(entry(round * EACH + number), envelope(round, 500), DAY).await;
    }
    disk.fill(put(round), envelope(0, 500), DAY).await;
    disk.tier.tidy().await.unwrap();
    let key = KeySpace::new("shop", "c", &["c"]).unwrap().key(None, ["put"]).unwrap();
    println!("kept");
    for number in 0..EACH {
        let over = Overwrite {
            entry: put(round).into(),
            elsewhere: put(round).called(&key),
            era: disk.nonce(0).era,
            over: Some(Fill(number)),
            envelope: envelope(number + 1, 500),
            keep: DAY,
        };
        assert!(disk.shard.overwrite(over).await.unwrap());
        println!("put {}", number + 1);
        // What is not there any more for want of room is on disk still, and must not come back.
        if number % 3 == 0 {
            disk.tier.evict(&marker(round, number).name()).await.unwrap();
        }
        disk.shard.invalidate(&[marker(round, number)]).await.unwrap();
        println!("gone {number}");
        disk.shard.invalidate_entries(&[entry(round * EACH + number).into()]).await.unwrap();
        println!("gone too {number}");
        // Nobody waits until this is on disk.
        disk.mint(marker(round, number), 2).await;
        disk.fill(entry(round * EACH + number), envelope(round + 1, 3_000), DAY).await;
    }
    println!("done");
    std::future::pending().await
}

#[tokio::test]
async fn what_was_answered_as_gone_stays_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut eras = BTreeSet::new();
    for (round, lines_before) in
        [2, 3, 4, 5, 37, 120, 2 + 3 * usize::try_from(EACH).unwrap()].into_iter().enumerate()
    {
        let round = round as u64;
        let mut child = child(folder.path(), round).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_said =
            |line: &String| ["era ", "kept", "gone ", "put "].iter().any(|word| line.starts_with(word));
        let said: Vec<String> = lines.filter(is_said).take(lines_before).collect();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        assert_eq!(said.len(), lines_before, "it died before");

        let disk = Disk::open(folder.path(), patient(), &FakeRuntime::new(99)).await;
        eras.insert(disk.nonce(0).era);
        assert_eq!(said[0], format!("era {}", disk.nonce(0).era.0));
        let gone = |word: &str| {
            said.iter().filter_map(|line| line.strip_prefix(word)?.parse().ok()).collect::<BTreeSet<u64>>()
        };
        let (markers, entries) = (gone("gone "), gone("gone too "));
        let last_put = gone("put ").last().copied().unwrap_or_default();
        let stored = disk.stored(put(round)).await.map(|envelope| fill_of(&envelope).0);
        assert!(stored >= Some(last_put), "round {round}: {stored:?} came back, and {last_put} had been put");
        for number in 0..EACH {
            let held = disk.held(marker(round, number)).await.map(|nonce| nonce.random);
            let stored = disk.stored(entry(round * EACH + number)).await;
            if markers.contains(&number) {
                assert_ne!(held, Some(1), "round {round}: marker {number} came back");
            } else if number > markers.len() as u64 {
                assert_eq!(held, Some(1), "round {round}: nobody has asked to remove marker {number}");
            }
            if entries.contains(&number) {
                assert_ne!(stored, Some(envelope(round, 500)), "round {round}: entry {number} came back");
            } else if number > entries.len() as u64 {
                assert_eq!(stored, Some(envelope(round, 500)), "round {round}: entry {number} was on disk");
            }
        }
        disk.close().await;
    }
    assert_eq!(eras.len(), 1, "nothing has gone back in time that was answered");
}
