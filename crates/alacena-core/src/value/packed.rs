//! A body that takes less memory than its bytes, and a little time with every answer.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use super::{
    Body, Encoding, Value,
    body::digest,
    gzip::{gunzip, gzip_if_worth_it},
};
use crate::{
    envelope::compress::{Corrupt, compress, decompress},
    error::{Error, catalogue},
    source::Validator,
};

/// How the bodies of a class are kept in memory, where they are 1 KiB or more and it makes them smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are. For callers who take gzip, that is kept beside them once somebody has asked for it.
    #[default]
    None,
    /// In LZ4: about a third of JSON, decompressed for every answer at some GB/s.
    Lz4,
    /// In gzip: about a fifth of JSON, sent as it is to callers who take gzip; for others it is decompressed, at some
    /// hundred MB/s.
    Gzip,
}

/// A compressed body.
#[derive(Clone)]
pub(super) struct Packed {
    pub(super) bytes: Bytes,
    pub(super) is_gzip: bool,
    /// Bytes of it when it is decompressed.
    pub(super) length: usize,
    pub(super) content_type: &'static str,
    pub(super) etag: [u8; 16],
    pub(super) validator: Option<Arc<Validator>>,
}

impl Body {
    /// The body as its class keeps it. Gives way to other tasks while it works.
    pub async fn keep(self, compression: Compression) -> Value {
        let compressed = match compression {
            Compression::None => None,
            Compression::Lz4 => compress(self.bytes()),
            Compression::Gzip => gzip_if_worth_it(self.bytes()).await,
        };
        match compressed {
            None => self.into(),
            Some(bytes) => Packed {
                bytes: bytes.into(),
                is_gzip: compression == Compression::Gzip,
                length: self.bytes().len(),
                content_type: self.content_type(),
                etag: self.etag(),
                validator: self.validator().cloned(),
            }
            .into(),
        }
    }
}

impl From<Packed> for Value {
    fn from(packed: Packed) -> Value {
        let (weight, digest) = (packed.bytes.len(), digest(packed.etag));
        Value::new(packed, weight, digest)
    }
}

/// A body out of the memory, however it is kept there.
///
/// ```
/// use alacena_core::value::{Body, Compression, Kept};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let body = Body::json(r#"{"state":"open"}"#.repeat(100));
/// let value = body.clone().keep(Compression::Lz4).await;
/// assert!(value.weight() < body.bytes().len() / 10);
/// let kept = Kept::of(&value).expect("it is a body");
/// assert_eq!(kept.open(false)?.bytes(), body.bytes());
/// # Ok::<(), alacena_core::error::Error>(())
/// # }).unwrap();
/// ```
pub struct Kept<'a>(Form<'a>);

enum Form<'a> {
    Plain(&'a Body),
    Packed(&'a Packed),
}

impl<'a> Kept<'a> {
    /// The body that `value` is; `None` where it is anything else.
    #[must_use]
    pub fn of(value: &'a Value) -> Option<Self> {
        let plain = value.downcast_ref().map(Form::Plain);
        plain.or_else(|| value.downcast_ref().map(Form::Packed)).map(Self)
    }

    /// What its source said about its version.
    #[must_use]
    pub fn validator(&self) -> Option<&'a Arc<Validator>> {
        match self.0 {
            Form::Plain(body) => body.validator(),
            Form::Packed(packed) => packed.validator.as_ref(),
        }
    }

    /// The body to answer with: its bytes as they are, or in gzip where that is how it is kept and the caller
    /// `takes_gzip`.
    ///
    /// # Errors
    /// `Internal` where its bytes have been damaged in memory.
    pub fn open(&self, takes_gzip: bool) -> Result<Cow<'a, Body>, Error> {
        match self.0 {
            Form::Plain(body) => Ok(Cow::Borrowed(body)),
            Form::Packed(packed) => packed.open(takes_gzip).map(Cow::Owned).map_err(|corrupt| {
                Error::new(&catalogue::INTERNAL, "a value has been damaged in memory").caused_by(corrupt)
            }),
        }
    }

    /// The value again, for another entry. The bytes are shared, not copied.
    #[must_use]
    pub fn again(&self) -> Value {
        match self.0 {
            Form::Plain(body) => body.clone().into(),
            Form::Packed(packed) => packed.clone().into(),
        }
    }

    /// The value again, if it is what `body` says, with what the source said of it now: nothing is compressed twice
    /// because a source was asked twice.
    #[must_use]
    pub fn renewed(&self, body: &Body) -> Option<Value> {
        let validator = body.validator().cloned();
        match self.0 {
            Form::Plain(held) if held.is_same(body) => {
                Some(held.clone().with_shared_validator(validator).into())
            }
            Form::Packed(held) if held.etag == body.etag() && held.content_type == body.content_type() => {
                Some(Packed { validator, ..held.clone() }.into())
            }
            Form::Plain(_) | Form::Packed(_) => None,
        }
    }
}

impl Packed {
    pub(super) fn open(&self, takes_gzip: bool) -> Result<Body, Corrupt> {
        let (bytes, encoding) = match (self.is_gzip, takes_gzip) {
            (true, true) => (self.bytes.clone(), Encoding::Gzip),
            (true, false) => (gunzip(&self.bytes, self.length)?.into(), Encoding::Identity),
            (false, _) => (decompress(&self.bytes, self.length)?.into(), Encoding::Identity),
        };
        Ok(Body::of(bytes, encoding, self.content_type, self.etag, self.validator.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Body {
        let validator = Validator { etag: Some("\"1\"".into()), last_modified: None };
        Body::json(br#"{"id":1,"state":"open"},"#.repeat(100)).with_validator(Some(validator))
    }

    #[tokio::test]
    async fn a_body_comes_back_from_every_form() {
        for compression in [Compression::None, Compression::Lz4, Compression::Gzip] {
            let value = body().keep(compression).await;
            let kept = Kept::of(&value).unwrap();
            assert_eq!(kept.open(false).unwrap().as_ref(), &body(), "{compression:?}");
            assert_eq!(kept.validator(), body().validator());
            assert_eq!(value.digest(), Value::from(body()).digest(), "the same answer in every form");
            assert_eq!(value.weight() < 300, compression != Compression::None);
        }
        assert!(Kept::of(&Value::new(7_u32, 4, 7)).is_none());
    }

    #[tokio::test]
    async fn gzip_that_is_kept_is_given_as_it_is_to_who_takes_it() {
        let value = body().keep(Compression::Gzip).await;
        let given = Kept::of(&value).unwrap().open(true).unwrap().into_owned();
        assert_eq!((given.encoding(), given.etag()), (Encoding::Gzip, body().etag()));
        assert_eq!(given.bytes().len(), value.weight());

        let value = body().keep(Compression::Lz4).await;
        assert_eq!(Kept::of(&value).unwrap().open(true).unwrap().as_ref(), &body());
    }

    #[tokio::test]
    async fn damage_is_an_error() {
        for compression in [Compression::Lz4, Compression::Gzip] {
            let value = body().keep(compression).await;
            let packed = value.downcast_ref::<Packed>().unwrap();
            let cut = packed.bytes.slice(..packed.bytes.len() / 2);
            let damaged = Value::from(Packed { bytes: cut, ..packed.clone() });
            let error = Kept::of(&damaged).unwrap().open(false).unwrap_err();
            assert_eq!(error.code(), &catalogue::INTERNAL);
        }
    }

    #[tokio::test]
    async fn the_same_answer_again_is_not_compressed_again() {
        let again = body().with_validator(None);
        for compression in [Compression::None, Compression::Lz4, Compression::Gzip] {
            let held = match compression {
                Compression::None => body().with_gzip().await.into(),
                _ => body().keep(compression).await,
            };
            let renewed = Kept::of(&held).unwrap().renewed(&again).unwrap();
            assert_eq!(renewed.weight(), held.weight(), "{compression:?}");
            assert_eq!(Kept::of(&renewed).unwrap().validator(), None);
            assert!(Kept::of(&held).unwrap().renewed(&Body::json("{}")).is_none());
        }
    }
}
