//! What a source's breaker does, rule by rule, as a reader of the specification would try it out.

use std::time::Duration;

use alacena_core::{
    guard::breaker::{Breaker, BreakerSettings, Pass, Report, State},
    runtime::Moment,
};

const GOOD: Report = Report { failed: false, slow: false };
const BAD: Report = Report { failed: true, slow: false };
const SLOW: Report = Report { failed: false, slow: true };
/// Chance in the middle: resets take their nominal time.
const MIDDLE: u64 = 1 << 63;

/// A breaker with a clock beside it.
struct Bench {
    breaker: Breaker,
    now: Moment,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::new(BreakerSettings::default(), Moment::ORIGIN), now: Moment::ORIGIN }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn ask(&mut self) -> Pass {
        self.breaker.acquire(self.now).expect("it lets calls through")
    }

    fn end(&mut self, pass: Pass, report: Report) -> Option<State> {
        self.breaker.report(pass, report, self.now, MIDDLE)
    }

    fn calls(&mut self, many: u32, report: Report) {
        for _ in 0..many {
            let pass = self.ask();
            self.end(pass, report);
        }
    }

    fn retry_after(&mut self) -> Duration {
        self.breaker.acquire(self.now).expect_err("it refuses").retry_after
    }

    fn wait_for_probe(&mut self) {
        self.now = self.breaker.next_probe().expect("it is open");
    }

    fn opened_at_once() -> Self {
        let mut bench = Self::new();
        bench.calls(5, BAD);
        assert_eq!(bench.breaker.state(), State::Open);
        bench
    }
}

#[test]
fn five_failures_in_a_row_open_it_whatever_the_traffic_was() {
    let mut bench = Bench::new();
    bench.calls(10_000, GOOD);
    bench.calls(4, BAD);
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.calls(1, BAD);
    assert_eq!(bench.breaker.state(), State::Open);
}

#[test]
fn failures_that_lie_further_apart_than_the_window_do_not_belong_together() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.calls(1, BAD);
        bench.wait(30);
    }
    assert_eq!(bench.breaker.state(), State::Closed, "five in 120 s would need one more");
    bench.now = Moment::from_nanos(bench.now.nanos() - 1);
    bench.calls(1, BAD);
    assert_eq!(bench.breaker.state(), State::Open, "one nanosecond nearer they are five in 120 s");
}

#[test]
fn a_busy_source_with_few_failures_stays_on() {
    let mut bench = Bench::new();
    for _ in 0..50 {
        bench.calls(1, BAD);
        bench.calls(199, GOOD);
        bench.wait(1);
    }
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn a_busy_source_of_whose_latest_calls_half_fail_is_switched_off() {
    let mut bench = Bench::new();
    bench.calls(10_000, GOOD);
    // A new bucket: the thousands before it no longer count once it holds twenty calls of its own.
    bench.wait(10);
    for _ in 0..9 {
        bench.calls(1, GOOD);
        bench.calls(1, BAD);
    }
    bench.calls(1, GOOD);
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.calls(1, BAD);
    assert_eq!(bench.breaker.state(), State::Open);
}

#[test]
fn slow_calls_switch_it_off_but_never_before_there_are_twenty() {
    let mut bench = Bench::new();
    bench.calls(4, GOOD);
    bench.calls(15, SLOW);
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.calls(1, SLOW);
    assert_eq!(bench.breaker.state(), State::Open, "16 of 20 are 80 %");
}

#[test]
fn a_good_call_never_opens_it() {
    let mut bench = Bench::new();
    // Five failures among twenty calls and more, at a rate that is no reason.
    bench.calls(30, GOOD);
    bench.wait(15);
    for _ in 0..5 {
        bench.calls(1, BAD);
        bench.calls(1, GOOD);
    }
    // The thirty leave the window, the five failures do not: now the plain rule would apply.
    bench.wait(107);
    bench.calls(3, GOOD);
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.calls(1, BAD);
    assert_eq!(bench.breaker.state(), State::Open);
}

#[test]
fn while_it_is_open_it_says_how_long_and_lets_nothing_through() {
    let mut bench = Bench::opened_at_once();
    assert_eq!(bench.retry_after(), Duration::from_secs(1));
    bench.now = bench.now + Duration::from_millis(400);
    assert_eq!(bench.retry_after(), Duration::from_millis(600));
}

#[test]
fn two_calls_at_once_try_the_source_out_and_three_successes_close_it() {
    let mut bench = Bench::opened_at_once();
    bench.wait_for_probe();
    let (first, second) = (bench.ask(), bench.ask());
    assert_eq!(bench.breaker.state(), State::HalfOpen);
    assert_eq!(bench.retry_after(), Duration::from_secs(1), "both probes are under way");
    assert_eq!(bench.end(first, GOOD), None);
    let third = bench.ask();
    assert_eq!(bench.end(second, GOOD), None);
    assert_eq!(bench.end(third, GOOD), Some(State::Closed));
    assert_eq!(bench.breaker.failures(bench.now), 0, "what it has recovered from is forgotten");
}

#[test]
fn one_failed_probe_opens_it_again_for_twice_as_long_up_to_a_minute() {
    let mut bench = Bench::opened_at_once();
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        bench.wait_for_probe();
        let probe = bench.ask();
        assert_eq!(bench.end(probe, BAD), Some(State::Open));
        assert_eq!(
            bench.retry_after().as_secs_f64().round() as u64,
            if seconds == 60 { 54 } else { seconds }
        );
    }
    assert_eq!(bench.breaker.opened(), 8);
}

#[test]
fn a_source_that_is_seen_and_fails_again_is_not_left_alone_for_longer_each_time() {
    let mut bench = Bench::opened_at_once();
    for _ in 0..10 {
        bench.breaker.probe_now(bench.now);
        let probe = bench.ask();
        bench.end(probe, BAD);
        assert_eq!(bench.retry_after(), Duration::from_secs(1), "the pause was cut short");
    }
    bench.wait_for_probe();
    let probe = bench.ask();
    bench.end(probe, BAD);
    assert_eq!(bench.retry_after(), Duration::from_secs(2), "this one was not");
}

#[test]
fn it_starts_again_at_one_second_only_after_five_healthy_minutes() {
    for (healthy, seconds) in [(299, 2), (300, 1)] {
        let mut bench = Bench::opened_at_once();
        bench.wait_for_probe();
        bench.calls(3, GOOD);
        bench.wait(healthy);
        bench.calls(5, BAD);
        assert_eq!(bench.retry_after(), Duration::from_secs(seconds), "after {healthy} s");
    }
}

#[test]
fn what_began_before_a_transition_says_nothing_after_it() {
    let mut bench = Bench::new();
    let before_the_outage: Vec<Pass> = (0..20).map(|_| bench.ask()).collect();
    bench.calls(5, BAD);
    bench.wait_for_probe();
    let probe = bench.ask();
    let mut late = before_the_outage.into_iter();
    for pass in late.by_ref().take(10) {
        assert!(!bench.breaker.is_current(&pass));
        assert_eq!(bench.end(pass, GOOD), None, "a late success closes nothing");
    }
    for pass in late.by_ref().take(5) {
        assert_eq!(bench.end(pass, BAD), None, "a late failure opens nothing");
    }
    bench.end(probe, GOOD);
    bench.calls(2, GOOD);
    assert_eq!(bench.breaker.state(), State::Closed);
    for pass in late {
        assert_eq!(bench.end(pass, BAD), None);
    }
    assert_eq!(bench.breaker.failures(bench.now), 0);
}

#[test]
fn a_probe_that_is_given_up_frees_its_place_and_is_no_success() {
    let mut bench = Bench::opened_at_once();
    bench.wait_for_probe();
    for _ in 0..10 {
        let (first, second) = (bench.ask(), bench.ask());
        bench.breaker.ignore(first);
        bench.breaker.ignore(second);
    }
    assert_eq!(bench.breaker.state(), State::HalfOpen);
}

#[test]
fn settings_are_obeyed_and_nonsense_is_bounded() {
    let settings = BreakerSettings {
        failures: 2,
        window: Duration::from_secs(10),
        reset_first: Duration::from_secs(90),
        reset_max: Duration::from_secs(30),
    };
    let mut bench = Bench { breaker: Breaker::new(settings, Moment::ORIGIN), now: Moment::ORIGIN };
    bench.calls(1, BAD);
    bench.wait(10);
    bench.calls(1, BAD);
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.calls(1, BAD);
    assert!(bench.retry_after() <= Duration::from_secs(30));

    let zero = BreakerSettings { failures: 0, window: Duration::ZERO, ..BreakerSettings::default() };
    let mut bench = Bench { breaker: Breaker::new(zero, Moment::ORIGIN), now: Moment::ORIGIN };
    bench.calls(100, GOOD);
    assert_eq!(bench.breaker.state(), State::Closed);
}
