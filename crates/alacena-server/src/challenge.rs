//! What a caller who may not is told about getting in: the challenge of RFC 6750, and the description of this server as
//! a protected resource (RFC 9728) that it leads to.
//!
//! Unless the configuration names an authorization server, tokens are handed out by whoever runs the server: a client
//! learns that it needs a token, for what, and in which header, and asks its user for one.

use alacena::{
    config::Role,
    error::{Error, catalogue},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header::WWW_AUTHENTICATE, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{app::App, edge::host_of, problem::Problem};

/// Where the description is; behind it stands the path of what it describes, if that is not the whole server.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What a proxy says that the caller used.
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// `GET /.well-known/oauth-protected-resource`, with or without `/mcp`.
pub(crate) async fn describe(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let base = base_url(&uri, &headers).filter(|_| !app.is_open());
    let Some(base) = base else {
        return Err(
            Error::new(&catalogue::NOT_FOUND, "nothing here is protected: there are no tokens").into()
        );
    };
    let path = uri.path().strip_prefix(WELL_KNOWN).unwrap_or_default();
    let scopes: &[Role] =
        if path.is_empty() { &[Role::Read, Role::Load, Role::Operate, Role::Admin] } else { &[Role::Read] };
    let mut description = json!({
        "resource": format!("{base}{path}"),
        "resource_name": "Alacena",
        "scopes_supported": scopes.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"],
    });
    let settings = app.settings();
    let servers = &settings.authorization_servers;
    if !servers.is_empty() {
        description["authorization_servers"] = json!(servers);
    }
    Ok(Json(description))
}

/// Why a caller may not do what needs the role `needed`.
pub(crate) struct Refusal {
    pub(crate) error: Error,
    pub(crate) needed: Role,
    /// What RFC 6750 calls it; nothing where no token came.
    pub(crate) reason: Option<&'static str>,
}

impl Refusal {
    /// The answer to the request.
    pub(crate) fn answer(self, request: &Parts) -> Response {
        let challenge = self.challenge(request);
        let mut response = Problem(self.error).into_response();
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn challenge(&self, request: &Parts) -> String {
        let mut challenge = "Bearer realm=\"alacena\"".to_owned();
        let mut say = |name: &str, value: &str| {
            for part in [", ", name, "=\"", value, "\""] {
                challenge.push_str(part);
            }
        };
        if let Some(reason) = self.reason {
            say("error", reason);
        }
        say("scope", self.needed.as_str());
        if let Some(base) = base_url(&request.uri, &request.headers) {
            let path = if request.uri.path() == "/mcp" { "/mcp" } else { "" };
            say("resource_metadata", &format!("{base}{WELL_KNOWN}{path}"));
        }
        challenge
    }
}

/// How the caller reaches this server, as far as it says; nobody else sees what is made of it.
fn base_url(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = host_of(uri, headers)?;
    let plain = |character: char| character.is_ascii_alphanumeric() || ".-:[]_".contains(character);
    let secure = headers.get(&FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    host.chars().all(plain).then(|| format!("{}://{host}", if secure { "https" } else { "http" }))
}
