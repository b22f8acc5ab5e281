//! What somebody who has changed something may insist on: to see it, on whatever node.

use std::fmt::Write as _;

use super::{HashKey, MarkerId};

/// Markers that one token names; an invalidation of more is one of everything.
const MARKERS_MAX: usize = 16;
/// How long a token is of use. A read that need not insist is as good after [`HORIZON`](super::HORIZON); the rest is for
/// nodes whose shards' clocks they know a little differently.
const LIFETIME_MILLIS: u64 = 10_000;
/// What is signed and how: another number where any of it changes.
const VERSION: u8 = 1;
/// Most characters of a token.
const TEXT_MAX: usize = 2 * (1 + 8 + 8 * MARKERS_MAX + 16);

/// What an invalidation was about, for whoever reads after it to insist on: such a read looks every marker up before it
/// is answered out of a cache.
///
/// As text it says nothing of what was invalidated, and only a node that knows the secret of all nodes can make it: who
/// could make one would have every read of others cost a round trip.
///
/// ```
/// use alacena_core::{dep::Dep, tier::{After, HashKey}};
///
/// let names = HashKey::derive(b"the secret of all nodes");
/// let (jobs, rows) = (Dep::tag("shop", "jobs")?, Dep::tag("shop", "rows")?);
/// let text = After::new(1_000, [names.marker(&jobs)]).to_text(&names);
///
/// let after = After::from_text(&text, &names).expect("it is one of ours");
/// assert!(after.is_about(names.marker(&jobs)) && !after.is_about(names.marker(&rows)));
/// assert!(!after.is_over(1_900) && after.is_over(11_000));
/// assert_eq!(After::from_text(&text, &HashKey::derive(b"another")), None);
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// When it is of no use any more, on the shards' clock in milliseconds.
    until: u64,
    /// Half of the name of each marker: what has the same half is insisted on needlessly. None at all: everything.
    halves: Vec<u64>,
}

impl After {
    /// What has been invalidated just now, on the shards' clock in milliseconds.
    #[must_use]
    pub fn new(now_millis: u64, markers: impl IntoIterator<Item = MarkerId>) -> Self {
        let mut halves: Vec<u64> = markers.into_iter().map(half).collect();
        halves.sort_unstable();
        halves.dedup();
        if halves.len() > MARKERS_MAX {
            halves.clear();
        }
        Self { until: now_millis.saturating_add(LIFETIME_MILLIS), halves }
    }

    /// Whether it insists on nothing any more.
    #[must_use]
    pub fn is_over(&self, now_millis: u64) -> bool {
        now_millis >= self.until
    }

    /// Whether it insists on what depends on this marker.
    #[must_use]
    pub fn is_about(&self, marker: MarkerId) -> bool {
        self.halves.is_empty() || self.halves.contains(&half(marker))
    }

    /// As text, for others to send back.
    #[must_use]
    pub fn to_text(&self, names: &HashKey) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.until.to_be_bytes());
        bytes.extend(self.halves.iter().flat_map(|half| half.to_be_bytes()));
        bytes.extend(names.sign(&bytes).to_be_bytes());
        bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
    }

    /// Reads what somebody has sent back; `None`: nothing that a node with this secret has made.
    #[must_use]
    pub fn from_text(text: &str, names: &HashKey) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let digit = |character: u8| char::from(character).to_digit(16);
        let byte = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        };
        let bytes: Vec<u8> = text.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?;
        let (said, signature) = bytes.split_last_chunk::<16>()?;
        if u128::from_be_bytes(*signature) != names.sign(said) {
            return None;
        }
        let (until, halves) = said.strip_prefix(&[VERSION])?.split_first_chunk::<8>()?;
        let (halves, []) = halves.as_chunks::<8>() else { return None };
        let halves = halves.iter().map(|half| u64::from_be_bytes(*half)).collect();
        Some(Self { until: u64::from_be_bytes(*until), halves })
    }
}

fn half(marker: MarkerId) -> u64 {
    match marker {
        MarkerId::Dep(hash) => u64::try_from(hash >> 64).expect("half of the bits are left"),
        MarkerId::Bucket(bucket) => u64::from(bucket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whoever_names_too_many_names_everything() {
        let marker = |number: u64| MarkerId::Dep(u128::from(number) << 64);
        let few = After::new(0, (0..16).chain(0..16).map(marker));
        assert!(few.is_about(marker(15)) && !few.is_about(marker(16)));
        let many = After::new(0, (0..17).map(marker));
        assert!(many.is_about(marker(99)) && many.is_about(MarkerId::Bucket(7)));
        let names = HashKey::derive(b"");
        assert!(few.to_text(&names).len() <= TEXT_MAX && many.to_text(&names).len() < 60);
    }

    proptest! {
        #[test]
        fn it_comes_back_whole_or_not_at_all(now: u64, hashes in prop::collection::vec(any::<u128>(), 0..20), at: usize) {
            let names = HashKey::derive(b"");
            let after = After::new(now, hashes.into_iter().map(MarkerId::Dep));
            let text = after.to_text(&names);
            prop_assert_eq!(After::from_text(&text, &names), Some(after));
            let at = at % text.len();
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            let forged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(After::from_text(&forged, &names), None);
            prop_assert_eq!(After::from_text(&text[..at], &names), None);
        }

        #[test]
        fn no_other_text_is_one(text in ".{0,80}") {
            prop_assert_eq!(After::from_text(&text, &HashKey::derive(b"")), None);
        }
    }
}
