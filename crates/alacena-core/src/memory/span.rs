//! Durations in four bytes.

use std::time::Duration;

/// Bits of the mantissa; the rest is the exponent.
const MANTISSA_BITS: u32 = 27;

/// A duration in four bytes: whole microseconds up to two minutes, beyond that one part in 67 million, up to five
/// hundred years. Always rounded down, so that nothing is kept for longer than was said.
///
/// An entry holds five of them. The order of the numbers is the order of the durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub(super) u32);

impl Span {
    pub(super) const fn nanos(self) -> u64 {
        let (exponent, mantissa) = (self.0 >> MANTISSA_BITS, self.0 & ((1 << MANTISSA_BITS) - 1));
        ((mantissa as u64) << exponent).saturating_mul(1000)
    }

    pub(super) const fn duration(self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bits = u64::BITS - micros.leading_zeros();
        let exponent = bits.saturating_sub(MANTISSA_BITS);
        let Ok(mantissa) = u32::try_from(micros >> exponent) else { return Self(u32::MAX) };
        // With an exponent the mantissa has all its bits: no two pairs stand for one duration, and their order is
        // that of the durations.
        if exponent < 1 << (u32::BITS - MANTISSA_BITS) {
            Self(exponent << MANTISSA_BITS | mantissa)
        } else {
            Self(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_write_is_held_to_the_microsecond() {
        for seconds in (0..=3600).chain([86_400, 30 * 60, 7 * 86_400]) {
            let duration = Duration::from_secs(seconds);
            assert_eq!(Span::from(duration).duration(), duration);
        }
        assert_eq!(Span::from(Duration::from_nanos(1999)).duration(), Duration::from_micros(1));
        assert!(Span::from(Duration::MAX).duration() > Duration::from_secs(100 * 365 * 86_400));
    }

    proptest! {
        #[test]
        fn rounded_down_a_little_and_in_order(a in 0_u64..1 << 54, b in 0_u64..1 << 54) {
            let of = |micros| Span::from(Duration::from_micros(micros));
            let held = of(a).nanos() / 1000;
            prop_assert!(held <= a && a - held <= a >> (MANTISSA_BITS - 1));
            prop_assert_eq!(of(a).cmp(&of(b)), of(a).nanos().cmp(&of(b).nanos()));
            prop_assert!(a > b || of(a) <= of(b));
        }
    }
}
