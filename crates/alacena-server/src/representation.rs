//! The form in which a value is sent: as it is or in gzip, whole or as the word that the caller holds it already.

use alacena::{
    Gzip,
    value::{Body, Encoding, if_none_match},
};
use axum::{
    body::Bytes,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH},
    },
};
use bytes::BytesMut;

use crate::answer::{VALUE_BYTES, written};

/// A value as one caller is answered with it.
pub(crate) struct Representation<'a> {
    body: &'a Body,
    tag: EntityTag,
    /// Whether the caller has shown that it holds it already.
    is_held: bool,
}

impl<'a> Representation<'a> {
    /// The form of `body` for a caller who takes gzip or not; `conditions` are the headers that may name what it holds,
    /// where the method has any.
    pub(crate) fn new(body: &'a Body, gzip: Gzip, conditions: Option<&HeaderMap>) -> Self {
        let body = if gzip == Gzip::Refused { body } else { body.preferring_gzip() };
        let conditions = conditions.filter(|headers| headers.contains_key(IF_NONE_MATCH));
        let held = conditions.and_then(|headers| held(headers, body, gzip));
        let is_held = held.is_some();
        Self { body, tag: held.unwrap_or_else(|| EntityTag::of(body)), is_held }
    }

    pub(crate) fn status(&self) -> StatusCode {
        if self.is_held { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
    }

    /// What is sent of it.
    pub(crate) fn bytes(&self) -> Bytes {
        if self.is_held { Bytes::new() } else { self.body.bytes().clone() }
    }

    /// Says what it is. `values` lends room for what is written.
    pub(crate) fn describe(&self, headers: &mut HeaderMap, values: &mut BytesMut) {
        if !self.is_held {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.body.content_type()));
            if self.body.encoding() == Encoding::Gzip {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        values.reserve(VALUE_BYTES);
        headers.insert(ETAG, written(values, |line| std::fmt::Write::write_str(line, self.tag.as_str())));
    }
}

/// The strong entity tag of a body. Each encoding has one of its own, by which caches on the way tell them apart.
pub(crate) struct EntityTag {
    text: [u8; 39],
    length: usize,
}

impl EntityTag {
    /// The tag of a body in the encoding that it has.
    pub(crate) fn of(body: &Body) -> Self {
        Self::new(body.etag(), body.encoding())
    }

    fn new(digest: [u8; 16], encoding: Encoding) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Should other bytes ever be made of the same, such as by another level, the word has to change.
        let mut text = *b"\"00000000000000000000000000000000-gzip\"";
        for (two, byte) in text[1..33].chunks_exact_mut(2).zip(digest) {
            two[0] = DIGITS[usize::from(byte >> 4)];
            two[1] = DIGITS[usize::from(byte & 15)];
        }
        let length = match encoding {
            Encoding::Identity => {
                text[33] = b'"';
                34
            }
            Encoding::Gzip => text.len(),
        };
        Self { text, length }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).expect("hexadecimal digits are ASCII")
    }

    /// Whether `If-None-Match` names it.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let tag = self.as_str().as_bytes();
        headers.get_all(IF_NONE_MATCH).iter().any(|line| if_none_match(line.as_bytes(), tag))
    }
}

/// The tag of what the caller holds and still takes, if it says the same as `body`. That may be another encoding than
/// it would be sent: the gzip of a value that has been loaded anew is yet to be made, and will be the same.
fn held(headers: &HeaderMap, body: &Body, gzip: Gzip) -> Option<EntityTag> {
    let (first, second) = match body.encoding() {
        Encoding::Identity => (Encoding::Identity, (gzip != Gzip::Refused).then_some(Encoding::Gzip)),
        Encoding::Gzip => (Encoding::Gzip, (gzip != Gzip::Required).then_some(Encoding::Identity)),
    };
    let tags =
        [Some(first), second].into_iter().flatten().map(|encoding| EntityTag::new(body.etag(), encoding));
    tags.into_iter().find(|tag| tag.is_in(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(tag: &str) -> HeaderMap {
        HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(tag).unwrap())])
    }

    #[test]
    fn an_entity_tag_is_strong_and_matches_in_any_list() {
        let body = Body::json(&b"{}"[..]);
        let etag = EntityTag::of(&body);
        let etag = etag.as_str();
        assert_eq!(etag, format!("\"{:032x}\"", u128::from_be_bytes(body.etag())));
        let is_held = |tag: &str| Representation::new(&body, Gzip::Refused, Some(&holding(tag))).is_held;
        assert!(
            is_held(etag)
                && is_held("*")
                && is_held(&format!("W/{etag}"))
                && is_held(&format!("\"a\", {etag}"))
        );
        assert!(!is_held("\"a\"") && !is_held(etag.trim_matches('"')) && !is_held(""));
        assert!(!is_held("\"a,*,b\"") && !is_held("\"*\""), "a star within a tag names nothing but that tag");
        assert!(!Representation::new(&body, Gzip::Refused, Some(&HeaderMap::new())).is_held);
    }

    #[tokio::test]
    async fn what_is_held_in_an_encoding_that_is_still_taken_is_not_sent_again() {
        let fresh = Body::json(b"[1,2]".repeat(1_000));
        let encoded = fresh.clone().with_gzip().await;
        let plain = EntityTag::of(&fresh).as_str().to_owned();
        let gzip = EntityTag::of(encoded.preferring_gzip()).as_str().to_owned();
        assert_eq!(gzip, format!("{}-gzip\"", plain.trim_end_matches('"')));

        let shown = |body: &Body, takes: Gzip, holds: &str| {
            let headers = holding(holds);
            let representation = Representation::new(body, takes, Some(&headers));
            (representation.is_held, representation.tag.as_str().to_owned())
        };
        for body in [&fresh, &encoded] {
            assert_eq!(shown(body, Gzip::Accepted, &gzip), (true, gzip.clone()));
            assert_eq!(shown(body, Gzip::Accepted, &plain), (true, plain.clone()));
            assert_eq!(shown(body, Gzip::Refused, &plain), (true, plain.clone()));
            assert_eq!(shown(body, Gzip::Refused, &gzip), (false, plain.clone()));
        }
        assert_eq!(shown(&encoded, Gzip::Required, &plain), (false, gzip.clone()));
        assert_eq!(shown(&encoded, Gzip::Accepted, "*"), (true, gzip.clone()));
        assert_eq!(shown(&encoded, Gzip::Accepted, &format!("{plain}, {gzip}")), (true, gzip));
    }
}
