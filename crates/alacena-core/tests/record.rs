//! Records of every version that was ever released are read: the bytes of each are kept in `fixtures/` and never change.

use std::{path::Path, time::Duration};

use alacena_core::{
    envelope::{SealKey, SealKeys},
    source::Validator,
    tier::{
        Codec, EntryId, Era, Fill, MarkerId, Nonce,
        record::{Expected, Record, Seal, Statistics, StoredDep},
    },
    value::{Body, BodyCodec, Kept, Value},
};
use bytes::Bytes;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stored(version: u8, name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join(format!("record_{version}_{name}"))).expect("it is kept").into()
}

fn keys() -> SealKeys {
    SealKeys::new(SealKey::new(&[7; 32]), None)
}

fn body() -> Body {
    let validator = Validator { etag: Some("W/\"42\"".into()), last_modified: None };
    Body::json(r#"{"id":42,"state":"open"},"#.repeat(60)).with_validator(Some(validator))
}

/// What all of them say.
fn record() -> Record {
    let dep = |number: u128, random| {
        StoredDep::new(MarkerId::Dep(number << 64), Nonce { era: Era(0x0e0e_0e0e), random })
    };
    Record {
        fill: Fill(0x0102_0304_0506_0708),
        entry: EntryId(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        fingerprint: *b"kpis, v1",
        era: Era(0x0e0e_0e0e),
        loaded_at: 1_795_132_800_123,
        asked_before: Duration::ZERO,
        fresh: seconds(300),
        revalidate: seconds(5),
        stand_in: seconds(86_400),
        statistics: Statistics {
            loads: 5,
            unchanged: 3,
            changed: 1,
            observed: seconds(1200),
            same_for: seconds(600),
            asked_every: Duration::from_millis(250),
            load_took: Duration::from_millis(80),
            digest: 0xfeed_beef,
        },
        soft: vec![dep(1, 0xaaaa), dep(2, 0xbbbb)],
        hard: vec![dep(3, 0xcccc)],
        key: "jobs:list:año:0:50".into(),
        version: Some(9),
        value: BodyCodec.encode(&body().into()),
    }
}

fn open(bytes: &Bytes, keys: Option<&SealKeys>) -> Record {
    let expected = Expected { entry: record().entry, fingerprint: record().fingerprint };
    Record::decode(bytes, &expected, keys).expect("it is read")
}

#[test]
fn version_1_is_read_for_ever() {
    for (name, keys) in [("plain", None), ("compressed", None), ("sealed", Some(&keys()))] {
        let read = open(&stored(1, name), keys);
        assert_eq!(read, record(), "{name}");
        let value = BodyCodec.decode(read.value.expect("there is one")).expect("it is a body");
        assert_eq!(Kept::of(&value).expect("a body").open(false).unwrap().as_ref(), &body(), "{name}");
    }
    assert_eq!(open(&stored(1, "absent"), None), Record { value: None, version: None, ..record() });
}

/// Of this version, exactly these bytes are written: another layout is another version. What a value is compressed to is
/// for the library to say, as long as it comes back.
#[test]
fn version_1_is_written_as_it_always_was() {
    let (keys, absent) = (keys(), Record { value: None, version: None, ..record() });
    let seal = Some(Seal { keys: &keys, nonce: [9; 24] });
    for (name, record, seal) in
        [("plain", &record(), None), ("sealed", &record(), seal), ("absent", &absent, None)]
    {
        assert_eq!(record.encode(false, seal), Some(stored(1, name)), "{name}");
    }
}

/// Two nodes that have loaded the same have the same bytes, so that the digest tells whether anything has changed.
#[test]
fn equal_values_have_equal_bytes() {
    let (one, other): (Value, Value) = (body().into(), body().into());
    assert_eq!(BodyCodec.encode(&one), BodyCodec.encode(&other));
}
