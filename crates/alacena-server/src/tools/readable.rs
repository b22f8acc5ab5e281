//! Whether every reader of JSON can take a document.
//!
//! The grammar allows more than readers do: a thousand brackets, a number beyond every double, half a character as an
//! escape. Answered by itself such a document is between its source and its reader; copied into a message it would
//! keep the whole message from being read, so that there it stands as text only.

use memchr::memchr2;

/// Levels that a document may have within a message, for readers that take 128 of them all together.
const DEPTH_MAX: usize = 100;
/// Digits that stand for no more than a double holds.
const DIGITS_SAFE: usize = 300;

/// Whether every reader can take `document`, which is JSON.
pub(super) fn is_readable(document: &[u8]) -> bool {
    let (mut rest, mut depth) = (document, 0_usize);
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'[' | b'{' if depth == DEPTH_MAX => return false,
            b'[' | b'{' => {
                depth += 1;
                behind
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                behind
            }
            b'"' => match behind_string(behind) {
                Some(behind) => behind,
                None => return false,
            },
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                let (number, behind) = rest.split_at(length);
                if !is_finite(number) {
                    return false;
                }
                behind
            }
            _ => behind,
        };
    }
    true
}

/// What follows the string whose opening quote is gone; nothing where it never ends, or says half a character.
fn behind_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (end, behind) = rest.split_at_checked(memchr2(b'"', b'\\', rest)? + 1)?;
        if end.ends_with(b"\"") {
            return Some(behind);
        }
        rest = behind_escape(behind)?;
    }
}

/// What follows the escape whose backslash is gone. Beyond the first 65 536, characters are two escapes (RFC 8259, 7).
fn behind_escape(rest: &[u8]) -> Option<&[u8]> {
    let Some(digits) = rest.strip_prefix(b"u") else { return rest.get(1..) };
    match code_unit(digits)? {
        (0xD800..=0xDBFF, behind) => {
            let (second, behind) = code_unit(behind.strip_prefix(b"\\u")?)?;
            (0xDC00..=0xDFFF).contains(&second).then_some(behind)
        }
        (0xDC00..=0xDFFF, _) => None,
        (_, behind) => Some(behind),
    }
}

fn code_unit(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, behind) = rest.split_at_checked(4)?;
    let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((unit, behind))
}

fn is_finite(number: &[u8]) -> bool {
    let is_plain = number.len() <= DIGITS_SAFE && !number.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let read = || std::str::from_utf8(number).ok()?.parse::<f64>().ok();
    is_plain || read().is_some_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    #[test]
    fn what_only_some_readers_take_is_told_from_what_all_do() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for all in [
            r#"{"a": [1, -0.5e-7, 1e308, true, null], "b\"[": "\ud83e\udd80 \uD83E\uDD80 \\ud800 \n"}"#,
            &format!("[\"{}\", {}]", "[".repeat(200), "9".repeat(300)),
            &nested(DEPTH_MAX),
            &format!("[{}]", [nested(90), nested(90)].join(",")),
        ] {
            assert!(is_readable(all.as_bytes()), "{all}");
        }
        for some in [
            r#"["\ud800"]"#,
            r#"["\uDC00"]"#,
            r#"{"\ud800x": 1}"#,
            r#"["\ud800\n"]"#,
            r#"["\ud800\ud800"]"#,
            r#"["\\\ud800"]"#,
            "[1e999]",
            "-1E+999",
            &"9".repeat(400),
            &nested(DEPTH_MAX + 1),
            &nested(100_000),
        ] {
            assert!(!is_readable(some.as_bytes()), "{some}");
        }
    }

    fn document() -> impl Strategy<Value = String> {
        let text = r#""([a\[{}\]é,:]|\\[n"\\]|\\u[dD][89a-fA-F][0-9a-f]{2}|\\u0[0-9]{3}){0,4}""#;
        let leaf = prop_oneof![text, r"-?[1-9][0-9]{0,3}(\.[0-9]{1,3})?([eE][+-]?[1-9][0-9]{0,3})?"];
        leaf.prop_recursive(3, 16, 3, move |inner| {
            let member = (text, inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(" , "))),
                prop::collection::vec(member, 0..3).prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn serde_json_takes_the_same(document in document()) {
            let is_taken = serde_json::from_str::<Json>(&document).is_ok();
            prop_assert_eq!(is_readable(document.as_bytes()), is_taken, "{}", document);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in r#"[\[\]"\\uUdD89e0+-]{0,30}"#) {
            let _ = (is_readable(&bytes), is_readable(text.as_bytes()));
        }
    }
}
