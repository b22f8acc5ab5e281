//! Typed values as bytes, for the second tier: named MessagePack.
//!
//! Fields go by name, so that one that is added with a default, or left out, does no harm between two versions of a
//! program; a value that lacks what this version needs is no value of this form, and a miss. What the bytes cannot show,
//! a field whose meaning has changed under its old name, is for the application to say:
//! [`ClassSettings::form`](crate::ClassSettings::form).

use std::{fmt, marker::PhantomData};

use alacena_core::{
    envelope::Unreadable,
    error::{Error, catalogue},
    tier::Codec,
    value::Value,
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_64;

/// Most levels of a value that comes from outside: enough for what people write, few enough for any stack.
const DEPTH_MAX: usize = 128;

/// Values of type `V`, weighed and told apart by their bytes.
pub struct Named<V>(PhantomData<fn() -> V>);

impl<V> Default for Named<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V> fmt::Debug for Named<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Codec for Named<V> {
    fn fingerprint(&self) -> [u8; 8] {
        *b"msgpack1"
    }

    fn encode(&self, value: &Value) -> Option<Bytes> {
        rmp_serde::to_vec_named(value.downcast_ref::<V>()?).ok().map(Bytes::from)
    }

    fn decode(&self, bytes: Bytes) -> Result<Value, Unreadable> {
        let mut reader = rmp_serde::Deserializer::from_read_ref(&*bytes);
        reader.set_max_depth(DEPTH_MAX);
        let value = V::deserialize(&mut reader).map_err(|_| Unreadable::OtherForm)?;
        Ok(weighed_by(value, &bytes))
    }
}

/// Weighs and digests a value by its encoding; with its version, where values have one. That happens once a load, never on
/// a hit.
///
/// # Errors
/// `Internal` where it cannot be encoded.
pub(crate) fn weighed<V: Serialize + Send + Sync + 'static>(
    value: V,
    version: Option<fn(&V) -> u64>,
) -> Result<Value, Error> {
    let encoded = rmp_serde::to_vec_named(&value).map_err(|error| {
        Error::new(&catalogue::INTERNAL, "the value cannot be encoded, so it cannot be weighed")
            .caused_by(error)
    })?;
    let version = version.map(|version| version(&value));
    let weighed = weighed_by(value, &encoded);
    Ok(match version {
        Some(version) => weighed.with_version(version),
        None => weighed,
    })
}

fn weighed_by<V: Send + Sync + 'static>(value: V, encoded: &[u8]) -> Value {
    Value::new(value, encoded.len(), xxh3_64(encoded))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Job {
        id: u64,
        title: String,
        parts: Vec<(String, Option<f64>)>,
    }

    /// The same of a later version of the program.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct LaterJob {
        title: String,
        #[serde(default)]
        urgent: bool,
        id: u64,
    }

    fn job() -> Job {
        Job {
            id: 7,
            title: "roof".to_owned(),
            parts: vec![("beam".to_owned(), Some(2.5)), ("nail".to_owned(), None)],
        }
    }

    #[test]
    fn a_value_comes_back_as_it_was_weighed() {
        let value = weighed(job(), None).unwrap();
        let bytes = Named::<Job>::default().encode(&value).unwrap();
        let back = Named::<Job>::default().decode(bytes).unwrap();
        assert_eq!(back.downcast_ref::<Job>(), Some(&job()));
        assert_eq!((back.weight(), back.digest()), (value.weight(), value.digest()));
        assert!(Named::<LaterJob>::default().encode(&value).is_none(), "a value of another type");
    }

    #[test]
    fn versions_of_a_program_understand_each_other_or_miss() {
        let bytes = Named::<Job>::default().encode(&weighed(job(), None).unwrap()).unwrap();
        let later = Named::<LaterJob>::default().decode(bytes).unwrap();
        let same = LaterJob { title: "roof".to_owned(), urgent: false, id: 7 };
        assert_eq!(later.downcast_ref::<LaterJob>(), Some(&same));

        let bytes = Named::<LaterJob>::default().encode(&weighed(same, None).unwrap()).unwrap();
        assert_eq!(
            Named::<Job>::default().decode(bytes).err(),
            Some(Unreadable::OtherForm),
            "it has no parts"
        );
    }

    #[test]
    fn what_is_too_deep_is_refused_before_it_overflows_a_stack() {
        #[derive(Serialize, Deserialize)]
        struct Deep(Option<Box<Deep>>, u8);
        let bomb: Vec<u8> = [0x92].repeat(100_000);
        assert_eq!(Named::<Deep>::default().decode(bomb.into()).err(), Some(Unreadable::OtherForm));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_refused(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let _ = Named::<Job>::default().decode(bytes.into());
            let mut near = Named::<Job>::default().encode(&weighed(job(), None).unwrap()).unwrap().to_vec();
            let at = at.index(near.len());
            near[at] = byte;
            if let Ok(value) = Named::<Job>::default().decode(near.into()) {
                prop_assert!(value.downcast_ref::<Job>().is_some());
            }
        }
    }
}
