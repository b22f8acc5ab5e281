//! What things are called on a shard: nothing in a name tells what a user has written.

use std::fmt;

use crate::{
    dep::{Dep, DepKind},
    key::Key,
};

/// Groups of entries that share one marker for invalidations by key.
pub const BUCKETS: u16 = 4096;

/// The identity of a server's data set: another one after a restart, a promotion, or whatever else may have rolled it
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Era(pub u64);

impl Era {
    /// The era of the server that says this of itself.
    #[must_use]
    pub fn of(run_id: &str, replication_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(run_id.as_bytes()).update(b"/").update(replication_id.as_bytes());
        Self(u64::from_be_bytes(first(hasher.finalize().as_bytes())))
    }
}

/// What a marker holds: drawn at random in one era, and never again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce {
    /// The era of the server that it was minted on.
    pub era: Era,
    /// The rest.
    pub random: u64,
}

impl Nonce {
    /// As it stands in a marker: 16 bytes, the era first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.era.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.random.to_be_bytes());
        bytes
    }

    /// Reads what stands in a marker; `None`: nothing that we have written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (era, random) = bytes.split_first_chunk()?;
        Some(Self { era: Era(u64::from_be_bytes(*era)), random: u64::from_be_bytes(random.try_into().ok()?) })
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}/{:x}", self.era.0, self.random)
    }
}

/// Tells the fills of one entry apart: each store draws another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fill(pub u64);

/// Names a marker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkerId {
    /// The marker of a dep.
    Dep(u128),
    /// The marker of a bucket of entries, less than [`BUCKETS`].
    Bucket(u16),
}

/// What the name of every marker begins with: by it a server is asked to tell of changes.
const MARKERS: &str = "alc:m:";
const BUCKET: &str = "alc:m:k:";
const ENTRIES: &str = "alc:e:";
const LEASES: &str = "alc:l:";

impl MarkerId {
    /// Its name on the shard: `alc:m:` and 22 letters, or `alc:m:k:{` and three digits for a bucket, which shares a hash
    /// slot with its entries.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            MarkerId::Dep(hash) => format!("{MARKERS}{}", Letters(hash)),
            MarkerId::Bucket(bucket) => format!("{BUCKET}{{{bucket:03x}}}"),
        }
    }

    /// The marker of this name; `None` where no marker has it.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        if let Some(rest) = name.strip_prefix(BUCKET) {
            let digits = rest.strip_prefix('{')?.strip_suffix('}')?;
            let bucket = u16::from_str_radix(digits, 16).ok()?;
            return (digits.len() == 3 && bucket < BUCKETS).then_some(Self::Bucket(bucket));
        }
        Letters::read(name.strip_prefix(MARKERS)?).map(|letters| Self::Dep(letters.0))
    }

    /// What the names of all markers begin with.
    #[must_use]
    pub const fn prefix() -> &'static str {
        MARKERS
    }
}

impl fmt::Debug for MarkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Names an entry, and its lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u128);

impl EntryId {
    /// The number of its bucket: the first twelve bits.
    #[must_use]
    pub fn bucket(self) -> u16 {
        u16::try_from(self.0 >> 116).expect("twelve bits are left")
    }

    /// The marker of its bucket.
    #[must_use]
    pub fn bucket_marker(self) -> MarkerId {
        MarkerId::Bucket(self.bucket())
    }

    /// The name of the entry on the shard. Entry, lease and the marker of the bucket share a hash slot.
    #[must_use]
    pub fn name(self) -> String {
        format!("{ENTRIES}{{{:03x}}}{}", self.bucket(), Letters(self.0))
    }

    /// The name of its lease.
    #[must_use]
    pub fn lease_name(self) -> String {
        format!("{LEASES}{{{:03x}}}{}", self.bucket(), Letters(self.0))
    }

    /// The entry of this name, or the one whose lease has it; `None` where neither is of any.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let rest = name.strip_prefix(ENTRIES).or_else(|| name.strip_prefix(LEASES))?;
        let (bucket, letters) = rest.strip_prefix('{')?.split_once('}')?;
        let entry = Self(Letters::read(letters)?.0);
        (bucket == format!("{:03x}", entry.bucket())).then_some(entry)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What names are hashed with, so that nobody who sees a name can test a guess against it. The same on every node.
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// The key that is derived from the `secret` that all nodes share.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        Self(blake3::derive_key("alacena names of the second tier v1", secret))
    }

    /// The marker of a dep.
    #[must_use]
    pub fn marker(&self, dep: &Dep) -> MarkerId {
        if dep.kind() == DepKind::Bucket {
            let number = u16::from_str_radix(dep.text(), 16).expect("a bucket is named by its number");
            return MarkerId::Bucket(number);
        }
        let parts = [dep.kind().as_str(), dep.of_namespace(), dep.text()];
        MarkerId::Dep(self.hash(b'm', parts.map(str::as_bytes)))
    }

    /// The entry of a key, whatever declaration it is made by: what an invalidation of the key removes must be what any
    /// node has stored under it. So the generation of the key, which means something to one process only, is not part of
    /// it; and which declaration an entry was loaded by stands within it.
    #[must_use]
    pub fn entry(&self, key: &Key) -> EntryId {
        EntryId(self.hash(b'e', [key.parts()]))
    }

    /// What only who has the key can say of `said`.
    pub(super) fn sign(&self, said: &[u8]) -> u128 {
        self.hash(b'a', [said])
    }

    fn hash<'p>(&self, kind: u8, parts: impl IntoIterator<Item = &'p [u8]>) -> u128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[kind]);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        u128::from_be_bytes(first(hasher.finalize().as_bytes()))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// 128 bits in 22 letters of the URL-safe alphabet of base64 (RFC 4648, section 5), the highest bits first.
struct Letters(u128);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LETTERS: u32 = 22;

impl Letters {
    fn read(text: &str) -> Option<Self> {
        let mut bits = 0_u128;
        for (at, letter) in text.bytes().enumerate() {
            let value = ALPHABET.iter().position(|of| *of == letter)? as u128;
            // The first letter stands for the two bits that are left over.
            if at == 0 && value > 3 {
                return None;
            }
            bits = bits << 6 | value;
        }
        (text.len() == LETTERS as usize).then_some(Self(bits))
    }
}

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = [0; LETTERS as usize];
        for (letter, shift) in letters.iter_mut().zip((0..LETTERS).rev()) {
            *letter = ALPHABET[(self.0 >> (6 * shift) & 63) as usize];
        }
        f.write_str(std::str::from_utf8(&letters).expect("the alphabet is ASCII"))
    }
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeySpace;
    use proptest::prelude::*;

    #[test]
    fn names_say_nothing_and_tell_everything_apart() {
        let (ours, others) = (HashKey::derive(b"ours"), HashKey::derive(b"others"));
        let tag = Dep::tag("shop", "company:42").unwrap();
        let name = ours.marker(&tag).name();
        assert_eq!(name.len(), 28);
        assert!(!name.contains("company"));
        assert_ne!(ours.marker(&tag), others.marker(&tag));
        assert_ne!(ours.marker(&tag), ours.marker(&Dep::tag("crm", "company:42").unwrap()));
        assert_ne!(ours.marker(&Dep::class("shop", "jobs")), ours.marker(&Dep::prefix("shop", "jobs")));

        let key = KeySpace::new("shop", "jobs", &["jobs"]).unwrap().key(None, ["42"]).unwrap();
        let entry = ours.entry(&key);
        assert_ne!(entry, others.entry(&key));
        assert!(entry.name().starts_with(&format!("alc:e:{{{:03x}}}", entry.bucket())));
        assert!(entry.bucket_marker().name().ends_with(&format!("{{{:03x}}}", entry.bucket())));
    }

    #[test]
    fn a_declaration_has_one_name_in_every_generation() {
        let space = KeySpace::new("shop", "jobs", &["jobs"]).unwrap();
        let (first, later) = (space.clone(), space.in_generation(7));
        let hash = HashKey::derive(b"");
        let name = |space: &KeySpace| hash.entry(&space.key(None, ["42"]).unwrap());
        assert_eq!(name(&first), name(&later));
    }

    proptest! {
        #[test]
        fn a_name_names_its_marker(hash: u128, bucket in 0..BUCKETS) {
            for marker in [MarkerId::Dep(hash), MarkerId::Bucket(bucket)] {
                prop_assert_eq!(MarkerId::from_name(marker.name().as_bytes()), Some(marker));
            }
        }

        #[test]
        fn a_name_names_its_entry_and_so_does_that_of_its_lease(id: u128, other in "(alc:[el]:)?.{0,30}") {
            let entry = EntryId(id);
            for name in [entry.name(), entry.lease_name()] {
                prop_assert_eq!(EntryId::from_name(name.as_bytes()), Some(entry));
            }
            prop_assert_eq!(EntryId::from_name(entry.bucket_marker().name().as_bytes()), None);
            if let Some(entry) = EntryId::from_name(other.as_bytes()) {
                prop_assert!([entry.name(), entry.lease_name()].contains(&other));
            }
        }

        #[test]
        fn no_other_text_names_one(name in "(alc:m:(k:)?)?.{0,24}") {
            if let Some(marker) = MarkerId::from_name(name.as_bytes()) {
                prop_assert_eq!(marker.name(), name);
            }
        }

        #[test]
        fn a_nonce_comes_back(era: u64, random: u64, other: Vec<u8>) {
            let nonce = Nonce { era: Era(era), random };
            prop_assert_eq!(Nonce::from_bytes(&nonce.to_bytes()), Some(nonce));
            prop_assert_eq!(Nonce::from_bytes(&other).is_some(), other.len() == 16);
        }
    }
}
