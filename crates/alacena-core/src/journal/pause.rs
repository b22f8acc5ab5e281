//! How long to leave alone what has just failed.

use std::time::Duration;

use crate::runtime::unit_interval;

/// The first pause after a failure.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The pause after so many failures in a row, and one more.
pub(super) fn pause(failures: u32, random: u64) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
    doubled.mul_f64(0.5 + 0.5 * unit_interval(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds_and_are_spread() {
        let pauses: Vec<_> = (0..9).map(|failures| pause(failures, u64::MAX).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(pause(u32::MAX, 0).as_millis(), 2_500);
    }
}
