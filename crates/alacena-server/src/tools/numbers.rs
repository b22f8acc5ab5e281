//! Whether a JSON document can become a tree without another number in the place of one of its own.

use std::mem;

/// Whether every number of a JSON document is the same once it has been read into an integer or a double.
pub(super) fn numbers_survive(document: &str) -> bool {
    has_plain_digits_only(document) || every_number_survives(document)
}

/// Whether no number is longer than what every double holds, fifteen digits, or has an exponent: most documents, and
/// seen at a glance.
fn has_plain_digits_only(document: &str) -> bool {
    let mut run = 0;
    document.bytes().all(|byte| match byte {
        b'0'..=b'9' | b'.' => {
            run += 1;
            run <= 15
        }
        b'e' | b'E' => mem::take(&mut run) == 0,
        _ => {
            run = 0;
            true
        }
    })
}

fn every_number_survives(document: &str) -> bool {
    let mut rest = document.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'"' => behind_string(behind),
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                let (number, behind) = rest.split_at(length);
                if !survives(&String::from_utf8_lossy(number)) {
                    return false;
                }
                behind
            }
            _ => behind,
        };
    }
    true
}

/// What follows the string whose opening quote is gone.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'"' => return behind,
            b'\\' => behind.get(1..).unwrap_or_default(),
            _ => behind,
        };
    }
    rest
}

fn survives(number: &str) -> bool {
    number.parse::<i64>().is_ok()
        || number.parse::<u64>().is_ok()
        || number.parse::<f64>().is_ok_and(|read| decimal(&format!("{read:e}")) == decimal(number))
}

/// The digits of a number without the zeros around them, and the power of ten that the last one stands for: the same
/// for 1.50, 15e-1 and 0.15E+1.
fn decimal(number: &str) -> (String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    let dropped = digits.len() as i64 - significant.len() as i64;
    let significant = significant.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return (significant, 0);
    }
    let exponent = exponent.trim_start_matches('+').parse::<i64>().unwrap_or(i64::MIN / 2);
    (significant, exponent - fraction.len() as i64 + dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_repeated_only_where_no_number_would_change() {
        for exact in [
            r#"{"id": 18446744073709551615, "low": -9223372036854775808}"#,
            r#"{"a": [0.00000000000001, 999999999999999, -1, "e5 5e"]}"#,
            r#"{"a": [0.1, 1.50, 15e-1, 0.30000000000000004, 1e300, -0.0, 0e9, 12.0]}"#,
            r#"{"text": "123456789012345678901234567890 \\\" 1e999", "\\": 1}"#,
        ] {
            assert!(numbers_survive(exact), "{exact}");
        }
        for number in
            ["18446744073709551616", "12345678901234567890123", "0.1234567890123456789", "1e999", "1e-999"]
        {
            assert!(!numbers_survive(&format!(r#"{{"a": ["\\", {number}]}}"#)), "{number}");
        }
    }
}
