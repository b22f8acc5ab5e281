//! A question to a REST API as it is declared: method, target, headers, document, pointer.

use alacena_core::{declared::Template, error::Error};
use serde_json::Value as Json;

use super::settings::wrong;

/// The methods that a declaration can name. Reads take `GET` and `POST`, writes all but `GET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Every method, in the order in which errors name them.
    pub const ALL: [Method; 5] = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// The method called `name`, in capital letters.
    ///
    /// # Errors
    /// `Invalid`, naming the methods that there are.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|method| method.as_str() == name).ok_or_else(|| {
            let names = Self::ALL.map(Method::as_str).join(", ");
            wrong(format!("`{name}` is not one of the methods {names}"))
        })
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    pub(super) fn to_http(self) -> http::Method {
        match self {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        }
    }
}

/// A declared question: what is sent, and which part of the answer is wanted.
///
/// A parameter that is absent drops the query pair, header or member that it alone would fill; in a path it must be
/// there. Values are escaped for their place, so that none can reach out of it.
///
/// ```
/// use alacena_backends::http::{HttpQuestion, Method};
///
/// let question = HttpQuestion::parse("GET /jobs/{id}?fields={fields?}")?;
/// assert_eq!(question.method, Method::Get);
/// assert!(HttpQuestion::parse("FETCH /jobs").unwrap_err().detail().contains("GET, POST"));
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HttpQuestion {
    /// How it is asked.
    pub method: Method,
    /// Path and query, appended to the source's base URL.
    pub target: Template,
    /// Headers of this question; they replace those of the source that have the same name.
    pub headers: Vec<(String, Template)>,
    /// The JSON document to send, whose strings are templates; one that is exactly one hole takes the parameter's
    /// typed value. Without it, a method that carries a document sends every parameter that nothing else uses.
    pub body: Option<Json>,
    /// The part of the answer that is wanted, as a JSON pointer (RFC 6901); without it all of it.
    pub pointer: Option<String>,
}

impl HttpQuestion {
    /// A question with method and target as one line: `GET /jobs?from={from}`.
    ///
    /// # Errors
    /// `Invalid` when it is not a method, one space and a template.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let (method, target) = line
            .split_once(' ')
            .ok_or_else(|| wrong("a question is a method, a space and a path: `GET /jobs?from={from}`"))?;
        Ok(Self {
            method: Method::parse(method)?,
            target: Template::parse(target.trim_start())?,
            headers: Vec::new(),
            body: None,
            pointer: None,
        })
    }
}
