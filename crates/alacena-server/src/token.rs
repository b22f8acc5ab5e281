//! Who is asking, and whether they may.
//!
//! A token comes as `Authorization: Bearer <token>` or as `Alacena-Token: <token>`; the second leaves `Authorization`
//! to a source whose reads pass it through. Whatever carried a token of ours is taken off the request here, so that
//! nothing behind can send it on.

use std::{net::SocketAddr, sync::Arc};

use alacena::{
    Read,
    config::Role,
    error::{Error, catalogue},
};
use axum::{
    RequestPartsExt,
    extract::{RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::Response,
};
use subtle::ConstantTimeEq;

use crate::{
    app::App,
    challenge::Refusal,
    settings::{ServerSettings, Token},
};

/// The header for a token where `Authorization` belongs to the source.
pub(crate) static ALACENA_TOKEN: HeaderName = HeaderName::from_static("alacena-token");

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, always.
    Open,
    /// Callers with the role `read`; everybody where the read in the path says `public = true`.
    Public,
    /// Callers with this role.
    Role(Role),
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// What the history calls them: `api`, or `api` and the name of their token.
    pub(crate) who: Arc<str>,
    /// What they may do; nobody without a token has a role, unless the listener needs none.
    pub(crate) role: Option<Role>,
    /// Whether they may learn what the cache did: whether somebody else asked the same before is nobody's business
    /// but that of callers who are known, or who sit on this machine.
    pub(crate) sees_cache: bool,
    /// Whether they were let in because everybody was.
    by_open_door: bool,
}

/// A request that was let through.
pub(crate) struct Admitted<'a> {
    token: Option<&'a Token>,
    /// As in [`Caller`].
    pub(crate) role: Option<Role>,
    /// As in [`Caller`].
    pub(crate) sees_cache: bool,
    /// What nobody behind may see.
    pub(crate) carried: Carried,
}

/// Which headers of a request carried a token of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    own: bool,
    bearer: bool,
}

/// Lets a request through to a route, with the [`Caller`] it comes from.
pub(crate) async fn authorise(
    State((app, access)): State<(App, Access)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_public = access == Access::Public && !app.is_open() && asks_public_read(&app, &mut parts).await;
    let peer = parts.extensions.get::<Peer>().copied();
    let settings = app.settings();
    match admit(&settings, access.needs(is_public), peer, &parts.headers) {
        Ok(admitted) => {
            let caller = admitted.caller();
            admitted.carried.take_off(&mut parts.headers);
            parts.extensions.insert(caller);
        }
        Err(refusal) => return refusal.answer(&parts),
    }
    drop(settings);
    next.run(Request::from_parts(parts, body)).await
}

/// Lets a request through that needs this role, or is refused.
pub(crate) fn admit<'a>(
    settings: &'a ServerSettings,
    needed: Option<Role>,
    peer: Option<Peer>,
    headers: &HeaderMap,
) -> Result<Admitted<'a>, Refusal> {
    if settings.is_open() {
        let carried = Carried { own: headers.contains_key(&ALACENA_TOKEN), bearer: false };
        return Ok(Admitted { token: None, role: Some(Role::Admin), sees_cache: true, carried });
    }
    let (presented, carried) = presented(headers, &settings.tokens);
    match (presented, needed) {
        (Presented::Known(token), needed) if needed.is_none_or(|needed| token.role >= needed) => {
            Ok(Admitted { token: Some(token), role: Some(token.role), sees_cache: true, carried })
        }
        (_, None) => {
            let sees_cache = from_this_machine(peer, headers);
            Ok(Admitted { token: None, role: None, sees_cache, carried })
        }
        (Presented::Known(token), Some(needed)) => {
            let (needs, has) = (needed.as_str(), token.role.as_str());
            let detail = format!("this needs the role `{needs}`; the token has `{has}`");
            let error = Error::new(&catalogue::ROLE_INSUFFICIENT, detail).with("role", needs);
            Err(Refusal { error, needed, reason: Some("insufficient_scope") })
        }
        (Presented::Nothing, Some(needed)) => {
            let error = Error::new(&catalogue::TOKEN_REQUIRED, "there is no token in the request");
            Err(Refusal { error, needed, reason: None })
        }
        (Presented::Unknown, Some(needed)) => {
            let detail = "the token is not one of this server's; where Authorization is meant for the source, send \
                          Alacena's own token in Alacena-Token";
            let error = Error::new(&catalogue::TOKEN_REQUIRED, detail);
            Err(Refusal { error, needed, reason: Some("invalid_token") })
        }
    }
}

impl Caller {
    /// Looks again whether it may ask `read`, which may have stopped being public since it was let in, or may be new
    /// behind a door that has been closed since: a body takes its time, and the configuration is reloaded meanwhile.
    ///
    /// # Errors
    /// `Denied` where it has no role any more and the read is not public.
    pub(crate) fn may_ask(&self, app: &App, read: &Read) -> Result<(), Error> {
        // A door that closes does so before what is behind it changes: who has the new read finds it closed.
        let has_role = self.role.is_some() && (!self.by_open_door || app.is_open());
        if read.public || has_role {
            return Ok(());
        }
        Err(Error::new(
            &catalogue::TOKEN_REQUIRED,
            "there is no token in the request, and the read is not public",
        ))
    }
}

impl Access {
    /// The role that this takes of a request; `is_public` where it asks a public read.
    pub(crate) fn needs(self, is_public: bool) -> Option<Role> {
        match self {
            Access::Open => None,
            Access::Public => (!is_public).then_some(Role::Read),
            Access::Role(role) => Some(role),
        }
    }
}

impl Admitted<'_> {
    fn caller(&self) -> Caller {
        let who = match self.token {
            Some(token) => format!("api {}", token.name).into(),
            None => "api".into(),
        };
        let by_open_door = self.by_open_door();
        Caller { who, role: self.role, sees_cache: self.sees_cache, by_open_door }
    }

    /// Whether it was let in because everybody was.
    pub(crate) fn by_open_door(&self) -> bool {
        self.token.is_none() && self.role.is_some()
    }
}

impl Carried {
    /// Whether the header of this name, in lower case, did.
    pub(crate) fn is_in(self, header: &str) -> bool {
        (self.own && header == ALACENA_TOKEN) || (self.bearer && header == AUTHORIZATION)
    }

    fn take_off(self, headers: &mut HeaderMap) {
        if self.own {
            headers.remove(&ALACENA_TOKEN);
        }
        if self.bearer {
            headers.remove(AUTHORIZATION);
        }
    }
}

/// Whether the request was sent on this machine. What a proxy on this machine hands on was not.
fn from_this_machine(peer: Option<Peer>, headers: &HeaderMap) -> bool {
    let local = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
    local && !["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name))
}

async fn asks_public_read(app: &App, parts: &mut Parts) -> bool {
    let Ok(path) = parts.extract::<RawPathParams>().await else { return false };
    let name = path.iter().find_map(|(key, value)| (key == "name").then_some(value));
    name.is_some_and(|name| app.alacena().reads().iter().any(|read| read.public && read.name == name))
}

/// What a request showed.
enum Presented<'a> {
    Nothing,
    Unknown,
    Known(&'a Token),
}

/// Finds the token, and says what carried one.
fn presented<'a>(headers: &HeaderMap, tokens: &'a [Token]) -> (Presented<'a>, Carried) {
    let own = headers.get(&ALACENA_TOKEN);
    let authorization = headers.get(AUTHORIZATION);
    let by_bearer = authorization.and_then(bearer).and_then(|token| find(token, tokens));
    let presented = match own {
        Some(own) => find(own.as_bytes(), tokens).map_or(Presented::Unknown, Presented::Known),
        None => match by_bearer {
            Some(token) => Presented::Known(token),
            None if authorization.is_some() => Presented::Unknown,
            None => Presented::Nothing,
        },
    };
    (presented, Carried { own: own.is_some(), bearer: by_bearer.is_some() })
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The token whose hash is that of `presented`. Looks at all of them in constant time: how long it takes says nothing
/// about how near a guess was.
fn find<'a>(presented: &[u8], tokens: &'a [Token]) -> Option<&'a Token> {
    let hash = blake3::hash(presented);
    let mut found = None;
    for token in tokens {
        if bool::from(token.hash.ct_eq(hash.as_bytes())) {
            found = Some(token);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Vec<Token> {
        let token = |name: &str, text: &str, role| Token {
            name: name.to_owned(),
            hash: *blake3::hash(text.as_bytes()).as_bytes(),
            role,
        };
        vec![token("app", "one", Role::Read), token("ops", "two", Role::Operate)]
    }

    fn take(given: &[(&'static str, &'static str)]) -> (Option<String>, Vec<String>) {
        let tokens = tokens();
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let (presented, carried) = presented(&headers, &tokens);
        let name = match presented {
            Presented::Known(token) => Some(token.name.clone()),
            _ => None,
        };
        carried.take_off(&mut headers);
        (name, headers.keys().map(ToString::to_string).collect())
    }

    #[test]
    fn a_token_of_ours_never_stays_on_the_request() {
        let (name, left) = take(&[("authorization", "Bearer one")]);
        assert_eq!((name.as_deref(), left.len()), (Some("app"), 0));
        let (name, left) = take(&[("authorization", "bearer two"), ("alacena-token", "one")]);
        assert_eq!((name.as_deref(), left.len()), (Some("app"), 0));
        let (name, left) = take(&[("authorization", "Bearer upstream"), ("alacena-token", "two")]);
        assert_eq!((name.as_deref(), left), (Some("ops"), vec!["authorization".to_owned()]));
    }

    #[test]
    fn what_is_not_a_token_is_none() {
        assert_eq!(take(&[]).0, None);
        assert_eq!(take(&[("authorization", "Bearer three")]).0, None);
        assert_eq!(take(&[("authorization", "Basic one")]).0, None);
        assert_eq!(take(&[("authorization", "Bearer one"), ("alacena-token", "wrong")]).0, None);
    }
}
