//! Bodies as bytes, for the second tier.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use super::{Body, Encoding, Value, packed::Packed};
use crate::{
    envelope::{
        Unreadable,
        compress::{LENGTH_MAX, is_likely},
    },
    source::Validator,
    tier::Codec,
};

/// The media types that answers have, each by its place.
const MEDIA_TYPES: [&str; 1] = ["application/json"];

/// How the bytes of an answer are kept.
const IDENTITY: u8 = 0;
const LZ4: u8 = 1;
const GZIP: u8 = 2;

/// What stands before them of what the source said of the version.
const HAS_ETAG: u8 = 1;
const HAS_LAST_MODIFIED: u8 = 1 << 1;

/// Answers of declared reads as bytes: media type, entity tag, what their source said of their version, and the bytes
/// just as their class keeps them in memory, so that none is compressed twice, or decompressed to be kept. The gzip that
/// may stand beside an answer stays on its node, where somebody has asked for it.
///
/// ```text
///   media type 1 | how it is kept 1 | validators 1 | entity tag 16 | length 4, where it is compressed
///   | validators, each with its length in 2 | the bytes
/// ```
///
/// ```
/// use alacena_core::{tier::Codec, value::{Body, BodyCodec, Kept}};
///
/// let body = Body::json(r#"{"state":"open"}"#);
/// let bytes = BodyCodec.encode(&body.clone().into()).expect("it is a body");
/// let value = BodyCodec.decode(bytes)?;
/// assert_eq!(Kept::of(&value).expect("it is one again").open(false).unwrap().as_ref(), &body);
/// # Ok::<(), alacena_core::envelope::Unreadable>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyCodec;

impl Codec for BodyCodec {
    fn fingerprint(&self) -> [u8; 8] {
        *b"bodies 1"
    }

    fn encode(&self, value: &Value) -> Option<Bytes> {
        if let Some(body) = value.downcast_ref::<Body>() {
            return (body.encoding() == Encoding::Identity)
                .then(|| write(&Packed::plain(body), IDENTITY))
                .flatten();
        }
        let packed = value.downcast_ref::<Packed>()?;
        if !is_likely(packed.length, packed.bytes.len()) {
            return write(&Packed::plain(&packed.open(false).ok()?), IDENTITY);
        }
        write(packed, if packed.is_gzip { GZIP } else { LZ4 })
    }

    fn decode(&self, mut bytes: Bytes) -> Result<Value, Unreadable> {
        let mut byte = || bytes.try_get_u8().map_err(|_| Unreadable::OtherForm);
        let (media_type, kept, validators) = (byte()?, byte()?, byte()?);
        let content_type = MEDIA_TYPES.get(usize::from(media_type)).ok_or(Unreadable::OtherForm)?;
        if kept > GZIP || validators & !(HAS_ETAG | HAS_LAST_MODIFIED) != 0 {
            return Err(Unreadable::OtherForm);
        }
        let packed = read(content_type, kept, validators, bytes).ok_or(Unreadable::Damaged)?;
        Ok(if kept == IDENTITY { packed.into_body().into() } else { packed.into() })
    }
}

fn write(packed: &Packed, kept: u8) -> Option<Bytes> {
    let media_type = MEDIA_TYPES.iter().position(|known| *known == packed.content_type)?;
    let validator = packed.validator.as_deref();
    // What is too long to be said of the version is left out: the source is then asked without it.
    let said = |said: Option<&Arc<str>>| said.cloned().filter(|said| said.len() <= usize::from(u16::MAX));
    let etag = said(validator.and_then(|validator| validator.etag.as_ref()));
    let last_modified = said(validator.and_then(|validator| validator.last_modified.as_ref()));
    let validators =
        u8::from(etag.is_some()) * HAS_ETAG + u8::from(last_modified.is_some()) * HAS_LAST_MODIFIED;

    let mut to = Vec::with_capacity(64 + packed.bytes.len());
    to.put_slice(&[u8::try_from(media_type).ok()?, kept, validators]);
    to.put_slice(&packed.etag);
    if kept != IDENTITY {
        to.put_u32(u32::try_from(packed.length).ok()?);
    }
    for said in etag.iter().chain(&last_modified) {
        to.put_u16(u16::try_from(said.len()).ok()?);
        to.put_slice(said.as_bytes());
    }
    to.put_slice(&packed.bytes);
    Some(to.into())
}

/// What follows the first three bytes; `None` where it is no such thing.
fn read(content_type: &'static str, kept: u8, validators: u8, mut bytes: Bytes) -> Option<Packed> {
    let mut etag = [0; 16];
    bytes.try_copy_to_slice(&mut etag).ok()?;
    let length = if kept == IDENTITY { None } else { Some(bytes.try_get_u32().ok()? as usize) };
    let mut said = |flag: u8| {
        if validators & flag == 0 {
            return Some(None);
        }
        let length = usize::from(bytes.try_get_u16().ok()?);
        let text = (length <= bytes.len()).then(|| bytes.split_to(length))?;
        Some(Some(Arc::<str>::from(std::str::from_utf8(&text).ok()?)))
    };
    let (said_etag, last_modified) = (said(HAS_ETAG)?, said(HAS_LAST_MODIFIED)?);
    let validator = Validator { etag: said_etag, last_modified };
    let length = length.unwrap_or(bytes.len());
    if length > LENGTH_MAX || kept != IDENTITY && !is_likely(length, bytes.len()) {
        return None;
    }
    Some(Packed {
        bytes,
        is_gzip: kept == GZIP,
        length,
        content_type,
        etag,
        validator: (validators != 0).then(|| Arc::new(validator)),
    })
}

impl Packed {
    /// A body that is not compressed, as if it were.
    fn plain(body: &Body) -> Self {
        Self {
            bytes: body.bytes().clone(),
            is_gzip: false,
            length: body.bytes().len(),
            content_type: body.content_type(),
            etag: body.etag(),
            validator: body.validator().cloned(),
        }
    }

    /// The body that it stands for, where it is not compressed.
    fn into_body(self) -> Body {
        Body::of(self.bytes, Encoding::Identity, self.content_type, self.etag, self.validator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::{Compression, Kept};

    fn body() -> Body {
        let validator = Validator { etag: Some("\"1\"".into()), last_modified: Some("yesterday".into()) };
        Body::json(br#"{"id":1,"state":"open"},"#.repeat(100)).with_validator(Some(validator))
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_is_kept() {
        for compression in [Compression::None, Compression::Lz4, Compression::Gzip] {
            let value = body().keep(compression).await;
            let bytes = BodyCodec.encode(&value).unwrap();
            assert!(bytes.len() < value.weight() + 60, "{compression:?}");
            let back = BodyCodec.decode(bytes).unwrap();
            assert_eq!(Kept::of(&back).unwrap().open(false).unwrap().as_ref(), &body());
            assert_eq!((back.weight(), back.digest()), (value.weight(), value.digest()));
        }
    }

    #[tokio::test]
    async fn the_gzip_beside_an_answer_stays_where_it_was_asked_for() {
        let both = body().with_gzip().await;
        assert_eq!(BodyCodec.encode(&both.clone().into()), BodyCodec.encode(&body().into()));
        assert_eq!(BodyCodec.encode(&both.preferring_gzip().clone().into()), None, "it is never kept alone");
        assert_eq!(BodyCodec.encode(&Value::new(7_u32, 4, 7)), None);
    }

    #[tokio::test]
    async fn what_is_compressed_beyond_belief_is_stored_as_it_is() {
        let spaces = Body::json(vec![b' '; 1 << 20]);
        let bytes = BodyCodec.encode(&spaces.clone().keep(Compression::Gzip).await).unwrap();
        let back = BodyCodec.decode(bytes).unwrap();
        assert_eq!(back.downcast_ref::<Body>(), Some(&spaces));
    }

    #[tokio::test]
    async fn a_length_that_nothing_can_have_is_refused() {
        let bytes = BodyCodec.encode(&body().keep(Compression::Lz4).await).unwrap();
        for length in [u32::MAX, 1 << 28, 100_000] {
            let mut bomb = bytes.to_vec();
            bomb[19..23].copy_from_slice(&length.to_be_bytes());
            assert_eq!(BodyCodec.decode(bomb.into()).err(), Some(Unreadable::Damaged), "{length}");
        }
    }

    #[test]
    fn what_says_too_much_of_its_version_says_nothing_of_it() {
        let validator =
            Validator { etag: Some("x".repeat(70_000).into()), last_modified: Some("now".into()) };
        let bytes = BodyCodec.encode(&body().with_validator(Some(validator)).into()).unwrap();
        let back = BodyCodec.decode(bytes).unwrap();
        let validator = Kept::of(&back).unwrap().validator().cloned().unwrap();
        assert_eq!((validator.etag.as_deref(), validator.last_modified.as_deref()), (None, Some("now")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_refused(head in [0_u8..2, 0..4, 0..5], rest: Vec<u8>) {
            let bytes = Bytes::from([head.as_slice(), &rest].concat());
            if let Ok(value) = BodyCodec.decode(bytes.clone()) {
                let again = BodyCodec.encode(&value).unwrap();
                prop_assert_eq!(again, bytes, "written as it was read");
            }
        }
    }
}
