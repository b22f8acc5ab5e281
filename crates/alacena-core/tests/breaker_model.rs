//! The breaker against a model that keeps every call and reads the specification out loud.
//!
//! The model shares no idea with the breaker beyond the words: where the breaker counts, it looks through a list of all
//! calls; where the breaker has epochs, it looks whether anything has happened since.

use std::{cell::Cell, time::Duration};

use alacena_core::{
    guard::breaker::{Breaker, BreakerSettings, Pass, Refused, Report, State},
    runtime::Moment,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

const SECOND: u64 = 1_000_000_000;

/// A call that was counted.
#[derive(Clone, Copy)]
struct Ended {
    at: u64,
    failed: bool,
    slow: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Event {
    Opened { at: u64, until: u64, nominal: u64, why: Why },
    HalfOpened,
    Closed { at: u64 },
}

/// The sentence of the specification that opened it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    Consecutive,
    FewCalls,
    Rate,
    Slow,
    ProbeFailed,
}

struct Given {
    /// How many events there had been.
    after: usize,
    back: bool,
}

/// Everything that ever happened.
#[derive(Default)]
struct Model {
    events: Vec<Event>,
    given: Vec<Given>,
    /// Calls counted since it was last closed.
    calls: Vec<Ended>,
    /// Successes since it was last half open.
    probes_succeeded: usize,
    last_failure: Option<u64>,
    stale_reports: usize,
}

impl Model {
    fn state(&self) -> State {
        match self.events.last() {
            None | Some(Event::Closed { .. }) => State::Closed,
            Some(Event::Opened { .. }) => State::Open,
            Some(Event::HalfOpened) => State::HalfOpen,
        }
    }

    fn acquire(&mut self, now: u64) -> Result<(), u64> {
        match self.events.last() {
            Some(Event::Opened { until, .. }) if now < *until => return Err(*until - now),
            Some(Event::Opened { .. }) => {
                self.events.push(Event::HalfOpened);
                self.probes_succeeded = 0;
            }
            Some(Event::HalfOpened) => {
                let under_way =
                    self.given.iter().filter(|given| given.after == self.events.len() && !given.back).count();
                if under_way >= 2 {
                    return Err(SECOND);
                }
            }
            None | Some(Event::Closed { .. }) => {}
        }
        self.given.push(Given { after: self.events.len(), back: false });
        Ok(())
    }

    fn ignore(&mut self, which: usize) {
        self.given[which].back = true;
    }

    /// Says why it must open now, if it must.
    fn report(&mut self, which: usize, failed: bool, slow: bool, now: u64) -> Option<Why> {
        self.given[which].back = true;
        if self.given[which].after != self.events.len() {
            self.stale_reports += 1;
            return None;
        }
        self.calls.push(Ended { at: now, failed, slow });
        if failed {
            self.last_failure = Some(now);
        }
        if self.state() == State::HalfOpen {
            if failed {
                return Some(Why::ProbeFailed);
            }
            self.probes_succeeded += 1;
            if self.probes_succeeded == 3 {
                self.events.push(Event::Closed { at: now });
                self.calls.clear();
            }
            return None;
        }
        self.reason_to_open(now)
    }

    /// Section 5, sentence by sentence; asked only about a call that is itself bad.
    fn reason_to_open(&self, now: u64) -> Option<Why> {
        let last = self.calls.last()?;
        let recent = |call: &&Ended| now - call.at < 120 * SECOND;
        if last.failed {
            // "5 consecutive failures within 120 s"
            let latest_five = &self.calls[self.calls.len().saturating_sub(5)..];
            if latest_five.len() == 5 && latest_five.iter().all(|call| call.failed && recent(&call)) {
                return Some(Why::Consecutive);
            }
            // ">= 5 failures in 120 s and …"
            if self.calls.iter().filter(recent).filter(|call| call.failed).count() >= 5 {
                // "… fewer than 20 calls in 120 s, or …"
                if self.in_buckets(12, now).len() < 20 {
                    return Some(Why::FewCalls);
                }
                // "… failure rate >= 50 % over the shortest run of latest buckets that holds >= 20 calls"
                let run = self.shortest_run(now);
                let failures = run.iter().filter(|call| call.failed).count();
                if failures as f64 / run.len() as f64 >= 0.5 {
                    return Some(Why::Rate);
                }
            }
        }
        // "slow calls >= 80 % over such a run, never with fewer than 20 calls"
        if last.slow && self.in_buckets(12, now).len() >= 20 {
            let run = self.shortest_run(now);
            let slow = run.iter().filter(|call| call.slow).count();
            if slow as f64 / run.len() as f64 >= 0.8 {
                return Some(Why::Slow);
            }
        }
        None
    }

    fn shortest_run(&self, now: u64) -> Vec<Ended> {
        (1..=12)
            .map(|buckets| self.in_buckets(buckets, now))
            .find(|run| run.len() >= 20)
            .expect("asked before")
    }

    /// The calls in that many latest buckets of ten seconds.
    fn in_buckets(&self, buckets: u64, now: u64) -> Vec<Ended> {
        let bucket = |at: u64| at / (10 * SECOND);
        self.calls.iter().filter(|call| bucket(call.at) + buckets > bucket(now)).copied().collect()
    }

    /// How long it should stay open, give or take 20 %: "1 s -> x2 -> 60 s cap, back to 1 s after 5 healthy minutes".
    fn nominal_reset(&self, now: u64) -> u64 {
        let healthy = matches!(self.events.last(), Some(Event::Closed { at }) if now - at >= 300 * SECOND);
        let before = self.events.iter().rev().find_map(|event| match event {
            Event::Opened { nominal, .. } => Some(*nominal),
            _ => None,
        });
        match before {
            Some(nominal) if !healthy => (nominal * 2).min(60 * SECOND),
            _ => SECOND,
        }
    }
}

/// Breaker and model side by side on one clock.
struct Pair {
    breaker: Breaker,
    model: Model,
    now: u64,
    passes: Vec<Option<Pass>>,
}

impl Pair {
    fn new() -> Self {
        Self {
            breaker: Breaker::new(BreakerSettings::default(), Moment::ORIGIN),
            model: Model::default(),
            now: 0,
            passes: Vec::new(),
        }
    }

    fn moment(&self) -> Moment {
        Moment::from_nanos(self.now)
    }

    fn acquire(&mut self) -> Option<usize> {
        let expected = self.model.acquire(self.now);
        match self.breaker.acquire(self.moment()) {
            Ok(pass) => {
                assert_eq!(expected, Ok(()), "let through what the model refuses");
                self.passes.push(Some(pass));
                Some(self.passes.len() - 1)
            }
            Err(Refused { retry_after }) => {
                assert_eq!(expected, Err(retry_after.as_nanos() as u64), "refused, or for another time");
                None
            }
        }
    }

    fn report(&mut self, which: usize, failed: bool, slow: bool, random: u64) {
        let Some(pass) = self.passes[which].take() else { return };
        let before = self.model.state();
        let must_open = self.model.report(which, failed, slow, self.now);
        let changed = self.breaker.report(pass, Report { failed, slow }, self.moment(), random);
        if let Some(why) = must_open {
            let nominal = self.model.nominal_reset(self.now);
            let until = self.breaker.next_probe().unwrap_or_else(|| panic!("not opened: {why:?}")).nanos();
            let reset = (until - self.now) as f64;
            let longest = (nominal as f64 * 1.2).min(60e9);
            assert!(reset >= nominal as f64 * 0.8 - 1.0 && reset <= longest + 1.0, "{reset} for {nominal}");
            self.model.events.push(Event::Opened { at: self.now, until, nominal, why });
        }
        let after = self.model.state();
        assert_eq!(changed, (before != after).then_some(after));
    }

    fn ignore(&mut self, which: usize) {
        if let Some(pass) = self.passes[which].take() {
            self.model.ignore(which);
            self.breaker.ignore(pass);
        }
    }

    /// What a person would see must agree too.
    fn compare(&mut self) {
        let (now, model) = (self.moment(), &self.model);
        assert_eq!(self.breaker.state(), model.state());
        let opened = model.events.iter().filter(|event| matches!(event, Event::Opened { .. })).count();
        assert_eq!(self.breaker.opened(), opened as u64);
        assert_eq!(self.breaker.last_failure().map(Moment::nanos), model.last_failure);
        let window = model.in_buckets(12, self.now);
        let failures = window.iter().filter(|call| call.failed).count();
        assert_eq!(self.breaker.failures(now), failures as u64);
        let rate = (!window.is_empty()).then(|| 1.0 - failures as f64 / window.len() as f64);
        assert_eq!(self.breaker.success_rate(now), rate);
        let due = match model.events.last() {
            Some(Event::Opened { until, .. }) => Some(Moment::from_nanos(*until)),
            _ => None,
        };
        assert_eq!(self.breaker.next_probe(), due);
    }

    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Wait(nanos) => self.now += nanos,
                Step::WaitForProbe => {
                    self.now = self.breaker.next_probe().map_or(self.now, |due| due.nanos().max(self.now));
                }
                Step::Ask => {
                    self.acquire();
                }
                Step::Report { which, failed, slow, random } if !self.passes.is_empty() => {
                    self.report(which.index(self.passes.len()), *failed, *slow, *random);
                }
                Step::Cancel { which } if !self.passes.is_empty() => {
                    self.ignore(which.index(self.passes.len()));
                }
                Step::Report { .. } | Step::Cancel { .. } => {}
                Step::Calls { ends, gap, random } => {
                    for (failed, slow) in ends {
                        self.now += gap;
                        if let Some(which) = self.acquire() {
                            self.report(which, *failed, *slow, *random);
                        }
                        self.compare();
                    }
                }
            }
            self.compare();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    WaitForProbe,
    Ask,
    Report {
        which: prop::sample::Index,
        failed: bool,
        slow: bool,
        random: u64,
    },
    Cancel {
        which: prop::sample::Index,
    },
    /// Calls one after the other, each of which ends before the next begins.
    Calls {
        ends: Vec<(bool, bool)>,
        gap: u64,
        random: u64,
    },
}

fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..SECOND / 5,
        4 => 0..12 * SECOND,
        2 => 0..130 * SECOND,
        1 => 290 * SECOND..400 * SECOND,
        // The edges of buckets, windows and healthy minutes.
        3 => (0_u64..31).prop_map(|tens| tens * 10 * SECOND),
        1 => Just(120 * SECOND - 1),
    ]
}

fn calls() -> impl Strategy<Value = Step> {
    let share = || prop_oneof![Just(0.0), Just(0.3), Just(0.6), Just(0.8), Just(1.0)];
    let gap = prop_oneof![Just(0), 0..SECOND, 0..8 * SECOND];
    // Good calls first, or the plain rule would nearly always come before the rates.
    let good = prop_oneof![Just(0), 14_usize..25];
    (good, share(), share(), gap, any::<u64>()).prop_flat_map(|(good, failing, slow, gap, random)| {
        let bad = prop::collection::vec((prop::bool::weighted(failing), prop::bool::weighted(slow)), 1..45);
        bad.prop_map(move |bad| {
            let ends = std::iter::repeat_n((false, false), good).chain(bad).collect();
            Step::Calls { ends, gap, random }
        })
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => wait().prop_map(Step::Wait),
        3 => Just(Step::WaitForProbe),
        5 => Just(Step::Ask),
        5 => (any::<prop::sample::Index>(), any::<bool>(), any::<bool>(), any::<u64>())
            .prop_map(|(which, failed, slow, random)| Step::Report { which, failed, slow, random }),
        2 => any::<prop::sample::Index>().prop_map(|which| Step::Cancel { which }),
        4 => calls(),
    ]
}

proptest! {
    /// Whatever calls come, in whatever order they end: breaker and model agree after every step.
    #[test]
    fn breaker_does_what_the_specification_says(steps in prop::collection::vec(step(), 1..60)) {
        Pair::new().run(&steps);
    }

    /// With fewer than 20 calls in any 120 s the breaker opens on exactly the calls on which the rule that most teams
    /// write does: the fifth failure in 120 s.
    #[test]
    fn low_traffic_meets_the_plain_rule(
        calls in prop::collection::vec((wait(), any::<bool>(), any::<bool>(), any::<u64>()), 1..150),
    ) {
        let mut breaker = Breaker::new(BreakerSettings::default(), Moment::ORIGIN);
        let (mut now, mut times, mut failures) = (0, Vec::new(), Vec::new());
        for (wait, failed, slow, random) in calls {
            now += wait;
            if times.len() >= 19 {
                // Late enough to be only the nineteenth.
                now = now.max(times[times.len() - 19] + 120 * SECOND);
            }
            times.push(now);
            let pass = breaker.acquire(Moment::from_nanos(now)).expect("closed");
            breaker.report(pass, Report { failed, slow }, Moment::from_nanos(now), random);

            let mut plain_rule_opens = false;
            if failed {
                failures.push(now);
                plain_rule_opens = failures.iter().filter(|at| now - **at < 120 * SECOND).count() >= 5;
            }
            prop_assert_eq!(breaker.state() == State::Open, plain_rule_opens);

            if plain_rule_opens {
                now = breaker.next_probe().expect("open").nanos();
                for _ in 0..3 {
                    let pass = breaker.acquire(Moment::from_nanos(now)).expect("a probe");
                    breaker.report(pass, Report { failed: false, slow: false }, Moment::from_nanos(now), random);
                }
                prop_assert_eq!(breaker.state(), State::Closed);
                failures.clear();
                times.clear();
            }
        }
    }
}

/// A property that never leaves the first state proves nothing: the same generator, a fixed seed, and every rule met.
#[test]
fn the_random_sequences_reach_every_rule() {
    let reached: [Cell<usize>; 5] = Default::default();
    let (closed, healthy, capped, stale) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |cell: &Cell<usize>, by: usize| cell.set(cell.get() + by);
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    for _ in 0..300 {
        let steps = prop::collection::vec(step(), 1..60).new_tree(&mut runner).unwrap().current();
        let mut pair = Pair::new();
        pair.run(&steps);
        count(&stale, pair.model.stale_reports);
        let mut opened_before = false;
        for event in &pair.model.events {
            match event {
                Event::Opened { why, nominal, .. } => {
                    count(&reached[*why as usize], 1);
                    count(&healthy, usize::from(opened_before && *nominal == SECOND));
                    count(&capped, usize::from(*nominal == 60 * SECOND));
                    opened_before = true;
                }
                Event::Closed { .. } => count(&closed, 1),
                Event::HalfOpened => {}
            }
        }
    }
    for (why, cell) in ["consecutive", "few calls", "rate", "slow", "probe failed"].iter().zip(&reached) {
        assert!(cell.get() >= 10, "{why} opened it {} times", cell.get());
    }
    for (what, cell) in [("closed", &closed), ("healthy", &healthy), ("capped", &capped), ("stale", &stale)] {
        assert!(cell.get() >= 5, "{what}: {} times", cell.get());
    }
}

/// The reset of the same opening lies a fifth around its nominal time, wherever chance puts it.
#[test]
fn resets_are_spread_and_never_longer_than_the_longest() {
    let reset_of = |doublings: u32, random: u64| -> Duration {
        let mut breaker = Breaker::new(BreakerSettings::default(), Moment::ORIGIN);
        let mut now = Moment::ORIGIN;
        let fail = |breaker: &mut Breaker, now| {
            let pass = breaker.acquire(now).expect("let through");
            breaker.report(pass, Report { failed: true, slow: false }, now, random);
        };
        (0..5).for_each(|_| fail(&mut breaker, now));
        for _ in 0..doublings {
            now = breaker.next_probe().expect("open");
            fail(&mut breaker, now);
        }
        breaker.next_probe().expect("open") - now
    };
    let shortest: Vec<u128> = (0..9).map(|doublings| reset_of(doublings, 0).as_millis()).collect();
    assert_eq!(shortest, [800, 1600, 3200, 6400, 12_800, 25_600, 48_000, 48_000, 48_000]);
    let longest: Vec<u128> = (0..9).map(|doublings| reset_of(doublings, u64::MAX).as_millis()).collect();
    assert_eq!(longest, [1200, 2400, 4800, 9600, 19_200, 38_400, 60_000, 60_000, 60_000]);
}
