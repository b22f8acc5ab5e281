//! Typed values out of the second tier.

use std::collections::BTreeMap;

use alacena::Named;
use alacena_core::tier::Codec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Something of everything that applications keep, as deep as it likes.
#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Kept {
    id: u64,
    name: String,
    #[serde(default)]
    tags: BTreeMap<String, Option<i32>>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    parts: Vec<Kept>,
}

#[derive(PartialEq, Debug, Default, Serialize, Deserialize)]
enum Kind {
    #[default]
    Open,
    Closed(i64),
    Moved {
        to: Box<Kind>,
    },
}

/// Any bytes are a value or refused, and what is a value is written and read again as the same, with the same weight and
/// digest on every node.
pub fn typed(data: &[u8]) {
    let codec = Named::<Kept>::default();
    let Ok(value) = codec.decode(Bytes::copy_from_slice(data)) else { return };
    assert_eq!(value.weight(), data.len());
    let written = codec.encode(&value).expect("what was read can be written");
    let again = codec.decode(written.clone()).expect("and read again");
    assert_eq!(again.downcast_ref::<Kept>(), value.downcast_ref::<Kept>());
    let third = codec.encode(&again).expect("and so on");
    assert_eq!(third, written, "one value, one way to write it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_right_is_read() {
        for name in ["leaf", "full", "sequence", "deep"] {
            let path = format!("{}/corpus/typed/{name}", env!("CARGO_MANIFEST_DIR"));
            let kept = std::fs::read(path).expect("it is in the corpus");
            assert!(Named::<Kept>::default().decode(kept.into()).is_ok(), "{name}");
        }
    }
}
