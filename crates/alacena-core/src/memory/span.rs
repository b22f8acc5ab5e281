//! Durations in four bytes, and in two.

use std::time::Duration;

/// A duration in four bytes: whole microseconds up to two minutes, beyond that one part in 67 million, up to five
/// hundred years. Always rounded down, so that nothing is kept for longer than was said.
///
/// An entry holds four of them, and a record of one seven. The order of the numbers is the order of the durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) u32);

/// The same in two bytes: whole microseconds up to two milliseconds, beyond that one part in a thousand, up to fifty days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortSpan(pub(super) u16);

/// Bits of the mantissa; the rest, five in both, is the exponent.
const MANTISSA_BITS: u32 = 27;
const SHORT_MANTISSA_BITS: u32 = 11;

impl Span {
    pub(super) const fn nanos(self) -> u64 {
        unpack(self.0, MANTISSA_BITS)
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

impl ShortSpan {
    pub(super) const fn nanos(self) -> u64 {
        unpack(self.0 as u32, SHORT_MANTISSA_BITS)
    }

    pub(super) const fn duration(self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(pack(duration, MANTISSA_BITS))
    }
}

impl From<Duration> for ShortSpan {
    fn from(duration: Duration) -> Self {
        Self(u16::try_from(pack(duration, SHORT_MANTISSA_BITS)).expect("eleven bits and five are sixteen"))
    }
}

/// With an exponent the mantissa has all its bits: no two pairs stand for one duration, and their order is that of the
/// durations.
fn pack(duration: Duration, mantissa_bits: u32) -> u32 {
    let longest = (1 << mantissa_bits) - 1;
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(longest << 31);
    let exponent = (u64::BITS - micros.leading_zeros()).saturating_sub(mantissa_bits);
    let mantissa = u32::try_from(micros >> exponent).expect("no more bits than a mantissa has");
    exponent << mantissa_bits | mantissa
}

const fn unpack(packed: u32, mantissa_bits: u32) -> u64 {
    let (exponent, mantissa) = (packed >> mantissa_bits, packed & ((1 << mantissa_bits) - 1));
    ((mantissa as u64) << exponent).saturating_mul(1000)
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
        assert!(ShortSpan::from(Duration::MAX).duration() > Duration::from_secs(50 * 86_400));
        assert_eq!(ShortSpan::from(Duration::from_micros(1999)).duration(), Duration::from_micros(1999));
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

        #[test]
        fn the_short_ones_too(a in 0_u64..1 << 40) {
            let held = ShortSpan::from(Duration::from_micros(a)).nanos() / 1000;
            prop_assert!(held <= a && a - held <= a >> (SHORT_MANTISSA_BITS - 1));
        }
    }
}
