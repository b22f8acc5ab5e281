//! A steady load, and what its callers meet: open loop, so that whoever waits keeps nobody else from coming.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena::{Class, error::Error, outcome::Origin};
use parking_lot::Mutex;

/// Calls a second for warm and cold keys.
const RATE: u64 = 2_000;
/// How often some of them begin.
const TICK: Duration = Duration::from_millis(5);
/// Keys that are asked for again and again.
pub(crate) const WARM: u64 = 1_000;
/// One call of so many asks for a key that nobody has asked for.
const COLD_EVERY: u64 = 100;
/// How long the source takes.
const SOURCE: Duration = Duration::from_millis(500);

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    pub(crate) is_cold: bool,
    pub(crate) answer: Result<Origin, Error>,
}

/// A load that goes on until it is dropped.
pub(crate) struct Load {
    calls: Arc<Mutex<Vec<Call>>>,
    ticking: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Warm keys, and now and then a cold one.
    pub(crate) fn start(class: Class<u64>) -> Self {
        Self::of(RATE, move |number| {
            let class = class.clone();
            async move { call(&class, number).await }
        })
    }

    /// So many calls a second, each told its number.
    pub(crate) fn of<F>(rate: u64, call: impl Fn(u64) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Call> + Send + 'static,
    {
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let into = Arc::clone(&calls);
        let ticking = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            let mut number = 0;
            loop {
                ticks.tick().await;
                for _ in 0..rate * TICK.as_millis() as u64 / 1_000 {
                    number += 1;
                    let (call, into) = (call(number), Arc::clone(&into));
                    tokio::spawn(async move {
                        let call = call.await;
                        into.lock().push(call);
                    });
                }
            }
        });
        Self { calls, ticking }
    }

    /// The calls that began between these two.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Vec<Call> {
        let calls = self.calls.lock();
        calls.iter().filter(|call| (from..to).contains(&call.began)).cloned().collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

async fn call(class: &Class<u64>, number: u64) -> Call {
    static COLD: AtomicU64 = AtomicU64::new(0);
    let is_cold = number.is_multiple_of(COLD_EVERY);
    let key = match is_cold {
        true => format!("cold {}", COLD.fetch_add(1, Ordering::Relaxed)),
        // Every key as often as any other, in no order.
        false => warm(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32),
    };
    let began = Instant::now();
    let answer = ask(class, &key).await;
    Call { began, took: began.elapsed(), is_cold, answer }
}

/// Asks for one key.
pub(crate) async fn ask(class: &Class<u64>, key: &str) -> Result<Origin, Error> {
    let load = || async {
        tokio::time::sleep(SOURCE).await;
        Ok(Some(1))
    };
    class.get_or_fetch([key], &["t"], load).await.map(|outcome| outcome.origin())
}

/// The name of a warm key.
pub(crate) fn warm(number: u64) -> String {
    format!("warm {}", number % WARM)
}

/// The share of answers out of a cache that are as fresh as ever.
pub(crate) fn hit_rate(calls: &[Call]) -> f64 {
    let hits = calls.iter().filter(|call| matches!(call.answer, Ok(Origin::L1 | Origin::L2))).count();
    hits as f64 / calls.len().max(1) as f64
}

/// What so many of a hundred calls for warm keys took at most.
pub(crate) fn percentile(calls: &[Call], percent: f64) -> Duration {
    let mut took: Vec<Duration> = calls.iter().filter(|call| !call.is_cold).map(|call| call.took).collect();
    took.sort();
    let at = (took.len() as f64 * percent / 100.0) as usize;
    took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}
