//! Headers that are typed: what a caller shows to a source that wants to know who is asking.

use alacena::source::Credential;
use reqwest::header::{HeaderName, HeaderValue};

/// Headers that are the connection's own, or that say something by a flag of their own.
const REFUSED: [&str; 8] =
    ["host", "connection", "content-length", "transfer-encoding", "expect", "upgrade", "te", "alacena-token"];

/// One header of a caller. Its `Debug` does not show what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its name, in lower case.
    pub(crate) name: HeaderName,
    /// What it says.
    pub(crate) value: HeaderValue,
}

impl Header {
    /// Reads `NAME=VALUE`.
    ///
    /// # Errors
    /// What is wrong with it, without its value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("a header is written NAME=VALUE")?;
        let name: HeaderName = name.trim().parse().map_err(|_| "that is no name of a header".to_owned())?;
        if REFUSED.contains(&name.as_str()) {
            return Err(format!("`{name}` cannot be set; a token for the server comes from ALACENA_TOKEN"));
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| format!("no header can hold the value of `{name}`"))?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    /// The same for a source that this process asks itself.
    pub(crate) fn credential(&self) -> Credential {
        Credential { header: self.name.as_str().into(), secret: self.value.as_bytes().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value_that_is_not_shown() {
        let header = Header::parse("Authorization=Bearer a=b").unwrap();
        assert_eq!((header.name.as_str(), header.value.as_bytes()), ("authorization", &b"Bearer a=b"[..]));
        assert!(!format!("{header:?} {:?}", header.credential()).contains("Bearer"));
        for wrong in ["authorization", "a b=c", "=c", "x=line\nbreak", "Host=elsewhere", "alacena-token=t"] {
            let refused = Header::parse(wrong).unwrap_err();
            assert!(!refused.contains("break") && !refused.contains("elsewhere"), "{refused}");
        }
    }
}
