//! Durations and sizes as people write them: a whole number and a unit.

use std::time::Duration;

/// Why a text is no duration or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// There is a number and nothing else.
    NoUnit,
    /// The number is followed by something that is no unit.
    UnknownUnit,
    /// There is no whole number in front.
    NoNumber,
    /// The number is too large to be meant.
    TooLarge,
}

/// The units of a duration with their milliseconds, smallest first.
const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The units of a size with their bytes.
const BYTES_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// What to write as a duration, for a remedy.
pub(super) const DURATION_FORM: &str =
    "a whole number and one of ms, s, m, h, d, in quotes: \"250ms\", \"30s\", \"5m\", \"24h\", \"7d\"";

/// What to write as a size, for a remedy.
pub(super) const BYTES_FORM: &str =
    "a whole number and one of B, KiB, MiB, GiB, KB, MB, GB, in quotes: \"512KiB\", \"64MiB\", \"1MB\"";

/// Reads a duration: `250ms`, `30s`, `5m`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    quantity(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// Reads a size: `512KiB`, `64MiB`, `1MB`.
pub(super) fn bytes(text: &str) -> Result<u64, Wrong> {
    quantity(text, &BYTES_UNITS)
}

/// The units of a duration, smallest first.
pub(super) fn duration_units() -> impl Iterator<Item = &'static str> {
    DURATION_UNITS.iter().map(|(unit, _)| *unit)
}

/// The units of a size.
pub(super) fn bytes_units() -> impl Iterator<Item = &'static str> {
    BYTES_UNITS.iter().map(|(unit, _)| *unit)
}

/// Writes a size in the largest unit that it is a whole number of: `512KiB`.
pub(super) fn shown_bytes(bytes: u64) -> String {
    let whole = |(_, factor): &&(&str, u64)| bytes.is_multiple_of(*factor);
    let (unit, factor) = BYTES_UNITS[..4].iter().rfind(whole).unwrap_or(&BYTES_UNITS[0]);
    format!("{}{unit}", bytes / factor)
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, Wrong> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Wrong::NoNumber);
    }
    if unit.is_empty() {
        return Err(Wrong::NoUnit);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(Wrong::UnknownUnit)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(Wrong::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_quantity() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(bytes("512KiB"), Ok(512 * 1024));
        assert_eq!(bytes("1MB"), Ok(1_000_000));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        assert_eq!(duration("30"), Err(Wrong::NoUnit));
        assert_eq!(duration("30 minutos"), Err(Wrong::UnknownUnit));
        assert_eq!(duration("1h30m"), Err(Wrong::UnknownUnit));
        assert_eq!(duration("soon"), Err(Wrong::NoNumber));
        assert_eq!(duration(""), Err(Wrong::NoNumber));
        assert_eq!(duration("99999999999999999999d"), Err(Wrong::TooLarge));
        assert_eq!(bytes("64mb"), Err(Wrong::UnknownUnit));
    }
}
