//! What things are called on a shard: nothing in a name tells what a user has written, unless the class of an entry says
//! that it may.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

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

/// Most bytes of what the name of an entry says of its key. What is longer is cut, and ends in `~`.
pub const READABLE_BYTES_MAX: usize = 128;
/// Ends what was cut.
const CUT: u8 = b'~';

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
            MarkerId::Dep(hash) => named(MARKERS, None, Some(Letters(hash))),
            MarkerId::Bucket(bucket) => named(BUCKET, Some(bucket), None),
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
        named(ENTRIES, Some(self.bucket()), Some(Letters(self.0)))
    }

    /// The name of its lease.
    #[must_use]
    pub fn lease_name(self) -> String {
        named(LEASES, Some(self.bucket()), Some(Letters(self.0)))
    }

    /// The entry of this name, readable or not, or the one whose lease has it; `None` where neither is of any.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let lease = std::str::from_utf8(name).ok()?.strip_prefix(LEASES).and_then(Self::read);
        lease.or_else(|| EntryName::from_name(name).map(|entry| entry.id))
    }

    /// The same, with what its key is called.
    #[must_use]
    pub fn called(self, key: &Key) -> EntryName {
        EntryName { id: self, key: Some(readable(key).into()) }
    }

    /// The entry of which this is all of the name that comes after its prefix.
    fn read(rest: &str) -> Option<Self> {
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

/// What an entry lies under: what names it, and after that, where its class has readable names, what its key is called.
///
/// ```
/// use alacena_core::{key::KeySpace, tier::HashKey};
///
/// let hash = HashKey::derive(b"a secret");
/// let key = KeySpace::new("shop", "jobs", &["jobs", "list"])?.key(None, ["all", "0", "50"])?;
/// let entry = hash.entry(&key);
/// assert_eq!(entry.called(&key).name(), format!("{}:shop:jobs:list:all:0:50", entry.name()));
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
///
/// The hash alone tells entries apart, and what follows is made of the key alone. So a node whose class has other names
/// than another node's shares nothing with it and undoes nothing: leases have no readable names, and who removes an entry
/// by its key [names both](EntryName::names).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    id: EntryId,
    /// Escaped and cut. None: its name says nothing of it.
    key: Option<Arc<str>>,
}

impl EntryName {
    /// What names it.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Its name on the shard.
    #[must_use]
    pub fn name(&self) -> String {
        let hashed = self.id.name();
        match &self.key {
            Some(key) => format!("{hashed}:{key}"),
            None => hashed,
        }
    }

    /// Every name that the entry may lie under, whatever a node says of its class.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let readable = self.key.is_some().then(|| self.name());
        [self.id.name()].into_iter().chain(readable)
    }

    /// The other name that the entry may lie under, where it is known.
    #[must_use]
    pub fn without_key(&self) -> Self {
        self.id.into()
    }

    /// The entry of this name; `None` where none has it.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(name).ok()?.strip_prefix(ENTRIES)?;
        let Some((id, key)) = rest.split_once(':') else { return Some(EntryId::read(rest)?.into()) };
        let is_readable =
            key.len() <= READABLE_BYTES_MAX && key.bytes().all(|byte| is_plain(byte) || byte == CUT);
        is_readable.then_some(Self { id: EntryId::read(id)?, key: Some(key.into()) })
    }
}

impl From<EntryId> for EntryName {
    fn from(id: EntryId) -> Self {
        Self { id, key: None }
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What a key is called in a name: its namespace and its text, in at most [`READABLE_BYTES_MAX`] bytes, none of which a
/// server, a shell or a pattern could take for something of its own.
fn readable(key: &Key) -> String {
    let mut text = String::new();
    for byte in key.namespace().bytes().chain([b':']).chain(key.text().bytes()) {
        if text.len() > READABLE_BYTES_MAX {
            break;
        }
        match is_plain(byte) {
            true => text.push(byte.into()),
            false => write!(text, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    if text.len() > READABLE_BYTES_MAX {
        let cut = READABLE_BYTES_MAX - 1;
        // No escape is cut in two: one begins at most two bytes before.
        let whole = text[cut - 2..cut].find('%').map_or(cut, |at| cut - 2 + at);
        text.truncate(whole);
        text.push(CUT.into());
    }
    text
}

/// What stands for itself; `%` begins an escape, in the text of a key as well.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:/@,=+%".contains(&byte)
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
const LETTERS: usize = 22;

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
        (text.len() == LETTERS).then_some(Self(bits))
    }
}

/// A prefix, a bucket in three digits and braces, and a hash. Not left to the formatter, which took a twelfth of each read of
/// a second tier.
fn named(prefix: &str, bucket: Option<u16>, hash: Option<Letters>) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = Vec::with_capacity(prefix.len() + 5 + LETTERS);
    name.extend_from_slice(prefix.as_bytes());
    if let Some(bucket) = bucket {
        let digit = |shift: u32| DIGITS[usize::from(bucket >> shift & 15)];
        name.extend_from_slice(&[b'{', digit(8), digit(4), digit(0), b'}']);
    }
    if let Some(Letters(mut bits)) = hash {
        let mut letters = [0; LETTERS];
        for letter in letters.iter_mut().rev() {
            *letter = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
        }
        name.extend_from_slice(&letters);
    }
    String::from_utf8(name).expect("all of it is ASCII")
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

    fn called(namespace: &str, segment: &str) -> String {
        let key = KeySpace::new(namespace, "jobs", &["jobs"]).unwrap().key(None, [segment]).unwrap();
        let name = EntryId(7).called(&key).name();
        name.strip_prefix(&format!("{}:", EntryId(7).name())).unwrap().to_owned()
    }

    #[test]
    fn a_readable_name_says_what_the_key_is_and_nothing_that_a_server_or_a_shell_could_misread() {
        assert_eq!(called("shop", "42"), "shop:jobs:42");
        assert_eq!(called("shop", "a:b%c"), "shop:jobs:a%3Ab%25c", "as in the text of a key");
        assert_eq!(called("shop", "{a} *\n\"ä~"), "shop:jobs:%7Ba%7D%20%2A%0A%22%C3%A4%7E");
    }

    #[test]
    fn a_readable_name_is_cut_and_no_escape_is_cut_in_two() {
        let room = READABLE_BYTES_MAX - "shop:jobs:".len();
        assert_eq!(called("shop", &"a".repeat(room)).len(), READABLE_BYTES_MAX);
        for before in room - 5..room {
            let long = called("shop", &format!("{}{}", "a".repeat(before), " ".repeat(400)));
            let (text, cut) = long.split_at(long.len() - 1);
            assert!(long.len() <= READABLE_BYTES_MAX && cut == "~", "{long}");
            assert_eq!(text.matches("%20").count(), text.matches('%').count(), "{long}");
        }
    }

    #[test]
    fn an_entry_has_every_name_that_any_node_may_give_it() {
        let key = KeySpace::new("shop", "jobs", &["jobs"]).unwrap().key(None, ["42"]).unwrap();
        let (plain, readable) = (EntryName::from(EntryId(7)), EntryId(7).called(&key));
        assert_eq!(readable.names().collect::<Vec<_>>(), [plain.name(), readable.name()]);
        assert_eq!(plain.names().collect::<Vec<_>>(), [plain.name()]);
        assert_eq!(readable.without_key(), plain);
        let other = EntryId(8).called(&key);
        assert_ne!(other.name(), readable.name(), "the hash tells them apart");
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
        fn a_readable_name_names_its_entry_too(id: u128, segment in ".{0,200}", more in "[a-z{} ]{0,140}") {
            let key = KeySpace::new("shop", "jobs", &["jobs"]).unwrap().key(None, [segment]).unwrap();
            let entry = EntryId(id).called(&key);
            let name = entry.name();
            prop_assert!(name.len() <= EntryId(id).name().len() + 1 + READABLE_BYTES_MAX);
            prop_assert_eq!(EntryName::from_name(name.as_bytes()), Some(entry.clone()));
            prop_assert_eq!(EntryId::from_name(name.as_bytes()), Some(entry.id()));
            if let Some(other) = EntryName::from_name(format!("{name}{more}").as_bytes()) {
                prop_assert_eq!(other.name(), format!("{name}{more}"));
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
