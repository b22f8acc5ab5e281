//! How often callers are answered, and how long one waits.

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

use super::{KEYS, figures::median};

/// Somebody who asks.
pub(crate) trait Caller: Clone + Send + 'static {
    /// Asks for the value of this number; whether the answer came from where it is measured from.
    fn ask(&mut self, number: u64) -> impl Future<Output = bool> + Send;
}

/// So many answers in so long a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    pub(crate) answers: u64,
    /// Beside these, such as came from elsewhere: where the machine stood still for so long that the second tier was
    /// thought to be away.
    pub(crate) strays: u64,
    pub(crate) took: Duration,
    /// The processor's time that went into them.
    pub(crate) processor: Duration,
}

impl Rate {
    pub(crate) fn per_second(self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }

    /// The processor's time for one, in microseconds: which a neighbour disturbs less than the rate.
    pub(crate) fn processor_each(self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.answers as f64
    }
}

impl AddAssign for Rate {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.strays += other.strays;
        self.took += other.took;
        self.processor += other.processor;
    }
}

/// The processor's time that these processes have taken, with what the kernel did for them.
pub(crate) fn processor(processes: [u32; 2]) -> Duration {
    /// What the kernel counts in, on every Linux.
    const TICK: Duration = Duration::from_millis(10);
    let ticks = |process: u32| -> u32 {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The second field is a name in parentheses, which may have anything in it.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum()
    };
    TICK * processes.into_iter().map(ticks).sum()
}

/// So many callers at once for so long, each of whom asks again once it is answered. No two of them ask for the same.
pub(crate) async fn of(callers: u64, span: Duration, caller: &impl Caller) -> Rate {
    let (began, share) = (Instant::now(), KEYS / callers);
    let tasks: Vec<_> = (0..callers)
        .map(|number| {
            let mut caller = caller.clone();
            tokio::spawn(async move {
                let mut rate = Rate::default();
                for at in (0..share).cycle() {
                    match caller.ask(number * share + at).await {
                        true => rate.answers += 1,
                        false => rate.strays += 1,
                    }
                    if began.elapsed() >= span {
                        break;
                    }
                }
                rate
            })
        })
        .collect();
    let mut rate = Rate::default();
    for task in tasks {
        rate += task.await.expect("no call fails");
    }
    Rate { took: began.elapsed(), ..rate }
}

/// How long a caller waits who has nobody beside it, in microseconds: the medians of the two, who ask by turns for so long.
pub(crate) async fn waits(span: Duration, one: &impl Caller, other: &impl Caller) -> [f64; 2] {
    let (mut one, mut other) = (one.clone(), other.clone());
    let asking = tokio::spawn(async move {
        let mut waits = [Vec::new(), Vec::new()];
        let began = Instant::now();
        for number in 0.. {
            let asked = Instant::now();
            one.ask(number).await;
            let between = Instant::now();
            other.ask(number).await;
            waits[0].push((between - asked).as_secs_f64() * 1e6);
            waits[1].push(between.elapsed().as_secs_f64() * 1e6);
            if began.elapsed() >= span {
                break;
            }
        }
        waits
    });
    asking.await.expect("no call fails").map(|mut waits| median(&mut waits))
}
