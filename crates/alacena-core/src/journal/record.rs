//! What is written down: whose, what is to be removed, and, for people, why.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    ledger::Target,
    tier::{EntryName, MarkerId},
};

/// Targets that a record keeps for people to read; those beyond are applied all the same.
const TARGETS_MAX: usize = 64;

/// The name of a shard in the configuration: it stays when the address changes, and whoever answers to it later is given
/// what was written down for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardName(String);

impl ShardName {
    /// The shard of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number that stands for it where a text would be too long.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let hash = blake3::hash(self.0.as_bytes());
        u64::from_be_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a record in one [`Journal`](super::Journal), never given twice.
pub type RecordId = u64;

/// One thing that a shard is to remove.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Removal {
    /// Everything: the markers that all entries of the namespace depend on. It stands for every other removal.
    Whole,
    /// A marker.
    Marker(MarkerId),
    /// An entry with its lease, and the marker of its bucket.
    Entry(EntryName),
}

impl Removal {
    /// As it is written: the name on the shard. That of an entry says what its key is called, so that whoever reads it
    /// removes it under either name.
    fn text(&self) -> String {
        match self {
            Removal::Whole => "whole".to_owned(),
            Removal::Marker(marker) => marker.name(),
            Removal::Entry(entry) => entry.name(),
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        if text == "whole" {
            return Some(Self::Whole);
        }
        let marker = MarkerId::from_name(text.as_bytes()).map(Self::Marker);
        marker.or_else(|| EntryName::from_name(text.as_bytes()).map(Self::Entry))
    }
}

impl Serialize for Removal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Removal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_text(&text).ok_or_else(|| D::Error::custom("it names nothing that can be removed"))
    }
}

/// An invalidation that a shard could not be told of.
///
/// To apply it, only `shard` and `removals` are needed; the rest is for people. A field that is not known is refused
/// where a record is read: it could say that more is to be removed. Whoever finds a record unreadable takes
/// [`unreadable`](Record::unreadable) for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Whose it is.
    pub shard: ShardName,
    /// What is to be removed.
    pub removals: BTreeSet<Removal>,
    /// When it was asked for, in milliseconds since 1970.
    pub at: u64,
    /// Who asked for it, as in [`Invalidation`](crate::ledger::Invalidation).
    pub who: String,
    /// What was to be invalidated, as it was asked for; the first 64 of it.
    pub targets: Vec<Target>,
}

impl Record {
    /// A record; of `targets` the first 64 are kept.
    #[must_use]
    pub fn new(
        shard: ShardName,
        removals: BTreeSet<Removal>,
        at: u64,
        who: &str,
        targets: &[Target],
    ) -> Self {
        let targets = targets[..targets.len().min(TARGETS_MAX)].to_vec();
        Self { shard, removals, at, who: who.to_owned(), targets }
    }

    /// What stands for a record of this shard that cannot be read any more: it may have been about anything.
    #[must_use]
    pub fn unreadable(shard: ShardName) -> Self {
        let removals = BTreeSet::from([Removal::Whole]);
        Self { shard, removals, at: 0, who: "unreadable record".to_owned(), targets: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::KeySpace,
        tier::{BUCKETS, EntryId},
    };
    use proptest::prelude::*;

    fn removal() -> impl Strategy<Value = Removal> {
        prop_oneof![
            Just(Removal::Whole),
            any::<u128>().prop_map(|hash| Removal::Marker(MarkerId::Dep(hash))),
            (0..BUCKETS).prop_map(|bucket| Removal::Marker(MarkerId::Bucket(bucket))),
            (any::<u128>(), any::<bool>()).prop_map(|(hash, is_called)| {
                let key = KeySpace::new("shop", "jobs", &["jobs"]).unwrap().key(None, ["42"]).unwrap();
                let entry = EntryId(hash);
                Removal::Entry(if is_called { entry.called(&key) } else { entry.into() })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_written(removals in proptest::collection::btree_set(removal(), 0..8)) {
            let targets = [Target::Tag("company:42".to_owned()), Target::Everything];
            let record = Record::new(ShardName::new("redis"), removals, 7, "api", &targets);
            let written = serde_json::to_vec(&record).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Record>(&written).unwrap(), record);
        }

        #[test]
        fn no_other_text_names_a_removal(text in "(whole|alc:[emx]:(k:)?)?.{0,30}") {
            if let Some(removal) = Removal::of_text(&text) {
                prop_assert_eq!(removal.text(), text);
            }
        }
    }

    #[test]
    fn a_record_of_a_form_that_is_not_known_is_not_half_understood() {
        let record = Record::new(ShardName::new("redis"), BTreeSet::new(), 7, "api", &[]);
        let mut later = serde_json::to_value(&record).unwrap();
        later["removalsOfAnotherKind"] = serde_json::json!(["x"]);
        assert!(serde_json::from_value::<Record>(later).is_err());
        let mut wrong = serde_json::to_value(&record).unwrap();
        wrong["removals"] = serde_json::json!(["alc:m:k:{fff}", "alc:m:k:{ffff}"]);
        assert!(serde_json::from_value::<Record>(wrong).is_err());
    }

    #[test]
    fn what_is_kept_for_people_is_bounded() {
        let targets = vec![Target::Tag("t".to_owned()); 1_000];
        let record =
            Record::new(ShardName::new("redis"), BTreeSet::from([Removal::Whole]), 7, "api", &targets);
        assert_eq!(record.targets.len(), 64);
    }
}
