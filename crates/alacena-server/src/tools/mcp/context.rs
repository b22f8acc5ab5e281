//! What the context of a request says: who asks, over what, and in which era of the protocol.

use std::sync::Arc;

use alacena::source::Credential;
use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer,
    model::{CacheScope, ProtocolVersion},
    service::RequestContext,
};

use super::{super::http::credentials_for, protocol_error};
use crate::app::App;

/// The request of HTTP behind this one; over stdio there is none.
pub(super) fn http(context: &RequestContext<RoleServer>) -> Option<(&App, &Parts)> {
    let parts = context.extensions.get::<Parts>()?;
    Some((parts.extensions.get::<App>()?, parts))
}

/// The credentials of the caller that the tool passes on. Over stdio there are no headers, and with them none.
pub(super) fn sent(context: &RequestContext<RoleServer>, tool: &str) -> Result<Arc<[Credential]>, ErrorData> {
    let Some((app, parts)) = http(context) else { return Ok(Arc::default()) };
    credentials_for(app, tool, &parts.headers).map_err(|error| protocol_error(&error))
}

/// Who may share what a client remembers of the offer: everybody, where everybody may ask and gets the same answers.
pub(super) fn scope(context: &RequestContext<RoleServer>) -> CacheScope {
    let reads = || http(context).map(|(app, _)| app.alacena().reads());
    scope_of(context, || reads().is_some_and(|reads| reads.iter().all(|read| read.credentials.is_empty())))
}

/// The same of something that is `the_same_for_all` who may ask.
pub(super) fn scope_of(
    context: &RequestContext<RoleServer>,
    the_same_for_all: impl Fn() -> bool,
) -> CacheScope {
    let is_open = http(context).is_some_and(|(app, _)| app.is_open());
    if is_open && the_same_for_all() { CacheScope::Public } else { CacheScope::Private }
}

/// Whether the caller speaks 2026-07-28 or later, which asks for cache hints.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    // Revisions are dates, and dates in this form compare as text.
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}
