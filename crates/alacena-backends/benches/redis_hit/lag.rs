//! From an invalidation on one node to the last use of what it was about in the memory of another.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use alacena_core::{class::ReadMode, engine::Question, outcome::Origin};

use super::{
    CALLERS,
    node::{Node, Reader, kept, named, question, rules},
    rate,
};

/// How often memory is asked. By a thread of its own that sleeps in between: one that did not would take a core from those
/// who are to be measured.
const EVERY: Duration = Duration::from_micros(20);

/// The lags of so many invalidations, in milliseconds.
pub(crate) async fn of(samples: usize, writer: &Node, reader: &Node) -> Vec<f64> {
    let tag = named("invalidated");
    let question = question(&rules("lag", kept()), 0, std::slice::from_ref(&tag));
    let mut lags = Vec::with_capacity(samples);
    for _ in 0..samples {
        // Loaded, and proved to the last of its markers.
        while reader.read(&question).await != Origin::L1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let last_use = watch(reader, &question);
        let (began, writer, tag) = (Instant::now(), writer.clone(), tag.clone());
        tokio::spawn(async move { writer.invalidate(&tag).await }).await.expect("it reaches the server");
        let last_use = last_use.join().expect("it only reads");
        lags.push(last_use.saturating_duration_since(began).as_secs_f64() * 1e3);
    }
    lags
}

/// The same while callers keep asking the reading node for what only the second tier has.
pub(crate) async fn beside_callers(span: Duration, writer: &Node, reader: &Node) -> Vec<f64> {
    let caller = Reader::of(reader, writer, ReadMode::Bounded).await;
    let asking = tokio::spawn(async move { rate::of(CALLERS, span, &caller).await });
    let mut lags = Vec::new();
    while !asking.is_finished() {
        lags.extend(of(1, writer, reader).await);
    }
    asking.await.expect("no call fails");
    lags
}

/// Reads until memory answers no more: when that was last begun in time. It has answered once when this returns.
fn watch(reader: &Node, question: &Question) -> thread::JoinHandle<Instant> {
    let (engine, question) = (reader.engine.clone(), question.clone());
    let (tell, told) = mpsc::channel::<()>();
    let watching = thread::spawn(move || {
        let mut last_use = Instant::now();
        let mut tell = Some(tell);
        while engine.get(&question).is_some() {
            last_use = Instant::now();
            // Dropped, once: that is all there is to tell.
            tell.take();
            thread::sleep(EVERY);
        }
        last_use
    });
    // An error is what is waited for.
    let _ = told.recv();
    watching
}
