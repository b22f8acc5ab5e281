//! What is served where, and who may ask: one table for the router, the reference page, OpenAPI and
//! the tests.

use alacena::{
    config::Role,
    error::{Error, catalogue},
};
use axum::{
    Router,
    extract::State,
    http::{Method, Uri},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};

use crate::{
    admin,
    app::App,
    batch, challenge,
    edge::edge,
    health, history, keys, listing, metrics,
    openapi::{self, Operation, describe},
    problem::Problem,
    reads, reload,
    token::{Access, authorise},
    tools, warming, writes,
};

/// One path and method.
pub(crate) struct Route {
    /// `GET` or `POST`. `GET` answers `HEAD`, too.
    pub(crate) method: &'static str,
    /// The path.
    pub(crate) path: &'static str,
    /// Who may ask.
    pub(crate) access: Access,
    /// What it answers, for the reference.
    pub(crate) what: &'static str,
    /// How it is described to machines.
    pub(crate) operation: Operation,
    handler: fn() -> MethodRouter<App>,
}

/// Every route, in the order of the reference.
///
/// `load` sends writes: it is the role of an application, which changes data but has no business clearing caches.
/// `operate` invalidates and sees figures: these name every read and source and tell how much each is used, which
/// somebody who may only ask need not know. `admin` changes the configuration.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/",
        access: Access::Role(Role::Read),
        what: "What is served, with commands to try, as text.",
        operation: Operation::One("index", describe::index),
        handler: || get(index),
    },
    Route {
        method: "GET",
        path: "/reads",
        access: Access::Role(Role::Read),
        what: "The declared reads: parameters, input schema, class, TTL, key, tags and a command to try.",
        operation: Operation::One("reads", describe::reads),
        handler: || get(reads::list),
    },
    Route {
        method: "GET",
        path: "/reads/{name}",
        access: Access::Public,
        what: "The answer of one read; parameters in the query.",
        operation: Operation::EachRead("read", describe::read_by_query),
        handler: || get(reads::by_query),
    },
    Route {
        method: "POST",
        path: "/reads/{name}",
        access: Access::Public,
        what: "The same; parameters as a JSON object.",
        operation: Operation::EachRead("readByBody", describe::read_by_body),
        handler: || post(reads::by_body),
    },
    Route {
        method: "POST",
        path: "/reads/{name}/batch",
        access: Access::Public,
        what: "Many answers of one read: `{\"calls\": [{…parameters…}, …]}` in, `{\"answers\": [{\"status\", …}, …]}` out, \
               in the same order.",
        operation: Operation::EachRead("readBatch", describe::read_batch),
        handler: || post(batch::by_bodies),
    },
    Route {
        method: "POST",
        path: "/writes/{name}",
        access: Access::Role(Role::Load),
        what: "Passes a declared write through to its source and invalidates; parameters as a JSON object. Answers \
               what the source said, with `Alacena-Level`.",
        operation: Operation::EachWrite("write", describe::write),
        handler: || post(writes::send),
    },
    Route {
        method: "POST",
        path: "/mcp/tools/call",
        access: Access::Role(Role::Read),
        what: "One tool call as plain JSON: `{\"name\", \"arguments\"}` in, a CallToolResult out.",
        operation: Operation::One("callTool", describe::tool_call),
        handler: || post(tools::call_plain),
    },
    #[cfg(feature = "mcp")]
    Route {
        method: "POST",
        path: "/mcp",
        access: Access::Role(Role::Read),
        what: "MCP over Streamable HTTP, stateless; revisions 2026-07-28 to 2024-11-05. Every read is a tool.",
        operation: Operation::LeftOut("it speaks MCP, which describes itself: ask it for `tools/list`"),
        handler: || post(tools::streamable_http),
    },
    Route {
        method: "GET",
        path: "/cache/health",
        access: Access::Role(Role::Operate),
        what: "Whether everything configured is there; 503 once nothing can be answered.",
        operation: Operation::One("cacheHealth", describe::cache_health),
        handler: || get(admin::health),
    },
    Route {
        method: "GET",
        path: "/cache/stats",
        access: Access::Role(Role::Operate),
        what: "Counts since the start; `?format=display` gives the numbers as text.",
        operation: Operation::One("cacheStats", describe::cache_stats),
        handler: || get(admin::stats),
    },
    Route {
        method: "POST",
        path: "/cache/invalidate",
        access: Access::Role(Role::Operate),
        what: "Forgets what `{key, tags, prefix, pattern, class, namespace, all}` name; answers `{level, dropped}`. With \
               `dryRun` nothing is forgotten: it answers what each target comes to, and how many entries that would be \
               answered now depend on it. That looks at every entry.",
        operation: Operation::One("invalidate", describe::invalidate),
        handler: || post(admin::invalidate),
    },
    Route {
        method: "POST",
        path: "/cache/clear",
        access: Access::Role(Role::Operate),
        what: "Forgets everything and frees its memory; answers `{level, dropped}`.",
        operation: Operation::One("clear", describe::clear),
        handler: || post(admin::clear),
    },
    Route {
        method: "POST",
        path: "/cache/reload",
        access: Access::Role(Role::Admin),
        what: "Reads the configuration again and puts it in place without dropping a request; answers `{level, reads: \
               {added, removed, changed}, needsRestart, warnings}`, or 422 with every problem: then nothing has changed.",
        operation: Operation::One("reload", describe::reload),
        handler: || post(reload::reload),
    },
    Route {
        method: "POST",
        path: "/cache/warming",
        access: Access::Role(Role::Operate),
        what: "Loads what is not fresh before anybody asks: `{reads: [{name, params}]}`, without `params` what the read \
               declares as `warm`; or `{all: true}`, everything that is declared so. Answers 202, how far it is, and \
               where to see that again.",
        operation: Operation::One("warm", describe::warm),
        handler: || post(warming::begin),
    },
    Route {
        method: "GET",
        path: "/cache/warming",
        access: Access::Role(Role::Operate),
        what: "The warmings under way and the 50 that have ended last, newest first, without their reads; `format=display`.",
        operation: Operation::One("warmings", describe::warmings),
        handler: || get(warming::list),
    },
    Route {
        method: "GET",
        path: "/cache/warming/{id}",
        access: Access::Role(Role::Operate),
        what: "How far one warming is; `format=display`.",
        operation: Operation::One("warming", describe::warming),
        handler: || get(warming::one),
    },
    Route {
        method: "GET",
        path: "/cache/invalidations",
        access: Access::Role(Role::Operate),
        what: "What has been invalidated, newest first: `since` (milliseconds since 1970), `limit` (1 to 1000, else \
               100), `format=display`.",
        operation: Operation::One("invalidations", describe::invalidations),
        handler: || get(history::page),
    },
    Route {
        method: "GET",
        path: "/cache/invalidations/stats",
        access: Access::Role(Role::Operate),
        what: "Who invalidated how often, and what, among the newest 1000: `since`, `format=display`.",
        operation: Operation::One("invalidationStats", describe::invalidation_stats),
        handler: || get(history::stats),
    },
    Route {
        method: "GET",
        path: "/cache/keys",
        access: Access::Role(Role::Operate),
        what: "The entries in memory, in the order of their keys: `prefix`, `cursor` (the `next` of the page before), \
               `limit` (1 to 1000, else 100), `format=display`. Never a value.",
        operation: Operation::One("keys", describe::keys),
        handler: || get(keys::page),
    },
    Route {
        method: "GET",
        path: "/cache/explain",
        access: Access::Role(Role::Operate),
        what: "Why one key is answered as it is: `key`, as the reads write it, `format=display`. Never a value.",
        operation: Operation::One("explain", describe::explain),
        handler: || get(keys::explain),
    },
    Route {
        method: "GET",
        path: "/metrics",
        access: Access::Role(Role::Operate),
        what: "The figures for Prometheus, text format 0.0.4; as OpenMetrics 1.0 with `Accept: \
               application/openmetrics-text`.",
        operation: Operation::One("metrics", describe::metrics),
        handler: || get(metrics::metrics),
    },
    Route {
        method: "GET",
        path: "/openapi.json",
        access: Access::Role(Role::Read),
        what: "All of this as OpenAPI 3.1, with one operation for each declared read and write.",
        operation: Operation::One("openapi", describe::openapi),
        handler: || get(openapi::openapi),
    },
    Route {
        method: "GET",
        path: "/health",
        access: Access::Open,
        what: "The process answers.",
        operation: Operation::One("alive", describe::alive),
        handler: || get(health::alive),
    },
    Route {
        method: "GET",
        path: "/health/ready",
        access: Access::Open,
        what: "It should be sent requests; 503 while it drains or nothing can be answered.",
        operation: Operation::One("ready", describe::ready),
        handler: || get(health::ready),
    },
    Route {
        method: "GET",
        path: "/.well-known/oauth-protected-resource",
        access: Access::Open,
        what: "What the tokens of this server are for (RFC 9728); 404 where there are none.",
        operation: Operation::LeftOut("RFC 9728 describes it, and only where there are tokens it is there"),
        handler: || get(challenge::describe),
    },
    #[cfg(feature = "mcp")]
    Route {
        method: "GET",
        path: "/.well-known/oauth-protected-resource/mcp",
        access: Access::Open,
        what: "The same of `/mcp`.",
        operation: Operation::LeftOut("RFC 9728 describes it, and only where there are tokens it is there"),
        handler: || get(challenge::describe),
    },
];

/// The whole service.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let gate = from_fn_with_state((app.clone(), route.access), authorise);
        router = router.route(route.path, (route.handler)().route_layer(gate));
    }
    #[cfg(feature = "mcp")]
    if app.mcp().has_sessions() {
        // What a session adds for MCP clients before 2026-07-28: a stream of their own, and a way to leave.
        let gate = from_fn_with_state((app.clone(), Access::Role(Role::Read)), authorise);
        let session = get(tools::streamable_http).delete(tools::streamable_http);
        router = router.route("/mcp", session.route_layer(gate));
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), edge))
        .with_state(app)
}

async fn index(State(app): State<App>) -> Response {
    listing::index(&app).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Error::new(&catalogue::NOT_FOUND, format!("nothing is served at {path}")).into()
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Error::new(&catalogue::METHOD_NOT_ALLOWED, format!("{path} does not answer {method}")).into()
}
