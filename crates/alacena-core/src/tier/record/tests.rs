use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::envelope::{SealKey, Unreadable};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn record() -> Record {
    let nonce = |random| Nonce { era: Era(0x0e0e), random };
    let dep = |number: u128| StoredDep::new(MarkerId::Dep(number << 64), nonce(7));
    let statistics = Statistics::first(0xfeed, Duration::from_millis(80));
    Record {
        fill: Fill(0x0102_0304_0506_0708),
        entry: EntryId(0xabcd),
        fingerprint: [5; 8],
        era: Era(0x0e0e),
        loaded_at: 1_795_132_800_000,
        asked_before: Duration::ZERO,
        fresh: seconds(300),
        revalidate: seconds(5),
        stand_in: seconds(3600),
        statistics,
        soft: vec![dep(1), dep(2)],
        hard: vec![dep(3)],
        key: Bytes::from_static(b"kpis:42"),
        version: None,
        value: Some(Bytes::from_static(br#"{"revenue":7}"#)),
    }
}

fn expected() -> Expected {
    Expected { entry: record().entry, fingerprint: record().fingerprint }
}

fn keys(seed: u8) -> SealKeys {
    SealKeys::new(SealKey::new(&[seed; 32]), None)
}

fn sealed(record: &Record, seed: u8) -> Bytes {
    record.encode(false, Some(Seal { keys: &keys(seed), nonce: [9; 24] })).unwrap()
}

/// The same bytes with the check that belongs to them: what somebody who can write to the server can make.
fn rechecked(mut bytes: Vec<u8>) -> Bytes {
    let end = bytes.len() - CHECK_BYTES;
    let check = xxh3_64(&bytes[..end]);
    bytes[end..].copy_from_slice(&check.to_be_bytes());
    bytes.into()
}

#[test]
fn what_an_entry_costs_beside_its_key_and_value() {
    assert_eq!(RECORD_BYTES, 109);
    let carried = |record: &Record| record.key.len() + record.value.as_ref().map_or(0, Bytes::len);
    let cost = |record: &Record, bytes: Bytes| bytes.len() - carried(record);
    let plain = record();
    assert_eq!(cost(&plain, plain.encode(false, None).unwrap()), RECORD_BYTES + 3 * 24);
    assert_eq!(cost(&plain, sealed(&plain, 1)), RECORD_BYTES + 3 * 24 + 40);
    let earlier = Record { asked_before: seconds(1), ..plain.clone() };
    assert_eq!(cost(&earlier, earlier.encode(false, None).unwrap()), RECORD_BYTES + 3 * 24 + 4);
    let versioned = Record { version: Some(1), ..plain };
    assert_eq!(cost(&versioned, versioned.encode(false, None).unwrap()), RECORD_BYTES + 3 * 24 + 8);
}

#[test]
fn the_fill_stands_where_a_script_looks_for_it_and_whose_it_is_is_no_secret() {
    for bytes in [record().encode(false, None).unwrap(), sealed(&record(), 1)] {
        assert_eq!(bytes[4..12], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Record::fill_of(&bytes), Some(record().fill));
        assert_eq!(Record::entry_of(&bytes), Some(record().entry));
        assert_eq!(Record::entry_of(&bytes[..30]), None);
    }
    assert_eq!(Record::fill_of(&[0; 11]), None);
}

/// INV-11: the value of something else is no value.
#[test]
fn a_record_answers_only_what_it_is_the_answer_to() {
    let bytes = record().encode(false, None).unwrap();
    let open = |expected: Expected| Record::decode(&bytes, &expected, None).map(|_| ());
    assert_eq!(open(expected()), Ok(()));
    assert_eq!(open(Expected { entry: EntryId(1), ..expected() }), Err(Unreadable::OtherSubject));
    assert_eq!(open(Expected { fingerprint: [6; 8], ..expected() }), Err(Unreadable::OtherForm));
    assert_eq!(Record::shown(&bytes, None).unwrap().key_text(), "kpis:42");

    let mut later = bytes.to_vec();
    later[3] = 2;
    let later = Record::decode(&later.into(), &expected(), None);
    assert_eq!(later, Err(Unreadable::OtherVersion(2)));
    let document = Bytes::from_static(br#"{"an":"entry that somebody else has put there by hand"}"#);
    assert_eq!(Record::decode(&document, &expected(), None), Err(Unreadable::NotAnEnvelope));
}

#[test]
fn a_plain_value_is_not_copied() {
    let bytes = record().encode(false, None).unwrap();
    let value = Record::decode(&bytes, &expected(), None).unwrap().value.unwrap();
    assert!(bytes.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn a_value_is_compressed_where_that_is_asked_for_and_worth_it() {
    let json: Bytes = r#"{"id":1,"state":"open"},"#.repeat(100).into();
    let large = Record { value: Some(json.clone()), ..record() };
    let (plain, compressed) = (large.encode(false, None).unwrap(), large.encode(true, None).unwrap());
    assert!(compressed.len() < plain.len() / 3);
    assert_eq!(Record::decode(&compressed, &expected(), None), Ok(large));
    assert_eq!(record().encode(true, None), record().encode(false, None), "too small");

    // What would be refused as a bomb is never written as one.
    let spaces = Record { value: Some(vec![b' '; 1 << 20].into()), ..record() };
    let bytes = spaces.encode(true, None).unwrap();
    assert_eq!(Record::decode(&bytes, &expected(), None), Ok(spaces));
}

#[test]
fn a_length_that_nothing_can_have_asks_for_no_memory() {
    let json: Bytes = r#"{"id":1,"state":"open"},"#.repeat(100).into();
    let compressed = Record { value: Some(json.clone()), ..record() }.encode(true, None).unwrap();
    let at = HEAD_BYTES + FIXED_BYTES + 3 * DEP_BYTES + record().key.len();
    assert_eq!(compressed[at..at + 4], u32::try_from(json.len()).unwrap().to_be_bytes());
    for length in [u32::MAX, 1 << 28, 100_000, 0] {
        let mut bomb = compressed.to_vec();
        bomb[at..at + 4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Record::decode(&rechecked(bomb), &expected(), None), Err(Unreadable::Damaged), "{length}");
    }
}

#[test]
fn a_sealed_record_tells_nothing_but_what_it_is_of() {
    let bytes = sealed(&record(), 1);
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(!holds(b"revenue") && !holds(b"kpis"));
    let open = |keys: Option<&SealKeys>| Record::decode(&bytes, &expected(), keys);
    assert_eq!(open(Some(&keys(1))), Ok(record()));
    let rotated = SealKeys::new(SealKey::new(&[2; 32]), Some(SealKey::new(&[1; 32])));
    assert_eq!(open(Some(&rotated)), Ok(record()));
    for other in [None, Some(&keys(2))] {
        assert_eq!(open(other), Err(Unreadable::OtherKey(keys(1).current())));
    }
    // Who has no key writes none that is believed.
    let plain = record().encode(false, None).unwrap();
    assert_eq!(Record::decode(&plain, &expected(), Some(&keys(1))), Err(Unreadable::NotSealed));
    // Nor can one be given out as the entry beside it, or as another fill.
    for at in [4, 12, 30, 36, 40, 50, 80] {
        let mut forged = bytes.to_vec();
        forged[at] ^= 1;
        let forged = Record::shown(&forged.into(), Some(&keys(1)));
        assert!(forged.is_err(), "{at}");
    }
}

#[test]
fn a_record_has_its_limits() {
    let dep = record().soft[0];
    let many = Record { soft: vec![dep; 10], hard: vec![dep; 6], ..record() };
    assert_eq!(Record::decode(&many.encode(false, None).unwrap(), &expected(), None), Ok(many.clone()));
    let too_many = Record { soft: vec![dep; 11], ..many };
    assert_eq!(too_many.encode(false, None), None);

    // Nor is one read that goes beyond them.
    let at = HEAD_BYTES + FIXED_BYTES - 4;
    let bytes = record().encode(false, None).unwrap();
    assert_eq!(bytes[at..at + 4], [2, 1, 0, 7]);
    for counts in [[200, 1, 0, 7], [16, 1, 0, 0], [2, 1, 0xff, 0xff]] {
        let mut long = [&bytes[..], &[0; 70_000]].concat();
        long[at..at + 4].copy_from_slice(&counts);
        assert_eq!(
            Record::decode(&rechecked(long), &expected(), None),
            Err(Unreadable::Damaged),
            "{counts:?}"
        );
    }

    for (key, carried) in
        [("x".repeat(1025), 1024), ("é".repeat(600), 1024), (format!("x{}", "é".repeat(600)), 1023)]
    {
        let long = Record { key: key.clone().into(), ..record() };
        let read = Record::decode(&long.encode(false, None).unwrap(), &expected(), None).unwrap();
        assert_eq!(read.key_text(), key[..carried]);
    }
}

#[test]
fn a_lifetime_is_that_of_the_one_who_loaded() {
    let (loaded_at, now) = (record().loaded_at, Moment::ORIGIN + seconds(10_000));
    let fresh = record().lifetime(now, loaded_at + 100_000);
    assert_eq!((now - fresh.loaded_at, fresh.fresh_until - now), (seconds(100), seconds(200)));
    assert_eq!(fresh.revalidate_until - fresh.fresh_until, seconds(5));
    assert_eq!(fresh.stand_in_until - fresh.fresh_until, seconds(3600));
    let over = record().lifetime(now, loaded_at + 400_000);
    assert_eq!((now - over.fresh_until, over.stand_in_until - now), (seconds(100), seconds(3500)));

    // A clock that was set back, and a machine that was started after the load.
    assert_eq!(record().lifetime(now, loaded_at - 5_000).loaded_at, now);
    let young = record().lifetime(Moment::ORIGIN + seconds(1), loaded_at + 290_000);
    assert_eq!((young.loaded_at, young.fresh_until), (Moment::ORIGIN, Moment::ORIGIN + seconds(11)));
}

fn any_record() -> impl Strategy<Value = Record> {
    let span = || (0..100_000_000_u64).prop_map(Duration::from_micros);
    let dep = || {
        let dep = |(id, era, random)| StoredDep::new(MarkerId::Dep(id), Nonce { era: Era(era), random });
        any::<(u128, u64, u64)>().prop_map(dep)
    };
    let statistics = (any::<[u32; 4]>(), [span(), span(), span(), span()]).prop_map(|(counts, spans)| {
        let ([loads, unchanged, changed, digest], [observed, same_for, asked_every, load_took]) =
            (counts, spans);
        Statistics { loads, unchanged, changed, observed, same_for, asked_every, load_took, digest }
    });
    let names = any::<(u64, u128, [u8; 8], u64, u64)>();
    let value = option::of(prop_oneof![vec(any::<u8>(), 0..200), vec(b'a'..=b'c', 1000..3000)]);
    let parts = (vec(dep(), 0..=8), vec(dep(), 0..=8), "\\PC{0,40}", option::of(any::<u64>()), value);
    let asked_before = prop_oneof![Just(Duration::ZERO), span()];
    (names, [span(), span(), span()], asked_before, statistics, parts).prop_map(
        |(names, spans, asked_before, statistics, parts)| {
            let ((fill, entry, fingerprint, era, loaded_at), [fresh, revalidate, stand_in]) = (names, spans);
            let (soft, hard, key, version, value) = parts;
            Record {
                fill: Fill(fill),
                entry: EntryId(entry),
                fingerprint,
                era: Era(era),
                loaded_at,
                asked_before,
                fresh,
                revalidate,
                stand_in,
                statistics,
                soft,
                hard,
                key: key.into(),
                version,
                value: value.map(Bytes::from),
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in any_record(), compressed: bool, is_sealed: bool) {
        let keys = keys(1);
        let seal = is_sealed.then_some(Seal { keys: &keys, nonce: [3; 24] });
        let bytes = record.encode(compressed, seal).unwrap();
        let expected = Expected { entry: record.entry, fingerprint: record.fingerprint };
        prop_assert_eq!(Record::decode(&bytes, &expected, seal.map(|seal| seal.keys)), Ok(record));
    }

    #[test]
    fn any_change_is_noticed(record in any_record(), is_sealed: bool, at: prop::sample::Index, bit in 0_u8..8) {
        let keys = keys(1);
        let seal = is_sealed.then_some(Seal { keys: &keys, nonce: [3; 24] });
        let mut bytes = record.encode(false, seal).unwrap().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Record::shown(&bytes.clone().into(), seal.map(|seal| seal.keys)).is_err());
        bytes.truncate(at);
        prop_assert!(Record::shown(&bytes.into(), seal.map(|seal| seal.keys)).is_err());
    }

    /// Whoever can write to the server can make the check, too.
    #[test]
    fn no_bytes_make_it_panic(record in any_record(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), end: prop::sample::Index) {
        let mut bytes = record.encode(true, None).unwrap().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len()) + CHECK_BYTES);
        let read = Record::shown(&rechecked(bytes), None);
        if let Ok(read) = read {
            prop_assert_eq!(Record::shown(&read.encode(true, None).unwrap(), None).unwrap().value, read.value);
        }
    }
}
