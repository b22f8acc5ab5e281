//! The reference pages that follow from the code: `docs/reference/{http,metrics,errors}.md`.

use std::{fmt::Write as _, time::Duration};

use alacena::error::catalogue;

use crate::{
    batch, body, cache_status, connections, metrics::families, problem, routes::ROUTES, token::Access,
};

const GENERATED: &str =
    "<!-- Generated: `UPDATE=1 cargo test -p alacena-server --test reference` writes it. -->\n";

/// `docs/reference/http.md`.
#[must_use]
pub fn http_reference() -> String {
    let mut page = format!(
        "# HTTP\n\n{GENERATED}\n## Paths\n\n| method | path | needs | answers |\n|---|---|---|---|\n"
    );
    for route in ROUTES {
        let needs = match route.access {
            Access::Open => "nothing",
            Access::Public => "`read`, or nothing where the read says `public = true`",
            Access::Role(role) => role_cell(role.as_str()),
        };
        row(&mut page, &[route.method, &format!("`{}`", route.path), needs, route.what]);
    }
    page.push_str(PROSE_BEFORE_CACHE_STATUS);
    page.push_str("| what happened | `Cache-Status` |\n|---|---|\n");
    for (what, line) in cache_status::table() {
        row(&mut page, &[what, &format!("`{line}`")]);
    }
    page.push_str(PROSE_AFTER_CACHE_STATUS);
    page.push_str(PROSE_BEFORE_LIMITS);
    for (what, limit, beyond) in limits() {
        row(&mut page, &[what, &limit, beyond]);
    }
    page
}

/// What a connection and a request may cost: what, how much, and what happens to more.
fn limits() -> Vec<(&'static str, String, &'static str)> {
    let seconds = |limit: Duration| format!("{} s", limit.as_secs());
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    let paced =
        |grace: Duration, rate: u64| format!("{} s, and a second for each {rate} bytes", grace.as_secs());
    vec![
        ("connections at once", "`server.connections_max`".to_owned(), "wait to be accepted until one ends"),
        (
            "connections of one address",
            "`server.connections_per_address_max`".to_owned(),
            "are closed; loopback does not count, IPv6 counts by /64",
        ),
        ("idle time of a connection", "`server.idle_timeout`".to_owned(), "it is closed"),
        ("the same while all connections are taken", seconds(connections::CROWDED_IDLE_MAX), "it is closed"),
        (
            "arrival of a request's head; the first one from the accept on",
            seconds(connections::HEAD_TIMEOUT),
            "the connection is closed",
        ),
        ("arrival of a request's body", paced(body::GRACE, body::RATE_MIN), "400 `body-invalid`"),
        (
            "taking of an answer",
            paced(connections::STALL_GRACE, connections::TAKE_RATE_MIN),
            "the connection is closed",
        ),
        (
            "head of a request (HTTP/1)",
            kib(connections::BUFFER_BYTES_MAX),
            "431, and the connection is closed",
        ),
        (
            "head of a request (HTTP/2)",
            kib(connections::HTTP2_HEAD_BYTES_MAX as usize),
            "431, or the connection is closed",
        ),
        (
            "a head that two readers could end elsewhere (HTTP/1)",
            "none".to_owned(),
            "400 `request-ambiguous`, and the connection is closed",
        ),
        ("body of a request", "`server.request_bytes_max`".to_owned(), "413 `body-too-large`"),
        (
            "bodies arriving at once, all together",
            format!("{} MiB, or four of the largest", body::ARRIVING_BYTES_MAX / 1024 / 1024),
            "503 `server-busy`",
        ),
        ("calls of a batch", batch::CALLS_MAX.to_string(), "413 `batch-too-large`"),
        ("calls of a batch asked at once", batch::RUNNING_MAX.to_string(), "wait for those before them"),
        ("requests at once on one HTTP/2 connection", connections::STREAMS_MAX.to_string(), "are refused"),
        (
            "requests that an HTTP/2 connection reset before they were looked at",
            connections::RESETS_PENDING_MAX.to_string(),
            "the connection is closed",
        ),
        (
            "end of an HTTP/2 connection that was told to end",
            seconds(connections::LINGER_MAX),
            "it is closed",
        ),
    ]
}

fn role_cell(role: &str) -> &'static str {
    match role {
        "read" => "`read`",
        "load" => "`load`",
        "operate" => "`operate`",
        _ => "`admin`",
    }
}

const PROSE_BEFORE_CACHE_STATUS: &str = "
`GET` answers `HEAD`, too. Everything else is a problem document: see [errors](errors.md).

## Who may ask

With no `[tokens]` the listener must be on loopback, needs nothing and answers only under loopback names and those of
`server.hosts`. With tokens every path but `/health` and `/.well-known` needs one, as `Authorization: Bearer <token>` or
as `Alacena-Token: <token>`. Roles include the ones before them: `read` asks reads and calls tools, `load` sends writes,
`operate` invalidates, warms and sees figures, `admin` reloads the configuration. Whoever has none, or too little, reads
in `WWW-Authenticate` which role it takes (`scope`), what was wrong with the token (`error`), and where RFC 9728 describes
this server (`resource_metadata`); that description names the `server.authorization_servers`, and none where tokens are
handed out by whoever runs it. Behind a proxy with TLS, let it send `X-Forwarded-Proto: https`, or the addresses begin with `http`.

Where a read passes `authorization` through to its source, send the source's credential in `Authorization` and
Alacena's own token in `Alacena-Token`. Alacena never sends its own token on. On the MCP paths `Authorization` is always
Alacena's: the protocol forbids handing it on.

Pages of `server.cors_origins` may ask and read answers. A `POST` from any other page is refused, and every body must be
`application/json`. Where no token is needed, a page of another site may not load anything in the background either,
pictures and scripts included: a request with `Sec-Fetch-Site: cross-site` is refused unless somebody followed a link
(`Sec-Fetch-Mode: navigate`).

## What a read answers

| header | means |
|---|---|
| `ETag` | a strong validator, another one for each encoding; send it as `If-None-Match` with `GET` and get 304 while nothing has changed |
| `Content-Encoding` | `gzip` where `Accept-Encoding` takes it and the answer is there in gzip: from 1 KiB on, after the first hit by somebody who takes it |
| `Age` | seconds since the value was loaded; absent where it was loaded for this answer |
| `Cache-Control` | `private, no-cache`: browsers may keep the answer and ask again each time |
| `Cache-Status` | what the cache did (RFC 9211); only for callers with a token or from this machine |
| `Server-Timing` | `alacena;dur=` and the milliseconds that the server took, its source included, once the request had arrived; shown to whom `Cache-Status` is |
| `Vary` | `accept-encoding`, and the headers that the read passes through to its source |

A request with `Cache-Control: no-cache` asks the source and keeps the answer; `no-store` keeps nothing. Both work only
for callers with a role: a public read does not let strangers load its source at will. Where the source knows that there
is no such thing the answer is a 404 problem `absent`, kept for `negative_ttl`. `Accept-Encoding: identity;q=0` gets gzip
at once; where it takes neither that nor the identity, the answer is a 406 problem `encoding-refused`.

`ttl` is what remains of the freshness in whole seconds, rounded up; negative once it is over.

";

const PROSE_AFTER_CACHE_STATUS: &str = "
## What a batch answers

`POST /reads/{name}/batch` answers 200 with one answer per call, in the order of the calls. Each has its `status`; with
200 the `body` and its `etag`, else the `problem` document. `age` and `cacheStatus` say what the headers of a single
answer say. A call that fails, or whose parameters are wrong, leaves the others alone. Some are asked at once; the answer
is sent while the rest is still being asked.

## What a write answers

What the source said, once the invalidation has been applied, with `Alacena-Level: applied`; 204 where the source said
nothing. 202 with `Alacena-Level: deferred` says that it is done and Redis could not be told: the invalidation is written
down, and other nodes hear of it once Redis is back (`deferred-volatile`: it is in the memory of this process only). What the
write invalidates is recorded durably before it is sent: a source that may have done it counts as one
that did, and only a definite refusal invalidates nothing.

## Reading what one has written

With Redis, a write and an invalidation answer `Alacena-After: <token>`, too. A read that sends it back, with `Alacena-After`,
is not answered with anything from before, on any node: it looks in Redis whether what it depends on still stands, where it
depends on what was changed. Of several tokens send all, with commas between them, at most 16. A token says nothing of what was
changed, is of use for 10 s, since other reads are as good after less than one, and only nodes with the same secret make and
take it; another one is refused as `parameter-invalid`. While Redis is away such a read asks its source.
What was answered with 202 other nodes show once they have been told, and no sooner for a token.

## OpenAPI

`GET /openapi.json` describes all of this for the running configuration: one operation for each declared read and write,
with the input schema of its tool, what it needs by way of tokens, and the problem documents. What is left out is listed
under `x-alacena-left-out` with the reason.

## Tools

Every read is an MCP tool of the same name; its input schema is what `GET /reads` shows, and its output schema, where
there is one, what the read declares as its `answer` or its source knows. A tool that fails answers `isError: true` with
the text, and with the problem document in `_meta` under `dev.alacena/problem`. What the cache did stands in `_meta` under
`dev.alacena/cache`: `origin`, `ageMs`, `freshForMs`, `stale`, `miss`, `collapsed`. `structuredContent` is the answer as
JSON, for clients before 2026-07-28 only where it is an object. An answer that some readers of JSON cannot take (half a
character as an escape, a number beyond every double, more than 100 levels) stands as text only.

The list comes in pages of 250, in the order of the names; a cursor of before a change is refused. Clients may
keep it for a minute, and share it (`cacheScope: public`) where there are no tokens and no read passes credentials on. A
call whose request has a `progressToken` is reported every second while it runs.

## Invalidating

`POST /cache/invalidate` takes one or more of `key`, `tags` (a list), `prefix`, `pattern`, `class`, `namespace` and
`all: true`, and answers `{\"level\": \"applied\", \"dropped\": n}` once no read of this node that begins afterwards can return
what was loaded before, and with Redis none of any other after 0.9 s. `dropped` counts markers and keys, not entries. `wait`
says how far it is to go before it is answered: `applied`, `replicated` (to `replicas`, 1 where nothing is said, within
`withinMs`, 1000; Redis only) or `barrier`, when no node answers with anything from before any more, connected or not: 0.9 s
longer. `level` says how far it has gone, which may be less; 202 where it is `deferred`. With `dryRun: true` nothing is invalidated; the answer says what would be, and how many entries depend on it.

In a `pattern` a `*` stands for one segment of a key and a last `*` for the rest: `activities:list:*:42:*`. `%2A` is the
character itself. A pattern that names a value needs its parameter in the `index` of the class; one that does not find
it there is refused with the declaration to add.

`GET /cache/invalidations` answers what has been invalidated, over restarts where there is a store: a list of `at`
(milliseconds since 1970), `who` (`api` and the name of the token, `write` and its name, …), `patterns` (what was named),
`level`, and `event`, `resource`, `id`, `entries` and `lagMs`, which are null: there are no events yet, and an
invalidation visits no entries. `GET /cache/invalidations/stats` answers `count`, `oldest`, `newest`, `byWho`, `byLevel`
and `byTarget`.

## Looking at keys

`GET /cache/keys` answers `{\"keys\": […], \"next\": …}`; `GET /cache/explain?key=…` answers `{\"explanations\": […]}`, one
for each read that can have the key, with its `entries`: none where nothing is held, several where callers' credentials
are part of the key. An entry shows `key`, `class`, `freshness`, `ageMs`, `freshForMs`, `staleForMs`, `standsInForMs`,
`loadMs` (how long its load took), `changed` (whether that brought another value), `negative`, `bytes`, `footing` (with
Redis: `shared`, or `local` of what was loaded while that was away) and `deps`, each with whether it still stands. `l2` says
what lies in Redis: the `name` there and the `entry`, null where there is none, with the same times and with `deps` of which
each `stands` for `certain`, `perhaps` (since then the server may have gone back in time) or is `gone`. `freshness` is what becomes of the entry now:

| `freshness` | means |
|---|---|
| `fresh` | it is answered |
| `revalidate` | it is answered while it is being refreshed |
| `stand-in` | it is past its time and answered if the source fails or is slow |
| `last-resort` | it was invalidated and is answered only if the source fails |
| `dead` | it is not answered |

In the text of a key, `:` and `%` inside a segment are written `%3A` and `%25`; in the query the `%` of those is written
`%25` once more. Pages look at every entry: they are for people, not for polling.
";

const PROSE_BEFORE_LIMITS: &str = "
## Limits

What a caller may cost is bounded before anything is known about it. A stop lets no request that has arrived go
unanswered, for at most `server.drain`.

| of | at most | more |
|---|---|---|
";

/// `docs/reference/metrics.md`.
#[must_use]
pub fn metrics_reference() -> String {
    let mut page = format!(
        "# Metrics\n\n{GENERATED}\n`GET /metrics` answers them in the text format of Prometheus (0.0.4), or as \
         OpenMetrics 1.0 where `Accept` names `application/openmetrics-text`: the same series, with their units. Counters count \
         since the start. Labels are names out of the configuration and reasons out of Alacena's own lists, never keys or \
         tags. A class of an application that the server is part of has an empty `read`, and an empty `source` where \
         nothing guards it.\n\n| name | type | labels | means |\n|---|---|---|---|\n"
    );
    for family in families() {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        row(&mut page, &[&format!("`{}`", family.name), family.kind, &labels.join(" "), family.help]);
    }
    page
}

/// `docs/reference/errors.md`.
#[must_use]
pub fn errors_reference() -> String {
    let mut page = format!(
        "# Errors\n\n{GENERATED}\nOver HTTP every failure is a problem document (RFC 9457, `application/problem+json`): `type`, \
         `title`, `status`, `detail` (what happened this time), `remedy`, `retryAfter` (seconds, with the header \
         `Retry-After`, where trying again can help) and `context` (what it was about). The command line and the log use \
         the same names.\n\n`type` is `{}` and stays what it is.\n\n| slug | status | kind | what went wrong | what to do \
         |\n|---|---|---|---|---|\n",
        "urn:alacena:error:<slug>"
    );
    for code in catalogue::ALL {
        debug_assert!(problem::type_of(code).ends_with(code.slug));
        let status = problem::status(code).as_u16().to_string();
        row(&mut page, &[&format!("`{}`", code.slug), &status, code.kind.as_str(), code.title, code.remedy]);
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(page, "| {} |", cells.join(" | ")).expect("writing to a String cannot fail");
}
