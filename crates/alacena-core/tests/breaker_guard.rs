//! The guard of a source as the engine uses it: which errors count, what cancelling means, and the bulkhead behind it.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use alacena_core::{
    error::{Code, Error, Retry, catalogue},
    guard::{BreakerSettings, BulkheadSettings, Guard, GuardSettings, State, Urgency},
    runtime::Runtime,
};
use alacena_testkit::{FakeRuntime, settle};

fn guard(runtime: &FakeRuntime, concurrency: usize) -> Guard {
    let bulkhead = BulkheadSettings { concurrency, ..BulkheadSettings::default() };
    let settings = GuardSettings { breaker: BreakerSettings::default(), bulkhead };
    Guard::new("crm", settings, Arc::new(runtime.clone()))
}

async fn fail(guard: &Guard, code: &'static Code) {
    let permit = guard.admit(Urgency::Foreground).await.expect("admitted");
    permit.fail(&Error::new(code, "as the test wants"), Duration::ZERO);
}

async fn succeed(guard: &Guard) {
    guard.admit(Urgency::Foreground).await.expect("admitted").succeed(Duration::ZERO);
}

/// Looks at a future once, as its executor would.
async fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

fn state(guard: &Guard) -> State {
    guard.figures().breaker.state
}

/// Opens the breaker and waits until its first probe is due.
async fn opened_and_due(runtime: &FakeRuntime, guard: &Guard) {
    for _ in 0..5 {
        fail(guard, &catalogue::SOURCE_UNREACHABLE).await;
    }
    runtime.advance(guard.figures().breaker.next_probe_in.expect("open")).await;
}

#[tokio::test]
async fn an_open_breaker_names_the_source_and_when_to_come_back() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 64);
    for _ in 0..5 {
        fail(&guard, &catalogue::SOURCE_TIMEOUT).await;
    }
    let error = guard.admit(Urgency::Foreground).await.err().expect("refused");
    assert_eq!(error.code(), &catalogue::BREAKER_OPEN);
    assert_eq!(error.context(), [("source", "crm".to_owned())]);
    let due = guard.figures().breaker.next_probe_in.expect("open");
    assert_eq!(error.retry(), Retry::After(due));
    assert!((Duration::from_millis(800)..=Duration::from_millis(1200)).contains(&due), "{due:?}");
}

#[tokio::test]
async fn only_errors_that_say_that_the_source_does_not_work_count() {
    let runtime = FakeRuntime::new(1);
    for (code, counts) in [
        (&catalogue::SOURCE_UNREACHABLE, true),
        (&catalogue::SOURCE_FAILED, true),
        (&catalogue::SOURCE_TIMEOUT, true),
        (&catalogue::ANSWER_MALFORMED, true),
        (&catalogue::ANSWER_TOO_LARGE, false),
        (&catalogue::ANSWER_LACKS_PART, false),
        (&catalogue::SOURCE_THROTTLED, false),
        (&catalogue::SOURCE_REFUSED, false),
        (&catalogue::SOURCE_DENIED, false),
        (&catalogue::LOAD_PANICKED, false),
    ] {
        let guard = guard(&runtime, 64);
        for _ in 0..5 {
            fail(&guard, code).await;
        }
        assert_eq!(state(&guard) == State::Open, counts, "{}", code.slug);
    }
}

#[tokio::test]
async fn a_throttled_or_cancelled_probe_neither_closes_nor_opens_and_frees_its_place() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 64);
    opened_and_due(&runtime, &guard).await;
    for _ in 0..10 {
        fail(&guard, &catalogue::SOURCE_THROTTLED).await;
        drop(guard.admit(Urgency::Foreground).await.expect("admitted"));
    }
    assert_eq!(state(&guard), State::HalfOpen);
    for _ in 0..3 {
        succeed(&guard).await;
    }
    assert_eq!(state(&guard), State::Closed);
}

#[tokio::test]
async fn a_call_is_slow_against_the_time_that_it_was_allowed() {
    let runtime = FakeRuntime::new(1);
    for (took, expected) in [(15_000, State::Closed), (15_001, State::Open)] {
        let guard = guard(&runtime, 64);
        for _ in 0..20 {
            let permit = guard.admit(Urgency::Foreground).await.expect("admitted");
            permit.allowing(Duration::from_secs(30)).succeed(Duration::from_millis(took));
        }
        assert_eq!(state(&guard), expected, "{took} ms of 30 s");
    }
}

#[tokio::test]
async fn whoever_waited_while_the_source_was_switched_off_is_not_sent_to_it() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 5);
    let mut running = Vec::new();
    for _ in 0..5 {
        running.push(guard.admit(Urgency::Foreground).await.expect("admitted"));
    }
    let (mut waiting, outside) = (Box::pin(guard.admit(Urgency::Foreground)), guard.clone());
    assert!(poll(&mut waiting).await.is_pending());
    assert_eq!(outside.figures().queued, 1);
    for permit in running {
        permit.fail(&Error::new(&catalogue::SOURCE_FAILED, "500"), Duration::ZERO);
    }
    // Its place came free with the first failure, before the fifth opened the breaker.
    let error = waiting.await.err().expect("refused");
    assert_eq!(error.code(), &catalogue::BREAKER_OPEN);
    assert_eq!(outside.figures().running, 0);
}

#[tokio::test]
async fn a_full_bulkhead_is_an_overload_not_a_failure_of_the_source() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 1);
    let running = guard.admit(Urgency::Foreground).await.expect("admitted");
    let mut waiting = Vec::new();
    for _ in 0..128 {
        let mut admit = Box::pin({
            let guard = guard.clone();
            async move { guard.admit(Urgency::Foreground).await.err() }
        });
        assert!(poll(&mut admit).await.is_pending());
        settle().await;
        waiting.push(admit);
    }
    let error = guard.admit(Urgency::Foreground).await.err().expect("turned away");
    assert_eq!(error.code(), &catalogue::BULKHEAD_FULL);
    assert!(matches!(error.retry(), Retry::After(_)));

    runtime.advance(Duration::from_millis(100)).await;
    for admit in waiting {
        assert_eq!(admit.await.expect("turned away").code(), &catalogue::BULKHEAD_FULL);
    }
    let figures = guard.figures();
    assert_eq!((figures.running, figures.queued, figures.shed), (1, 0, 129));
    assert_eq!((figures.breaker.state, figures.breaker.failures), (State::Closed, 0));
    drop(running);
}

#[tokio::test]
async fn a_probe_that_is_turned_away_by_the_bulkhead_gives_its_turn_back() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 1);
    opened_and_due(&runtime, &guard).await;
    let probe = guard.admit(Urgency::Foreground).await.expect("the first probe");
    for _ in 0..3 {
        let mut second = Box::pin(guard.admit(Urgency::Foreground));
        assert!(poll(&mut second).await.is_pending(), "it has a pass and waits for the place");
        runtime.advance(Duration::from_millis(100)).await;
        assert_eq!(second.await.err().expect("turned away").code(), &catalogue::BULKHEAD_FULL);
    }
    probe.succeed(Duration::ZERO);
    for _ in 0..2 {
        succeed(&guard).await;
    }
    assert_eq!(state(&guard), State::Closed);
}

#[tokio::test]
async fn after_an_outage_the_places_open_little_by_little() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 64);
    opened_and_due(&runtime, &guard).await;
    for _ in 0..3 {
        succeed(&guard).await;
    }
    let mut running = Vec::new();
    for (after, places) in [(0, 6), (5, 35), (5, 64)] {
        runtime.advance(Duration::from_secs(after)).await;
        loop {
            let mut admit = Box::pin(guard.admit(Urgency::Foreground));
            match poll(&mut admit).await {
                Poll::Ready(permit) => running.push(permit.expect("admitted")),
                Poll::Pending => break,
            }
            settle().await;
        }
        assert_eq!(running.len(), places);
    }
}

#[tokio::test]
async fn figures_tell_what_happened() {
    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 64);
    assert_eq!(guard.figures().breaker.success_rate, None);
    assert_eq!(guard.figures().breaker.last_failure_at, None);
    for _ in 0..3 {
        succeed(&guard).await;
    }
    fail(&guard, &catalogue::SOURCE_FAILED).await;
    let failed_at = runtime.unix_millis();
    runtime.advance(Duration::from_secs(7)).await;
    let figures = guard.figures();
    assert_eq!(figures.source, "crm");
    assert_eq!(figures.breaker.failures, 1);
    assert_eq!(figures.breaker.success_rate, Some(0.75));
    assert_eq!(figures.breaker.last_failure_at, Some(failed_at));
    assert_eq!((figures.breaker.opened, figures.breaker.next_probe_in), (0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "threads that race are the point of this test")]
async fn many_threads_share_it_and_nothing_is_lost() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let runtime = FakeRuntime::new(1);
    let guard = guard(&runtime, 8);
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let (guard, inside, most) = (guard.clone(), Arc::clone(&inside), Arc::clone(&most));
            tokio::spawn(async move {
                for round in 0..50 {
                    let mut admit = Box::pin(guard.admit(Urgency::Foreground));
                    if (number + round) % 7 == 0 {
                        // Goes away while it waits, perhaps just as it is called.
                        let looked = poll(&mut admit).await;
                        tokio::task::yield_now().await;
                        drop((looked, admit));
                        continue;
                    }
                    let Ok(permit) = admit.await else { continue };
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    permit.succeed(Duration::ZERO);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let figures = guard.figures();
    assert_eq!((figures.running, figures.queued), (0, 0));
    assert!(most.load(Ordering::SeqCst) <= 8);
    assert_eq!(state(&guard), State::Closed);
}
