//! What stands in the second tier, and may have been written there by anybody.

use alacena_core::{
    envelope::{SealKey, SealKeys, Unreadable},
    tier::{
        Codec,
        record::{Expected, Record, Seal},
    },
    value::{BodyCodec, Kept},
};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Any bytes are a record or refused, with the check that belongs to them, too: whoever can write there can make that.
/// What was read is written and read again as the same, and answers nothing but what it is of; the seal of a record
/// without the key, nobody makes. A value is one, or refused.
pub fn record(data: &[u8]) {
    let keys = SealKeys::new(SealKey::new(&[1; 32]), None);
    let bytes = Bytes::copy_from_slice(data);
    assert!(Record::shown(&bytes, Some(&keys)).is_err(), "nobody without the key makes one that is sealed");
    value(bytes.clone());

    let checked = Bytes::from([data, &xxh3_64(data).to_be_bytes()].concat());
    for bytes in [bytes, checked] {
        let Ok(read) = Record::shown(&bytes, None) else { continue };
        assert_eq!((Record::fill_of(&bytes), Record::entry_of(&bytes)), (Some(read.fill), Some(read.entry)));
        let expected = Expected { entry: read.entry, fingerprint: read.fingerprint };
        let seal = Seal { keys: &keys, nonce: [3; 24] };
        for (compressed, seal) in [(false, None), (true, None), (true, Some(seal))] {
            let written = read.encode(compressed, seal).expect("what was read is within the limits");
            let again = Record::decode(&written, &expected, seal.map(|seal| seal.keys));
            assert_eq!(again.as_ref(), Ok(&read), "written and read again");
        }
        let other = Expected { fingerprint: expected.fingerprint.map(|byte| !byte), ..expected };
        assert_eq!(Record::decode(&bytes, &other, None), Err(Unreadable::OtherForm));
        read.value.into_iter().for_each(value);
    }
}

fn value(bytes: Bytes) {
    let Ok(value) = BodyCodec.decode(bytes.clone()) else { return };
    assert_eq!(BodyCodec.encode(&value), Some(bytes), "read and written again");
    // Compressed bytes may be damaged; they are never more than was said.
    let _ = Kept::of(&value).expect("it is a body").open(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_right_is_read() {
        for name in ["plain", "compressed", "absent", "record_of_gzip"] {
            let path = format!("{}/corpus/record/{name}", env!("CARGO_MANIFEST_DIR"));
            let kept = std::fs::read(path).expect("it is in the corpus");
            let checked = Bytes::from([&kept[..], &xxh3_64(&kept).to_be_bytes()].concat());
            assert!(Record::shown(&checked, None).is_ok(), "{name}");
        }
    }
}
