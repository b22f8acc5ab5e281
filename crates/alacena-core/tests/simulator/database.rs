//! What is true: a database with a version under every key.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alacena_core::{
    engine::Loaded, envelope::Unreadable, error::Error, runtime::Runtime, tier::Codec, value::Value,
};
use alacena_testkit::simulation::SimRuntime;
use bytes::Bytes;
use parking_lot::Mutex;

/// Names a key.
pub(crate) type KeyNumber = usize;
/// Counts the commits; 0 is what was there before the first.
pub(crate) type Version = u64;

/// Commits at once; reads take their time before and after the moment at which they see what is committed.
#[derive(Clone, Default)]
pub(crate) struct Database(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    last: Version,
    committed: BTreeMap<KeyNumber, Version>,
    reads: u64,
    /// Loads under way, by what they are for, and the most that there were of one.
    loading: BTreeMap<Entry, usize>,
    at_once: usize,
    /// Nothing hangs any more.
    is_calm: bool,
}

/// What is loaded: a key, as reads of one mode keep it.
pub(crate) type Entry = (KeyNumber, bool);

/// How long it takes to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowness {
    /// Most of the time, before and after the moment at which it sees.
    pub(crate) usual: Duration,
    /// Once in so many times it takes up to `hang` instead: longer than any lease.
    pub(crate) hangs_one_in: u64,
    pub(crate) hang: Duration,
}

impl Database {
    pub(crate) fn commit(&self, key: KeyNumber) -> Version {
        let mut state = self.0.lock();
        state.last += 1;
        let version = state.last;
        state.committed.insert(key, version);
        version
    }

    /// From now on nothing hangs.
    pub(crate) fn calm_down(&self) {
        self.0.lock().is_calm = true;
    }

    fn see(&self, key: KeyNumber) -> Version {
        let mut state = self.0.lock();
        state.reads += 1;
        state.committed.get(&key).copied().unwrap_or(0)
    }

    /// The most loads of one entry that there were at once.
    pub(crate) fn at_once(&self) -> usize {
        self.0.lock().at_once
    }

    /// How often it was read.
    pub(crate) fn reads(&self) -> u64 {
        self.0.lock().reads
    }
}

/// The database, as one node reads it.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) database: Database,
    pub(crate) runtime: SimRuntime,
    pub(crate) slowness: Slowness,
    /// Whether it says which version a value is of. Not always: what is held newer than a load would hide what else goes
    /// wrong.
    pub(crate) says_versions: bool,
}

impl Source {
    /// Loads some keys in one go.
    pub(crate) async fn load(self, entries: Vec<Entry>) -> Result<Vec<Loaded>, Error> {
        let Self { database, runtime, slowness, says_versions } = self;
        let _loading = Loading::begin(&database, &entries);
        let hangs = runtime.random() % slowness.hangs_one_in == 0 && !database.0.lock().is_calm;
        let most = if hangs { slowness.hang } else { slowness.usual };
        let some = || Duration::from_nanos(runtime.random() % most.as_nanos() as u64);
        runtime.sleep(some()).await;
        let versions: Vec<_> = entries.iter().map(|(key, _)| database.see(*key)).collect();
        runtime.sleep(some()).await;
        let value = |version| if says_versions { versioned(version) } else { value_of(version) };
        Ok(versions.into_iter().map(|version| Loaded::found(value(version))).collect())
    }
}

/// Loads that are under way, until this is dropped.
struct Loading {
    database: Database,
    entries: Vec<Entry>,
}

impl Loading {
    fn begin(database: &Database, entries: &[Entry]) -> Self {
        let state = &mut *database.0.lock();
        for entry in entries {
            let loading = state.loading.entry(*entry).or_default();
            *loading += 1;
            state.at_once = state.at_once.max(*loading);
        }
        Self { database: database.clone(), entries: entries.to_vec() }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let mut state = self.database.0.lock();
        for entry in &self.entries {
            *state.loading.get_mut(entry).expect("it was counted when it began") -= 1;
        }
    }
}

fn value_of(version: Version) -> Value {
    Value::new(version, 8, version)
}

/// The same, of which a cache knows that it is of that version.
pub(crate) fn versioned(version: Version) -> Value {
    value_of(version).with_version(version)
}

/// The version that a value stands for.
pub(crate) fn version_of(value: Option<&Value>) -> Version {
    *value.and_then(Value::downcast_ref).expect("every key has a version")
}

/// A version as eight bytes.
pub(crate) struct VersionCodec;

impl Codec for VersionCodec {
    fn fingerprint(&self) -> [u8; 8] {
        *b"version1"
    }

    fn encode(&self, value: &Value) -> Option<Bytes> {
        let version: &Version = value.downcast_ref()?;
        Some(Bytes::copy_from_slice(&version.to_be_bytes()))
    }

    fn decode(&self, bytes: Bytes) -> Result<Value, Unreadable> {
        let bytes = bytes.as_ref().try_into().map_err(|_| Unreadable::OtherForm)?;
        Ok(value_of(Version::from_be_bytes(bytes)))
    }
}
