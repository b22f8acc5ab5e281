//! The tower layer at its edges: answers that are for one, are cut short, or were cached before; requests that say more
//! than their head.
#![cfg(feature = "tower")]
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use alacena::{Alacena, CacheLayer, CacheService, LayerBody, class::Policy, ledger::Target};
use alacena_testkit::FakeRuntime;
use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, AGE, CONTENT_LENGTH, ETAG, HOST, IF_NONE_MATCH, RETRY_AFTER, SET_COOKIE},
};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use tower::{Layer as _, Service, ServiceExt as _, util::BoxCloneSyncService};

type Answer = Response<Full<Bytes>>;
type Below = BoxCloneSyncService<Request<Full<Bytes>>, Answer, Infallible>;

/// Answers with the given ones, one a call, and then with the last of them again; what it was asked stands in the log.
struct Script {
    answers: Vec<Answer>,
    log: Mutex<Vec<Request<Full<Bytes>>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = http::response::Builder>, bodies: &[&str]) -> Arc<Self> {
        let with_body = |(answer, body): (http::response::Builder, &&str)| {
            answer.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
        };
        Arc::new(Self {
            answers: answers.into_iter().zip(bodies).map(with_body).collect(),
            log: Mutex::default(),
        })
    }

    fn service(self: &Arc<Self>) -> Below {
        let script = Arc::clone(self);
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
            let call = {
                let mut log = script.log.lock();
                log.push(request);
                log.len() - 1
            };
            let answer = script.answers[call.min(script.answers.len() - 1)].clone();
            async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(answer)
            }
        }))
    }

    fn calls(&self) -> usize {
        self.log.lock().len()
    }
}

struct World {
    runtime: FakeRuntime,
    script: Arc<Script>,
    service: CacheService<Below>,
}

fn policy() -> Policy {
    Policy { ttl: Duration::from_secs(60), jitter: 0.0, item_bytes_max: 10_000, ..Policy::default() }
}

fn layer(runtime: &FakeRuntime) -> CacheLayer {
    let alacena = Alacena::builder().runtime(Arc::new(runtime.clone())).build();
    alacena.cache_layer("pages", policy()).unwrap()
}

impl World {
    fn new(script: Arc<Script>) -> Self {
        let runtime = FakeRuntime::new(1);
        let service = layer(&runtime).layer(script.service());
        Self { runtime, script, service }
    }

    fn ask(&self, request: Request<Full<Bytes>>) -> BoxFuture<'static, Response<LayerBody<Full<Bytes>>>> {
        let service = self.service.clone();
        Box::pin(async move { service.oneshot(request).await.unwrap() })
    }

    async fn text(&self, request: Request<Full<Bytes>>) -> String {
        text(self.ask(request).await).await
    }
}

async fn text(response: Response<LayerBody<Full<Bytes>>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn get(body: &'static str) -> Request<Full<Bytes>> {
    Request::get("/").body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

fn status(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

#[tokio::test]
async fn a_failure_that_is_meant_for_one_is_whole_for_the_one_and_a_status_for_the_others() {
    let long = "x".repeat(9_000);
    for (headers, body) in [
        (vec![(SET_COOKIE, "session=of-the-first"), (RETRY_AFTER, "7")], "yours"),
        (vec![(HeaderName::from_static("cache-control"), "no-store")], "yours"),
        (vec![(HeaderName::from_static("cache-control"), "max-age=9, private")], "yours"),
        (vec![], long.as_str()),
    ] {
        let failed = headers.iter().fold(status(503), |answer, (name, value)| answer.header(name, *value));
        let world = World::new(Script::new([failed], &[body]));
        let mut answers = join_all((0..3).map(|_| world.ask(get("")))).await;
        // Somebody who comes while the key rests.
        answers.push(world.ask(get("")).await);
        assert_eq!(world.script.calls(), 1);
        let mut whole = 0;
        for answer in answers {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.headers().contains_key(RETRY_AFTER));
            let is_own = headers
                .iter()
                .all(|(name, value)| answer.headers().get(name).is_some_and(|held| held == value));
            let has_cookie = answer.headers().contains_key(SET_COOKIE);
            let body_of_it = text(answer).await;
            if body_of_it == body && is_own {
                whole += 1;
            } else {
                assert!(body_of_it.is_empty() && !has_cookie, "{headers:?}");
            }
        }
        assert_eq!(whole, 1, "{headers:?}");
    }
}

#[tokio::test]
async fn what_a_request_says_in_a_body_is_in_nobody_elses_answer() {
    let world = World::new(Script::new([status(200), status(200)], &["for the body", "for nobody"]));
    assert_eq!(world.text(get("no header says that I am here")).await, "for the body");
    assert_eq!(world.text(get("")).await, "for nobody");
    assert_eq!(world.text(get("")).await, "for nobody");
    assert_eq!(world.script.calls(), 2);
}

#[tokio::test]
async fn a_part_of_an_answer_is_never_taken_for_the_whole() {
    let short = || status(200).header(CONTENT_LENGTH, "9");
    let world = World::new(Script::new([short(), status(200), short()], &["part", "whole", "part"]));
    let cut = world.ask(get("")).await;
    assert_eq!((cut.status(), text(cut).await), (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    world.runtime.advance(Duration::from_secs(2)).await;
    assert_eq!(world.text(get("")).await, "whole");
    world.runtime.advance(Duration::from_secs(61)).await;
    assert_eq!(world.text(get("")).await, "whole", "what is held stands in");
    assert_eq!(world.script.calls(), 3);
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_be_kept_says_how_long_and_a_failure_can_be_long_too() {
    let long = "x".repeat(20_000);
    let answers = [status(200), status(500), status(200).header(CONTENT_LENGTH, "20000")];
    let world = World::new(Script::new(answers, &["good", &long, &long]));
    assert_eq!(world.text(get("")).await, "good");
    world.runtime.advance(Duration::from_secs(61)).await;
    assert_eq!(world.text(get("")).await, "good", "it failed, so what is held stands in");
    let other = Request::get("/other").body(Full::default()).unwrap();
    let answer = world.ask(other).await;
    assert_eq!(answer.headers()[CONTENT_LENGTH], "20000");
    assert_eq!(text(answer).await, long);
}

#[tokio::test]
async fn an_answer_out_of_another_cache_is_as_old_as_it_is() {
    let answer = status(200).header("cache-control", "max-age=60").header(AGE, "20");
    let world = World::new(Script::new([answer], &["x"]));
    assert_eq!(world.ask(get("")).await.headers()[AGE], "20");
    world.runtime.advance(Duration::from_secs(9)).await;
    assert_eq!(world.ask(get("")).await.headers()[AGE], "29");
}

#[tokio::test]
async fn only_what_was_found_can_be_unchanged_and_a_connection_is_not_cached() {
    let answer = status(404).header(ETAG, "\"v1\"").header("connection", "x-hop").header("x-hop", "1");
    let world = World::new(Script::new([answer.header("keep-alive", "timeout=5")], &["nothing here"]));
    world.ask(get("")).await;
    let mut again = get("");
    again.headers_mut().insert(IF_NONE_MATCH, "\"v1\"".parse().unwrap());
    let again = world.ask(again).await;
    assert_eq!((again.status(), world.script.calls()), (StatusCode::NOT_FOUND, 1));
    assert!(["connection", "x-hop", "keep-alive"].iter().all(|name| !again.headers().contains_key(*name)));
}

#[tokio::test]
async fn a_name_is_one_layer_and_a_header_is_keyed_once() {
    let runtime = FakeRuntime::new(1);
    let alacena = Alacena::builder().runtime(Arc::new(runtime)).build();
    let pages = alacena.cache_layer("pages", policy()).unwrap();
    let second = alacena.cache_layer("pages", policy()).unwrap_err();
    assert!(second.to_string().contains("clone"), "{second}");

    let script = Script::new([status(200)], &["x"]);
    let keyed = pages.keyed_by(&[HOST, ACCEPT_LANGUAGE, ACCEPT_LANGUAGE]).unwrap();
    let mut service = keyed.layer(script.service());
    let request = Request::get("/").header(HOST, "shop.example").header(ACCEPT_LANGUAGE, "es");
    let request = request.body(Full::default()).unwrap();
    service.ready().await.unwrap().call(request).await.unwrap();
    let log = script.log.lock();
    assert_eq!(log[0].headers().len(), 2, "{:?}", log[0].headers());
}

#[tokio::test]
async fn one_question_has_the_same_tags_whoever_asks_it() {
    let runtime = FakeRuntime::new(1);
    let alacena = Alacena::builder().runtime(Arc::new(runtime)).build();
    let tenant =
        |headers: &HeaderMap| headers.get("x-tenant").and_then(|name| name.to_str().ok()).map(str::to_owned);
    let pages = alacena.cache_layer("pages", policy()).unwrap();
    let pages = pages.tagged(move |request| vec![tenant(&request.headers).unwrap_or("everybody".to_owned())]);
    let script = Script::new([status(200), status(200)], &["old", "new"]);
    let service = pages.layer(script.service());
    for (name, expected) in [("a", "old"), ("b", "old"), ("b", "new")] {
        if expected == "new" {
            alacena.invalidate(&[Target::Tag("everybody".to_owned())], "test").await.unwrap();
        }
        let request = Request::get("/").header("x-tenant", name).body(Full::default()).unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(text(answer).await, expected, "{name} is in no key");
    }
}

#[tokio::test]
async fn a_key_means_what_was_asked_with_the_host_in_its_address_too() {
    let alacena = Alacena::builder().runtime(Arc::new(FakeRuntime::new(1))).build();
    let script = Script::new([status(200), status(200), status(200)], &["1", "2", "3"]);
    let service = alacena.cache_layer("pages", policy()).unwrap().layer(script.service());
    let ask = async || {
        // As HTTP/2 brings it.
        let request = Request::get("https://shop.example/menu?day=1").body(Full::default()).unwrap();
        text(service.clone().oneshot(request).await.unwrap()).await
    };
    assert_eq!((ask().await, ask().await), ("1".to_owned(), "1".to_owned()));
    for (key, expected) in [
        ("pages:other.example:/menu?day=1", "1"),
        ("pages:shop.example:/menu?day=1", "2"),
        ("pages::https%3A//shop.example/menu?day=1", "3"),
    ] {
        alacena.invalidate(&[Target::Key(key.to_owned())], "test").await.unwrap();
        assert_eq!(ask().await, expected, "{key}");
    }
}

#[tokio::test]
async fn a_tag_is_what_stands_in_quotes() {
    let world = World::new(Script::new([status(200).header(ETAG, "W/\"a, *, b\"")], &["x"]));
    for (tags, expected) in [
        ("\"a, *, b\"", 304),
        ("\"c\", W/\"a, *, b\"", 304),
        (" * ", 304),
        ("\"c, *, d\"", 200),
        ("\"a\", \"*\", \"b\"", 200),
    ] {
        let mut request = get("");
        request.headers_mut().insert(IF_NONE_MATCH, tags.parse().unwrap());
        assert_eq!(world.ask(request).await.status().as_u16(), expected, "{tags}");
    }
}
