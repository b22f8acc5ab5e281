//! Rows that applications write are applied, at least once, and then removed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alacena_core::{
    error::{Code, Error, catalogue},
    journal::{Invalidator, Outbox, OutboxRow, Poller},
    ledger::Target,
    runtime::BoxFuture,
};
use alacena_testkit::{FakeRuntime, settle};
use parking_lot::Mutex;

const EVERY: Duration = Duration::from_millis(250);

/// A table in memory.
#[derive(Default)]
struct Table {
    rows: Mutex<BTreeMap<u64, OutboxRow>>,
    looks: Mutex<u64>,
    fails: Mutex<bool>,
}

impl Table {
    /// What an application does.
    fn insert(&self, text: &str) {
        let mut rows = self.rows.lock();
        let id = rows.last_key_value().map_or(1, |(id, _)| id + 1);
        rows.insert(id, OutboxRow::of_text(id, Some(text)));
    }
}

impl Outbox for Table {
    fn rows(&self, limit: usize) -> BoxFuture<'_, Result<Vec<OutboxRow>, Error>> {
        Box::pin(async move {
            *self.looks.lock() += 1;
            if *self.fails.lock() {
                return Err(Error::new(&catalogue::SOURCE_FAILED, "on purpose"));
            }
            Ok(self.rows.lock().values().take(limit).cloned().collect())
        })
    }

    fn remove_rows(&self, rows: Vec<u64>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.rows.lock().retain(|id, _| !rows.contains(id));
            Ok(())
        })
    }
}

/// Says what it was asked, and answers as it was told to.
#[derive(Default)]
struct Asked {
    targets: Mutex<Vec<Target>>,
    fails: Mutex<Option<&'static Code>>,
}

impl Invalidator for Asked {
    fn invalidate(&self, targets: Vec<Target>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let is_unknown = |target: &Target| matches!(target, Target::Class(class) if class == "unknown");
            if targets.iter().any(is_unknown) {
                return Err(Error::new(&catalogue::NOT_DECLARED, "there is no such class"));
            }
            if let Some(code) = *self.fails.lock() {
                return Err(Error::new(code, "on purpose"));
            }
            self.targets.lock().extend(targets);
            Ok(())
        })
    }
}

struct World {
    runtime: FakeRuntime,
    table: Arc<Table>,
    asked: Arc<Asked>,
    poller: Poller,
}

fn world() -> World {
    let (runtime, table, asked) = (FakeRuntime::new(1), Arc::<Table>::default(), Arc::<Asked>::default());
    let (outbox, invalidator) = (Arc::<Table>::clone(&table), Arc::<Asked>::clone(&asked));
    let poller = Poller::new(outbox, invalidator, EVERY, Arc::new(runtime.clone()));
    poller.start();
    World { runtime, table, asked, poller }
}

impl World {
    fn invalidated(&self) -> Vec<Target> {
        std::mem::take(&mut *self.asked.targets.lock())
    }
}

fn tag(tag: &str) -> Target {
    Target::Tag(tag.to_owned())
}

#[test]
fn a_row_is_a_json_array_of_targets_and_anything_else_is_everything() {
    let read = |text| OutboxRow::of_text(1, text).targets;
    let text = r#"[{"tag": "company:42"}, {"key": "jobs:7"}, {"prefix": "jobs:list"}, {"pattern": "jobs:*:7"},
        {"class": "jobs"}, {"namespace": "shop"}, "everything"]"#;
    let targets = read(Some(text));
    let expected =
        "tag company:42|key jobs:7|prefix jobs:list|pattern jobs:*:7|class jobs|namespace shop|everything";
    assert_eq!(targets.iter().map(ToString::to_string).collect::<Vec<_>>().join("|"), expected);
    assert_eq!(read(Some("[]")), []);
    let long = format!("[{{\"tag\": \"{}\"}}]", "x".repeat(70_000));
    for text in [None, Some(""), Some("tag company:42"), Some(r#"[{"tags": "x"}]"#), Some(long.as_str())] {
        assert_eq!(read(text), [Target::Everything], "{text:?}");
    }
}

#[tokio::test]
async fn a_row_is_applied_once_and_is_gone() {
    let world = world();
    world.runtime.advance(EVERY).await;
    world.table.insert(r#"[{"tag": "a"}, {"tag": "b"}]"#);
    world.table.insert(r#"[{"tag": "b"}]"#);
    world.runtime.advance(EVERY).await;
    let mut invalidated = world.invalidated();
    invalidated.sort_by_key(ToString::to_string);
    assert_eq!(invalidated, [tag("a"), tag("b")]);
    assert!(world.table.rows.lock().is_empty());
    world.runtime.advance(EVERY * 10).await;
    assert_eq!(world.invalidated(), []);
    assert_eq!(world.poller.figures().applied, 2);

    world.table.insert(r#"[{"tag": "c"}]"#);
    world.poller.look();
    settle().await;
    assert_eq!(world.invalidated(), [tag("c")], "without waiting");
}

#[tokio::test]
async fn a_row_that_cannot_be_applied_now_stays_and_is_tried_again() {
    let world = world();
    *world.asked.fails.lock() = Some(&catalogue::STORE_FAILED);
    world.table.insert(r#"[{"tag": "a"}]"#);
    world.runtime.advance(EVERY * 4).await;
    assert_eq!(world.table.rows.lock().len(), 1);
    assert!(world.poller.figures().failures > 1);
    *world.asked.fails.lock() = None;
    world.runtime.advance(Duration::from_secs(5)).await;
    assert_eq!(world.invalidated(), [tag("a")]);
    assert!(world.table.rows.lock().is_empty());
}

#[tokio::test]
async fn what_names_nothing_keeps_neither_other_rows_nor_what_stands_beside_it() {
    let world = world();
    world.table.insert(r#"[{"tag": "a"}, {"class": "unknown"}, {"tag": "b"}]"#);
    world.table.insert(r#"[{"tag": "c"}]"#);
    world.runtime.advance(EVERY).await;
    assert_eq!(world.invalidated(), [tag("a"), tag("b"), tag("c")]);
    assert!(world.table.rows.lock().is_empty());
    let figures = world.poller.figures();
    assert_eq!((figures.applied, figures.refused, figures.failures), (2, 1, 0));
}

#[tokio::test]
async fn many_rows_are_taken_at_once_and_an_idle_table_is_looked_at_as_often_as_is_said() {
    let world = world();
    settle().await;
    let before = *world.table.looks.lock();
    for _ in 0..1_000 {
        world.table.insert(r#"[{"tag": "a"}]"#);
    }
    world.runtime.advance(EVERY).await;
    assert!(world.table.rows.lock().is_empty());
    assert_eq!(*world.table.looks.lock() - before, 4);
    assert_eq!(world.invalidated().len(), 4, "what stands in many rows is invalidated once a look");
    let before = *world.table.looks.lock();
    world.runtime.advance(Duration::from_secs(10)).await;
    assert_eq!(*world.table.looks.lock() - before, 40);

    *world.table.fails.lock() = true;
    world.runtime.advance(Duration::from_secs(60)).await;
    assert!(world.poller.figures().failures < 40, "and a broken one ever more seldom");
}

#[tokio::test]
async fn a_closed_poller_looks_no_more() {
    let world = world();
    settle().await;
    world.poller.close().await;
    world.poller.close().await;
    world.poller.start();
    world.table.insert(r#"[{"tag": "a"}]"#);
    world.runtime.advance(EVERY * 10).await;
    assert_eq!(world.invalidated(), []);
    assert_eq!(world.table.rows.lock().len(), 1, "it is there for the next process");
}
