//! One cell: a fault, a use of the second tier, and what comes of it.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use alacena::outcome::Outcome;

use super::{
    faults::{inject, needs},
    table::{Column, Expected, Row},
    world::{Actor, KEYS, World},
};

/// A pause between two things that one caller does.
const BEAT: Duration = Duration::from_millis(10);
/// How often somebody changes something.
const CHANGES_EVERY: Duration = Duration::from_millis(130);
/// How often what is done again and again is.
const AGAIN_EVERY: Duration = Duration::from_millis(50);
/// How long a load takes that nodes share.
const LOAD: Duration = Duration::from_millis(60);
/// When a master that counts its replicas has noticed that one is silent.
const MISSED_AFTER: Duration = Duration::from_millis(2_500);
/// What a busy machine may take besides, without anybody being slow.
const BUSY: Duration = Duration::from_millis(400);

/// What came of a cell.
pub(crate) struct Found {
    fault: &'static str,
    column: Column,
    proves: &'static str,
    seen: Seen,
    /// How long after the fault everything was as before.
    back: Duration,
    pub(crate) reads: usize,
    pub(crate) stale_as_fresh: usize,
    /// What is not as the table says.
    pub(crate) wrong: Vec<String>,
}

/// What was seen while the fault was there.
#[derive(Default)]
struct Seen {
    words: BTreeSet<&'static str>,
    longest: Duration,
    wrong: BTreeSet<String>,
}

/// Tries one cell.
pub(crate) async fn run(row: Arc<Row>, column: Column) -> Found {
    let seed = row.fault.bytes().map(u64::from).sum();
    let needs = needs(row.fault);
    let world = World::start(&needs, seed).await;
    let mut world = world.expect("it has been looked for");
    world.warm().await;
    if needs.replica {
        world.cut_replica();
        for key in 0..KEYS {
            world.actor().change(1, key).await;
        }
        // Until whoever counts its replicas misses it.
        tokio::time::sleep(MISSED_AFTER).await;
    }
    let injected = inject(row.fault, column, &mut world);
    let (actor, expected, lifted) = (world.actor(), row.expected(column), Instant::now() + injected.lasts);
    let until = lifted + injected.lingers;
    let doing = tokio::spawn(async move {
        let mut seen = Seen::default();
        let others = tokio::spawn(others(actor.clone(), column, until));
        while Instant::now() < until {
            step(&actor, column, &expected, &mut seen).await;
            tokio::time::sleep(BEAT).await;
        }
        others.await.unwrap();
        seen
    });
    while !doing.is_finished() && Instant::now() < lifted {
        if let Some(again) = injected.again {
            again(&world);
        }
        tokio::time::sleep(AGAIN_EVERY).await;
    }
    injected.lift(&mut world);
    let seen = doing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let back = world.actor().agree().await;
    let (broken, reads) = world.history.judge();
    let mut wrong: Vec<String> = seen.wrong.iter().cloned().collect();
    wrong.extend(broken.iter().take(3).cloned());
    Found {
        fault: row.fault,
        column,
        proves: row.proves,
        seen,
        back,
        reads,
        stale_as_fresh: broken.len(),
        wrong,
    }
}

/// What node A is asked for in this column.
async fn step(actor: &Actor, column: Column, expected: &Expected, seen: &mut Seen) {
    match column {
        Column::Read | Column::Link => {
            for key in 0..KEYS {
                let (outcome, took) = actor.read(0, key, false).await;
                seen.answer(expected, &outcome, took);
            }
            let (outcome, took) = actor.read(0, 0, true).await;
            if column == Column::Read {
                seen.answer(expected, &outcome, took);
            }
        }
        Column::Fill => {
            let (outcome, took) = actor.read_cold(0, &seen.new_key(), Duration::ZERO).await;
            seen.answer(expected, &outcome, took);
        }
        Column::Invalidate => {
            let key = seen.words.len() % KEYS;
            let (level, took) = actor.change(0, key).await;
            seen.took(expected, took);
            seen.is(level.as_str(), expected.allows_level(level));
            actor.read(0, key, false).await;
        }
        Column::Flight => {
            let (key, before) = (seen.new_key(), actor.loads());
            let both = [0, 1].map(|node| actor.read_cold(node, &key, LOAD));
            let answers = futures_util::future::join_all(both).await;
            seen.took(expected, answers[0].1.max(answers[1].1).saturating_sub(LOAD));
            let loads = actor.loads() - before;
            let words = ["no load", "1 load", "2 loads", "more loads"];
            seen.is(words[(loads as usize).min(3)], loads <= expected.loads());
        }
    }
}

/// What node B does meanwhile: it changes what A holds, or reads what A changes.
async fn others(actor: Actor, column: Column, until: Instant) {
    let mut key = 0;
    while Instant::now() < until {
        key = (key + 1) % KEYS;
        match column {
            Column::Invalidate => {
                actor.read(1, key, key % 2 == 0).await;
                tokio::time::sleep(BEAT).await;
            }
            _ => {
                actor.change(1, key).await;
                actor.read(1, key, false).await;
                tokio::time::sleep(CHANGES_EVERY).await;
            }
        }
    }
}

impl Seen {
    fn answer(&mut self, expected: &Expected, outcome: &Outcome<u64>, took: Duration) {
        let origin = outcome.origin();
        self.words.insert(origin.as_str());
        self.longest = self.longest.max(took);
        if !expected.allows(origin) || took > expected.within + BUSY {
            self.wrong.insert(format!("after {took:?}: {:?}", outcome.facts()));
        }
    }

    fn took(&mut self, expected: &Expected, took: Duration) {
        self.longest = self.longest.max(took);
        if took > expected.within + BUSY {
            self.wrong.insert(format!("more than {:?} were taken", expected.within + BUSY));
        }
    }

    fn is(&mut self, word: &'static str, is_expected: bool) {
        self.words.insert(word);
        if !is_expected {
            self.wrong.insert(format!("`{word}` was not expected"));
        }
    }

    /// One that no other cell asks for in this world.
    fn new_key(&self) -> String {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        format!("cold {}", NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, seen, back, reads, proves, .. } = self;
        let words = seen.words.iter().copied().collect::<Vec<_>>().join(" ");
        let verdict = if self.wrong.is_empty() { "as said" } else { "NOT AS SAID" };
        let (column, longest) = (self.column.name(), seen.longest.as_millis());
        let back = back.as_secs_f64();
        write!(
            f,
            "| {fault:<25} | {column:<10} | {words:<28} | {longest:>5} ms | {back:>5.1} s | {reads:>6} | {proves:<12} | {verdict} |"
        )
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: {:#?}", self.fault, self.column.name(), self.wrong)
    }
}
