//! When a read is asked again, and after which pause.

use std::{sync::Arc, time::Duration};

use alacena_backends::http::{HttpSettings, HttpSource};
use alacena_core::error::catalogue;

use crate::{
    Hasty, ask, found,
    peer::{Peer, Reply, reply},
    settings,
};

const MILLIS: fn(u64) -> Duration = Duration::from_millis;

/// Asks once a source that answers by `script` and may be asked again `retries` times: the outcome, the pauses and
/// the number of requests.
async fn run(script: Vec<Reply>, retries: u32) -> (Result<String, &'static str>, Vec<Duration>, usize) {
    let peer = Peer::start(script).await;
    let runtime = Arc::new(Hasty::default());
    let settings = HttpSettings { retries, ..settings(&peer.base) };
    let outcome = match ask(&HttpSource::open(settings, runtime.clone()).unwrap()).await {
        Err(error) => Err(error.code().slug),
        fetched => Ok(found(fetched)),
    };
    let whole_millis = |pause: &Duration| MILLIS(pause.as_secs_f64().mul_add(1_000.0, 0.5) as u64);
    (outcome, runtime.slept().iter().map(whole_millis).collect(), peer.received().len())
}

fn ok() -> Reply {
    reply("200 OK", &[], "1")
}

#[tokio::test]
async fn a_failure_is_asked_again_after_a_random_pause() {
    for failure in [reply("500 Oops", &[], ""), reply("408 Slow", &[], ""), Reply::Broken(Vec::new())] {
        assert_eq!(run(vec![failure, ok()], 1).await, (Ok("1".to_owned()), vec![MILLIS(50)], 2));
    }
}

#[tokio::test]
async fn the_pauses_grow_and_end_with_the_error() {
    let pauses = [50, 100, 200, 400, 800, 1_000, 1_000].map(MILLIS).to_vec();
    let failed = Err(catalogue::SOURCE_FAILED.slug);
    assert_eq!(run(vec![reply("500 Oops", &[], "")], 7).await, (failed.clone(), pauses, 8));
    assert_eq!(run(vec![reply("500 Oops", &[], "")], 0).await, (failed, vec![], 1));
}

#[tokio::test]
async fn a_short_pause_that_the_source_asks_for_is_kept_and_a_long_one_handed_on() {
    let busy = |seconds: u32| reply("503 Busy", &[&format!("retry-after: {seconds}")], "");
    let many = |seconds: u32| reply("429 Too Many", &[&format!("retry-after: {seconds}")], "");
    assert_eq!(run(vec![busy(2), ok()], 1).await, (Ok("1".to_owned()), vec![MILLIS(2_050)], 2));
    assert_eq!(run(vec![many(1), ok()], 1).await, (Ok("1".to_owned()), vec![MILLIS(1_050)], 2));
    assert_eq!(run(vec![busy(3), ok()], 1).await, (Err("source-failed"), vec![], 1));
    assert_eq!(run(vec![many(3), ok()], 1).await, (Err("source-throttled"), vec![], 1));
}

#[tokio::test]
async fn what_would_fail_again_is_not_asked_again() {
    for status in ["400 Bad", "401 No", "403 No", "422 Bad", "429 Too Many", "302 Found"] {
        let (outcome, slept, requests) = run(vec![reply(status, &[], ""), ok()], 3).await;
        assert!(outcome.is_err() && slept.is_empty() && requests == 1, "{status}");
    }
}

#[tokio::test]
async fn a_source_that_fails_is_not_asked_twice_as_often_for_it() {
    let peer = Peer::start(vec![reply("500 Oops", &[], "")]).await;
    let source = HttpSource::open(settings(&peer.base), Arc::new(Hasty::default())).unwrap();
    for _ in 0..100 {
        ask(&source).await.unwrap_err();
    }
    let asked = peer.received().len();
    assert!((115..=121).contains(&asked), "{asked} requests for 100 questions");
}
