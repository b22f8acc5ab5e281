//! Where a source lives: the origin that no request leaves, and the path that every request begins with.

use alacena_core::error::{Error, catalogue};
use url::Url;

use super::settings::wrong;

/// A checked base URL.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Scheme, host and port: `https://crm.example`.
    origin: String,
    /// The path without a slash at its end: `/api1`, or nothing.
    path: String,
}

impl Base {
    /// Checks `text`. Errors do not repeat it: it may hold what should not be seen.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|error| {
            wrong(format!("`base_url` is not a URL ({error}); write `https://host/path`"))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!(
                "`base_url` must begin with http:// or https://, not {}://",
                url.scheme()
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "`base_url` must not hold credentials; send them in `headers`, out of `${…}` or `file:`",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("`base_url` must not have a query or a fragment; they belong to the reads"));
        }
        let path = url.path().trim_end_matches('/');
        if path.contains("//") {
            return Err(wrong("the path of `base_url` must not have an empty segment (`//`)"));
        }
        Ok(Self { origin: url.origin().ascii_serialization(), path: path.to_owned() })
    }

    /// The URL of `target`, a rendered path and query.
    ///
    /// # Errors
    /// `Internal` when the URL came out as anything else than base and target put together: the last line of defence
    /// behind the escaping of values.
    pub(super) fn join(&self, target: &str) -> Result<Url, Error> {
        let Self { origin, path } = self;
        let text = format!("{origin}{path}{target}");
        match Url::parse(&text) {
            Ok(url) if url.as_str() == text => Ok(url),
            _ => Err(Error::new(
                &catalogue::INTERNAL,
                "a request's address came out differently than declared",
            )),
        }
    }

    /// Whether `url` is on the same host, by the same scheme and port, and brings no credentials of its own.
    pub(super) fn holds(&self, url: &Url) -> bool {
        url.origin().ascii_serialization() == self.origin
            && url.username().is_empty()
            && url.password().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_cannot_be_used_is_refused_without_showing_it() {
        for (text, reason) in [
            ("crm.example/canary", "not a URL"),
            ("ftp://crm.example/canary", "http:// or https://"),
            ("https://canary@crm.example", "credentials"),
            ("https://:canary@crm.example", "credentials"),
            ("https://crm.example/?key=canary", "query"),
            ("https://crm.example/#canary", "fragment"),
            ("https://crm.example/a//canary", "empty segment"),
        ] {
            let error = Base::parse(text).unwrap_err();
            assert!(error.detail().contains(reason), "{text}: {error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_path_of_the_base_url_is_kept_and_hosts_are_compared_whole() {
        for text in ["https://crm.example/api1", "https://crm.example:443/api1/"] {
            let base = Base::parse(text).unwrap();
            assert_eq!(base.join("/jobs?a=1").unwrap().as_str(), "https://crm.example/api1/jobs?a=1");
            let holds = |url| base.holds(&Url::parse(url).unwrap());
            assert!(holds("https://crm.example/elsewhere"));
            assert!(!holds("http://crm.example/api1"));
            assert!(!holds("https://crm.example:8443/api1"));
            assert!(!holds("https://crm.example.evil/api1"));
            assert!(!holds("https://crm.example@evil.example/api1"));
            assert!(!holds("https://admin:1@crm.example/api1"));
        }
    }
}
