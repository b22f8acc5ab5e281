//! A question made ready at start: everything that does not depend on the call is checked and taken apart.

use std::collections::BTreeSet;

use alacena_core::{
    declared::Pointer,
    error::Error,
    source::{Call, Validator},
};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use url::Url;

use super::{
    address::Address,
    base::Base,
    document::Document,
    headers::{QuestionHeaders, SourceHeaders},
    question::{HttpQuestion, Method},
    settings::wrong,
};

/// A checked question.
#[derive(Debug)]
pub(super) struct Plan {
    method: Method,
    address: Address,
    headers: QuestionHeaders,
    document: Option<Document>,
    pub(super) pointer: Pointer,
}

/// One request, complete.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Whether the source may answer that nothing has changed.
    pub(super) conditional: bool,
}

impl Plan {
    /// Checks a question that only asks.
    pub(super) fn for_read(question: &HttpQuestion) -> Result<Self, Error> {
        match question.method {
            Method::Get | Method::Post => Self::parse(question),
            other => Err(wrong(format!(
                "a read cannot be sent by {}; use GET, or POST with a body",
                other.as_str()
            ))),
        }
    }

    /// Checks a question that changes something.
    pub(super) fn for_write(question: &HttpQuestion) -> Result<Self, Error> {
        match question.method {
            Method::Get => Err(wrong("a write cannot be sent by GET; use POST, PUT, PATCH or DELETE")),
            _ => Self::parse(question),
        }
    }

    fn parse(question: &HttpQuestion) -> Result<Self, Error> {
        let address = Address::parse(&question.target)?;
        let headers = QuestionHeaders::parse(&question.headers)?;
        let document = match (&question.body, question.method) {
            (Some(_), Method::Get) => return Err(wrong("GET carries no body; remove it, or use POST")),
            (None, Method::Get) => None,
            (Some(json), _) => Some(Document::parse(json)?),
            (None, _) => {
                let used: BTreeSet<&str> = address.parameters().chain(headers.parameters()).collect();
                Some(Document::Rest(used.into_iter().map(str::to_owned).collect()))
            }
        };
        let pointer = Pointer::parse(question.pointer.as_deref().unwrap_or_default())?;
        Ok(Self { method: question.method, address, headers, document, pointer })
    }

    /// The request for one call.
    ///
    /// # Errors
    /// `Invalid` for a parameter that cannot stand where it is declared, `Denied` for a credential that is missing.
    pub(super) fn render(&self, base: &Base, headers: &SourceHeaders, call: &Call) -> Result<Request, Error> {
        let url = base.join(&self.address.render(&call.parameters)?)?;
        let mut headers =
            headers.assemble(&self.headers, &call.parameters, &call.credentials, call.no_cache)?;
        let body = self.render_body(call)?;
        if body.is_some() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let conditional = self.method == Method::Get && show_held(&mut headers, call.held.as_deref());
        Ok(Request { method: self.method, url, headers, body, conditional })
    }

    fn render_body(&self, call: &Call) -> Result<Option<Bytes>, Error> {
        let Some(document) = &self.document else { return Ok(None) };
        let json = document.render(&call.parameters)?;
        // Sources do not expect a document with DELETE; an empty one that nobody declared is left out.
        let undeclared = matches!(document, Document::Rest(_)) && self.method == Method::Delete;
        let json =
            json.filter(|json| !(undeclared && json.as_object().is_some_and(serde_json::Map::is_empty)));
        Ok(json.map(|json| json.to_string().into()))
    }
}

/// Shows the source the version that is held; whether there was anything to show. A declared header stays as it is.
fn show_held(headers: &mut HeaderMap, held: Option<&Validator>) -> bool {
    let Some(Validator { etag, last_modified }) = held else { return false };
    if headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE) {
        return false;
    }
    let mut shown = false;
    for (name, text) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, last_modified)] {
        if let Some(value) = text.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
            shown = true;
        }
    }
    shown
}
