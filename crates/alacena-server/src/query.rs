//! What a query string says: the pairs of a read's parameters, and the few fixed names of the other paths.

use std::{borrow::Cow, ops::RangeInclusive, str::Utf8Error};

use alacena::error::{Error, catalogue};
use percent_encoding::percent_decode_str;

/// A name and its value, decoded.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a query string.
///
/// # Errors
/// `Invalid` where a name or a value is not UTF-8.
pub(crate) fn query_pairs(query: &str) -> Result<Vec<Pair<'_>>, Error> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    });
    pairs.collect::<Result<_, Utf8Error>>().map_err(|_| {
        Error::new(&catalogue::PARAMETER_INVALID, "the query is not valid UTF-8 once its %XX are decoded")
    })
}

/// What stands in a query, without its encoding; nothing is copied where there is none.
fn decode(text: &str) -> Result<Cow<'_, str>, Utf8Error> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8();
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(|decoded| Cow::Owned(decoded.into_owned()))
}

/// A query with fixed names, each at most once.
pub(crate) struct Query<'a>(Vec<Pair<'a>>);

impl<'a> Query<'a> {
    /// Reads `raw`, which may say `names` and nothing else.
    ///
    /// # Errors
    /// `Invalid`, naming what was said, where it is none of `names` or said twice.
    pub(crate) fn read(raw: Option<&'a str>, names: &[&str]) -> Result<Self, Error> {
        let pairs = query_pairs(raw.unwrap_or_default())?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            let shown: String = name.chars().take(100).collect();
            if !names.contains(&name.as_ref()) {
                return Err(refuse(format!("`{shown}` is not known here; `{}` is", names.join("`, `"))));
            }
            if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(refuse(format!("`{shown}` is said more than once")));
            }
        }
        Ok(Self(pairs))
    }

    /// What is said for `name`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(said, value)| (said == name).then_some(value.as_ref()))
    }

    /// The whole number said for `name`.
    ///
    /// # Errors
    /// `Invalid` where it is none, or outside `limits`.
    pub(crate) fn whole(&self, name: &str, limits: RangeInclusive<u64>) -> Result<Option<u64>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| limits.contains(number));
        let (least, most) = (limits.start(), limits.end());
        let wrong = || refuse(format!("`{name}` must be a whole number from {least} to {most}"));
        number.ok_or_else(wrong).map(Some)
    }

    /// Whether `format=display` is said: the numbers as text for people.
    ///
    /// # Errors
    /// `Invalid` where another format is said.
    pub(crate) fn as_text(&self) -> Result<bool, Error> {
        match self.text("format") {
            None => Ok(false),
            Some("display") => Ok(true),
            Some(_) => Err(refuse("`format` must be display, or left out".to_owned())),
        }
    }
}

fn refuse(detail: String) -> Error {
    Error::new(&catalogue::PARAMETER_INVALID, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_must_be_text() {
        let pairs = query_pairs("a=1&b=x+y%20z&&c&d=%C3%A1=").unwrap();
        let shown: Vec<_> = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        assert_eq!(shown, [("a", "1"), ("b", "x y z"), ("c", ""), ("d", "á=")]);
        assert_eq!(query_pairs("a=%ff").unwrap_err().code(), &catalogue::PARAMETER_INVALID);
    }

    #[test]
    fn what_a_query_may_not_say_is_named() {
        let names = ["since", "limit"];
        let query = Query::read(Some("limit=7"), &names).unwrap();
        assert_eq!(query.whole("limit", 1..=10).unwrap(), Some(7));
        assert_eq!(query.whole("since", 0..=u64::MAX).unwrap(), None);
        let wrong = |raw| Query::read(Some(raw), &names).map(|_| ()).unwrap_err().detail().to_owned();
        assert_eq!(wrong("limt=7"), "`limt` is not known here; `since`, `limit` is");
        assert_eq!(wrong("limit=7&limit=8"), "`limit` is said more than once");
        for limit in ["11", "0", "-1", "1.0", "", "x", "99999999999999999999"] {
            let raw = format!("limit={limit}");
            let query = Query::read(Some(&raw), &names).unwrap();
            let detail = query.whole("limit", 1..=10).unwrap_err().detail().to_owned();
            assert_eq!(detail, "`limit` must be a whole number from 1 to 10");
        }
    }
}
