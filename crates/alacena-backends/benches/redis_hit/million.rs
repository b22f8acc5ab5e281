//! A tag that a million entries carry, invalidated; and looking for all of them to delete them.

use std::time::Instant;

use alacena_core::{dep::Dep, engine::Question, outcome::Origin, tier::record::Record};
use bytes::Bytes;
use redis::aio::MultiplexedConnection;

use super::node::{Node, kept, named, question, rules};

const ENTRIES: u64 = 1_000_000;
/// So many are sent together.
const BATCH: usize = 10_000;
/// The names of all entries.
const ENTRY_NAMES: &str = "alc:e:*";

/// What it took, in milliseconds.
pub(crate) struct Took {
    /// To invalidate a tag that all of them carry, once for each tag.
    pub(crate) invalidations: Vec<f64>,
    /// To find and delete all entries there are.
    pub(crate) deletion: f64,
    /// How many those were.
    pub(crate) deleted: u64,
}

/// Stores a million entries that carry so many tags, and invalidates each of these. The node answers with any of them before,
/// and with none after.
pub(crate) async fn measure(node: &Node, server: &MultiplexedConnection, tags: usize) -> Took {
    let rules = rules("million", kept());
    let tags: Vec<Dep> = (0..tags).map(|tag| named(&format!("all:{tag}"))).collect();
    let question = |number| question(&rules, number, &tags);
    assert_eq!(node.read(&question(0)).await, Origin::Source);
    let mut server = server.clone();
    multiply(node, &mut server, &question).await;
    let some = || (1..ENTRIES).step_by(99_991).map(question);
    for question in some() {
        assert_eq!(node.read(&question).await, Origin::L2);
    }

    let mut invalidations = Vec::new();
    for tag in &tags {
        let began = Instant::now();
        node.invalidate(tag).await;
        invalidations.push(began.elapsed().as_secs_f64() * 1e3);
    }
    for question in some() {
        assert_eq!(node.read(&question).await, Origin::Source);
    }

    let began = Instant::now();
    let deleted = delete(&mut server).await;
    Took { invalidations, deletion: began.elapsed().as_secs_f64() * 1e3, deleted }
}

/// Stores under each of the questions what a node has stored under the first.
async fn multiply(node: &Node, server: &mut MultiplexedConnection, question: &impl Fn(u64) -> Question) {
    let entry = |number| node.names.entry(&question(number).key);
    let first: Bytes = redis::cmd("GET").arg(entry(0).name()).query_async(server).await.expect("it is there");
    let mut record = Record::shown(&first, None).expect("it has just been written");
    let mut pipe = redis::pipe();
    for number in 0..ENTRIES {
        record.entry = entry(number);
        record.key = question(number).key.text().into();
        let bytes = record.encode(false, None).expect("it is small");
        pipe.cmd("SET").arg(record.entry.name()).arg(&bytes[..]).ignore();
        if pipe.len() == BATCH {
            let () = pipe.query_async(server).await.expect("there is room");
            pipe.clear();
        }
    }
}

/// Deletes every entry as those do who have no tags.
async fn delete(server: &mut MultiplexedConnection) -> u64 {
    let (mut cursor, mut deleted) = (0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(ENTRY_NAMES).arg("COUNT").arg(1_000);
        let (next, names): (u64, Vec<String>) = scan.query_async(server).await.expect("it is there");
        if !names.is_empty() {
            let count: u64 = redis::cmd("DEL").arg(&names).query_async(server).await.expect("it is there");
            deleted += count;
        }
        if next == 0 {
            return deleted;
        }
        cursor = next;
    }
}
