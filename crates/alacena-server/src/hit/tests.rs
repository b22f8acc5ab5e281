//! The short way and the long way are asked the same, over the same entries, and must say the same.

use std::sync::Arc;

use alacena::{
    Alacena, Ask,
    config::{Config, Layers},
};
use alacena_testkit::FakeRuntime;
use axum::{Router, body::Body as RouterBody, http::HeaderMap};
use proptest::{collection::vec, prelude::*, sample::select};
use tokio::runtime::Runtime as Tokio;
use tower::Service;

use super::*;
use crate::routes;

const DECLARED: &str = r#"
[embedded]
path = "{folder}/store"
[sources.db]
kind = "sqlite"
path = "{folder}/app.db"
[classes.plain]
ttl = "300s"
jitter = 0
[reads.item]
source = "db"
class = "plain"
sql = "select id, amount from items where id = :id and mode = :mode and (:q is null or q = :q)"
params.id = { type = "integer", min = -5, max = 1000 }
params.mode = { type = "string", default = "full", choices = ["full", "a b", "á&="] }
params.q = { type = "string", required = false, length_max = 4 }
[reads.open_item]
source = "db"
class = "plain"
public = true
sql = "select id from items where id = :id"
params.id = { type = "integer" }
"#;

const TOKENS: [(&str, &str); 2] = [("app", "read"), ("ops", "operate")];

/// A server without its sockets, with some entries in memory.
struct Server {
    tokio: Tokio,
    app: App,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Server {
    fn new(extra: &str) -> Self {
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let database = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
        let table = "create table items (id integer, amount integer, mode text, q text)";
        database.execute_batch(table).unwrap();
        drop(database);
        let text = format!("{DECLARED}\n{extra}").replace("{folder}", folder.path().to_str().unwrap());
        let config = Config::parse(&text, "test.toml", &Layers::default()).unwrap();
        let mut settings = ServerSettings::of(&config, "1.2.3");
        settings.cors_origins = vec!["https://app.example".to_owned()];
        settings.hosts = vec!["box.lan".to_owned()];
        let app = tokio.block_on(async {
            let runtime = Arc::new(FakeRuntime::new(1));
            let alacena = Alacena::open(&config, runtime).await.unwrap();
            App::new(alacena, settings, "127.0.0.1:80".parse().unwrap())
        });
        let router = app_router(&tokio, &app);
        let server = Self { tokio, app, router, _folder: folder };
        for (id, mode) in [("7", "full"), ("-5", "a b"), ("0", "á&=")] {
            server.warm("item", &[("id", id), ("mode", mode)]);
        }
        server.warm("item", &[("id", "7"), ("q", "x")]);
        server.warm("open_item", &[("id", "7")]);
        server
    }

    fn with_tokens() -> Self {
        let tokens = TOKENS.map(|(token, role)| {
            let hash = blake3::hash(token.as_bytes());
            format!("[tokens.{token}]\nhash = \"blake3:{hash}\"\nrole = \"{role}\"\n")
        });
        Self::new(&tokens.concat())
    }

    fn warm(&self, read: &str, given: &[(&str, &str)]) {
        let read = self.app.alacena().declared_read(read).unwrap();
        let parameters = Parameters::from_text(&read.parameters, given.iter().copied()).unwrap();
        self.tokio.block_on(read.ask(parameters, Ask::default())).unwrap();
    }

    /// What each way says. Nothing is loaded that was not there before, so that the order is none.
    fn ask(&self, said: &Said) -> (Option<Answer>, Answer) {
        let peer = Peer(said.peer.parse().unwrap());
        let mut request = said.request();
        let short = answer(&self.app, peer, &mut request, &mut BytesMut::new()).map(|response| {
            let (head, payload) = response.into_parts();
            let Payload::Hit(bytes) = payload else { panic!("the short way calls no handler") };
            Answer::new(head.status.as_u16(), head.headers, &bytes.unwrap_or_default(), &said.method)
        });
        if short.is_none() {
            assert_eq!(format!("{:?}", request.headers()), format!("{:?}", said.request().headers()));
        }
        let mut request = said.request();
        request.extensions_mut().insert(peer);
        let long = self.tokio.block_on(async {
            let Ok(response) = self.router.clone().call(request).await;
            let (head, body) = response.into_parts();
            let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            Answer::new(head.status.as_u16(), head.headers, &bytes, &said.method)
        });
        (short, long)
    }
}

fn app_router(tokio: &Tokio, app: &App) -> Router {
    let _entered = tokio.enter();
    routes::router(app.clone())
}

/// What a client can see of an answer.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// What `content-length` says for a method with a body is what hyper counts itself, and leaves out of a 304.
    fn new(status: u16, mut map: HeaderMap, bytes: &[u8], method: &Method) -> Self {
        if *method != Method::HEAD || status == 304 {
            map.remove(CONTENT_LENGTH);
        }
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        let mut headers: Vec<_> = map.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        headers.sort();
        Self { status, headers, body: bytes.to_vec() }
    }
}

/// A request, with somebody who sends it.
#[derive(Clone, Debug)]
struct Said {
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    peer: &'static str,
}

fn get(target: &str) -> Said {
    Said {
        method: Method::GET,
        target: target.to_owned(),
        headers: vec![("host", "localhost:8080".to_owned())],
        body: "",
        peer: "127.0.0.1:5000",
    }
}

impl Said {
    fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn at_host(mut self, host: &str) -> Self {
        self.headers[0].1 = host.to_owned();
        self
    }

    fn from(self, peer: &'static str) -> Self {
        Self { peer, ..self }
    }

    fn request(&self) -> Request<RouterBody> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = if self.body.is_empty() { RouterBody::empty() } else { RouterBody::from(self.body) };
        request.body(body).unwrap()
    }
}

const ITEM: &str = "/reads/item?id=7";

/// The way that a request takes, and what both of them say.
fn short(server: &Server, said: &Said) -> Answer {
    let (short, long) = server.ask(said);
    let short = short.unwrap_or_else(|| panic!("{said:?} took the long way: {long:?}"));
    assert_eq!(short, long, "{said:?}");
    short
}

fn long(server: &Server, said: &Said) -> Answer {
    let (short, long) = server.ask(said);
    assert_eq!(short, None, "{said:?} took the short way");
    long
}

#[test]
fn a_plain_hit_takes_the_short_way_however_it_is_written() {
    let server = Server::new("");
    let found = short(&server, &get(ITEM));
    assert_eq!((found.status, found.body.as_slice()), (200, &b"[]"[..]));
    let etag = found.headers.iter().find_map(|(name, value)| (name == "etag").then_some(value)).unwrap();
    for said in [
        get("/reads/item?mode=full&id=7"),
        get("/reads/item?id=%37&mode=f%75ll"),
        get("/reads/item?&&id=007&"),
        get("/reads/item?id=%2B7"),
        get("/reads/item?q=x&id=7"),
        get("/reads/item?q=&id=7"),
        get("/reads/item?id=-5&mode=a+b"),
        get("/reads/item?id=-0&mode=%C3%A1%26="),
        get("http://localhost/reads/item?id=7").at_host("box.lan"),
        get(ITEM).by(Method::HEAD),
        get(ITEM).with("if-none-match", etag),
        get(ITEM).with("if-none-match", etag).by(Method::HEAD),
        get(ITEM).with("if-none-match", "\"other\"").with("if-none-match", &format!("\"a\", W/{etag}")),
        get(ITEM).with("if-none-match", "\"other\""),
        get(ITEM).with("origin", "https://app.example"),
        get(ITEM).with("origin", "https://evil.example"),
        get(ITEM).with("origin", "http://localhost:8080"),
        get(ITEM).with("sec-fetch-site", "cross-site").with("sec-fetch-mode", "navigate"),
        get(ITEM).with("cache-control", "max-age=0"),
        get(ITEM).with("alacena-token", "anything"),
        get(ITEM).with("accept-encoding", "gzip, br"),
        get(ITEM).at_host("BOX.lan:9"),
        get(ITEM).from("203.0.113.9:5000"),
    ] {
        short(&server, &said);
    }
}

#[test]
fn whatever_else_there_is_to_say_takes_the_long_way() {
    let server = Server::new("");
    for (said, status) in [
        (get("/reads/%69tem?id=7"), 200),
        (get("/reads/item/?id=7"), 404),
        (get("/reads/?id=7"), 404),
        (get("/reads/other?id=7"), 404),
        (get("/reads/item"), 400),
        (get("/reads/item?id=7&id=7"), 400),
        (get("/reads/item?id=7&unknown=1"), 400),
        (get("/reads/item?id=1001"), 400),
        (get("/reads/item?id=7&mode=none"), 400),
        (get("/reads/item?id=7&q=%ff"), 400),
        (get("/reads/item?id=7&q=five5"), 400),
        (get(ITEM).by(Method::POST), 400),
        (get(ITEM).by(Method::OPTIONS), 405),
        (get(ITEM).by(Method::DELETE), 405),
        (get(ITEM).at_host("evil.example"), 403),
        (get(ITEM).with("host", "localhost"), 403),
        (get(ITEM).with("sec-fetch-site", "cross-site"), 403),
        (get(ITEM).with("cache-control", "no-cache"), 200),
        (get(ITEM).with("cache-control", "x, No-Store"), 200),
        (get(ITEM).with("accept-encoding", "gzip, *;q=0"), 200),
        (get(ITEM).with("accept-encoding", "br, *;q=0"), 406),
        (Said { body: "{}", ..get(ITEM) }, 200),
    ] {
        assert_eq!(long(&server, &said).status, status, "{said:?}");
    }
    // Nothing is there yet, and then it is.
    let cold = get("/reads/item?id=8");
    assert_eq!(long(&server, &cold).status, 200);
    assert_eq!(short(&server, &cold).status, 200);
}

#[test]
fn tokens_open_the_same_doors_on_both_ways() {
    let server = Server::with_tokens();
    let public = "/reads/open_item?id=7";
    for said in [
        get(ITEM).with("authorization", "Bearer app"),
        get(ITEM).with("alacena-token", "ops"),
        get(ITEM).with("alacena-token", "ops").with("authorization", "Bearer nobody"),
        get(ITEM).with("authorization", "bearer  app").at_host("any.example"),
        get(public),
        get(public).with("x-forwarded-for", "203.0.113.9"),
        get(public).from("203.0.113.9:5000"),
        get(public).from("203.0.113.9:5000").with("alacena-token", "app"),
        get(public).with("alacena-token", "nobody"),
        // Strangers cannot reach past the cache.
        get(public).with("cache-control", "no-cache"),
    ] {
        assert_eq!(short(&server, &said).status, 200, "{said:?}");
    }
    for (said, status) in [
        (get(ITEM), 401),
        (get(ITEM).with("authorization", "Bearer nobody"), 401),
        (get(ITEM).with("authorization", "Basic app"), 401),
        (get(ITEM).with("alacena-token", "nobody").with("authorization", "Bearer app"), 401),
        (get("/reads/other?id=7"), 401),
        (get(public).with("alacena-token", "app").with("cache-control", "no-cache"), 200),
    ] {
        assert_eq!(long(&server, &said).status, status, "{said:?}");
    }
}

/// What a query may be made of: what the reads know, what they do not, and whatever makes it hard to read.
fn query() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "id",
        "mode",
        "q",
        "x",
        "=",
        "&",
        "7",
        "-5",
        "0",
        "007",
        "+7",
        "1e1",
        "full",
        "a+b",
        "a%20b",
        "%C3%A1%26%3D",
        "%",
        "%2",
        "%ff",
        "%00",
        "+",
        ";",
        "%3D",
        "%26",
        "id=7",
        "&id=7&",
        "mode=full&",
        "q=x&",
        "q=&",
    ]);
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let header = select(vec![
        ("host", "localhost"),
        ("host", "evil.example"),
        ("origin", "https://app.example"),
        ("origin", "null"),
        ("authorization", "Bearer app"),
        ("authorization", "Bearer nobody"),
        ("alacena-token", "ops"),
        ("alacena-token", ""),
        ("cache-control", "no-cache"),
        ("cache-control", "no-transform, max-age=1"),
        ("if-none-match", "*"),
        ("if-none-match", "W/\"x\", \"y\""),
        ("x-forwarded-for", "203.0.113.9"),
        ("sec-fetch-site", "cross-site"),
        ("accept-encoding", "gzip"),
        ("accept-encoding", "br;q=1, *;q=0"),
    ]);
    vec(header, 0..4)
        .prop_map(|headers| headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect())
}

#[test]
fn whatever_is_asked_both_ways_say_the_same_where_both_answer() {
    let (open, with_tokens) = (Server::new(""), Server::with_tokens());
    let path = select(vec!["/reads/item", "/reads/open_item", "/reads/none", "/reads"]);
    let method = select(vec![Method::GET, Method::GET, Method::HEAD, Method::POST]);
    let said = (path, query(), method, headers()).prop_map(|(path, query, method, more)| {
        let mut said = get(&format!("{path}?{query}")).by(method);
        said.headers.extend(more);
        said
    });
    proptest!(ProptestConfig::with_cases(512), |(said in said)| {
        for server in [&open, &with_tokens] {
            if let (Some(short), long) = server.ask(&said) {
                prop_assert_eq!(short, long);
            }
        }
    });
}
