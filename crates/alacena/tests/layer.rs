//! The tower layer: what is cached, for whom, and what the service below gets to see.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use alacena::{
    Alacena, CacheLayer, CacheService, ClassSettings, GuardSettings, LayerBody, class::Policy,
    ledger::Target, outcome::Facts,
};
use alacena_testkit::FakeRuntime;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{
    HeaderName, Request, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, AGE, AUTHORIZATION, ETAG, IF_NONE_MATCH, RETRY_AFTER},
};
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};

type Answer = Response<Full<Bytes>>;
/// The body of a request: nothing.
type Ask = Empty<Bytes>;
/// What the layer is asked for in a task of its own.
type Asked = tokio::task::JoinHandle<Response<LayerBody<Full<Bytes>>>>;

/// A service behind the layer, which counts its calls and answers by `answer`.
struct World {
    alacena: Alacena,
    runtime: FakeRuntime,
    calls: Arc<AtomicUsize>,
    ask: Box<dyn Fn(Request<Ask>) -> Asked + Send + Sync>,
}

fn policy() -> Policy {
    Policy { ttl: Duration::from_secs(60), jitter: 0.0, item_bytes_max: 1000, ..Policy::default() }
}

impl World {
    fn new(answer: impl Fn(usize, &Request<Ask>) -> Answer + Clone + Send + Sync + 'static) -> Self {
        Self::with(answer, |layer| layer)
    }

    fn with(
        answer: impl Fn(usize, &Request<Ask>) -> Answer + Clone + Send + Sync + 'static,
        configure: impl FnOnce(CacheLayer) -> CacheLayer,
    ) -> Self {
        let runtime = FakeRuntime::new(1);
        let alacena = Alacena::builder().runtime(Arc::new(runtime.clone())).build();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let service = service_fn(move |request: Request<Ask>| {
            let (answer, call) = (answer.clone(), counted.fetch_add(1, SeqCst) + 1);
            async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(answer(call, &request))
            }
        });
        let service = configure(alacena.cache_layer("pages", policy()).unwrap()).layer(service);
        Self { alacena, runtime, calls, ask: Box::new(move |request| spawn(service.clone(), request)) }
    }

    async fn get(&self, request: Request<Ask>) -> Response<LayerBody<Full<Bytes>>> {
        (self.ask)(request).await.unwrap()
    }

    async fn text(&self, request: Request<Ask>) -> String {
        text(self.get(request).await).await
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
}

#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn spawn<S>(service: CacheService<S>, request: Request<Ask>) -> Asked
where
    S: tower::Service<Request<Ask>, Response = Answer, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    tokio::spawn(async move { service.oneshot(request).await.unwrap() })
}

async fn text(response: Response<LayerBody<Full<Bytes>>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn page(text: impl Into<String>) -> Answer {
    Response::new(Full::new(Bytes::from(text.into())))
}

fn get(path: &str) -> Request<Ask> {
    Request::get(path).body(Ask::new()).unwrap()
}

fn get_with(path: &str, name: &HeaderName, value: &str) -> Request<Ask> {
    Request::get(path).header(name, value).body(Ask::new()).unwrap()
}

#[tokio::test]
async fn a_hundred_callers_are_one_call_and_then_a_hit_with_its_age() {
    let world = World::new(|call, request| page(format!("{} {call}", request.uri())));
    let answers = join_all((0..100).map(|_| world.text(get("/menu?day=1")))).await;
    assert!(answers.iter().all(|answer| answer == "/menu?day=1 1"));
    world.runtime.advance(Duration::from_secs(9)).await;
    let hit = world.get(get("/menu?day=1")).await;
    assert_eq!(hit.headers()[AGE], "9");
    assert!(hit.extensions().get::<Facts>().unwrap().miss.is_none());
    assert_eq!((world.calls(), text(hit).await), (1, "/menu?day=1 1".to_owned()));
    assert_eq!(world.text(get("/menu?day=2")).await, "/menu?day=2 2");
}

#[tokio::test]
async fn what_is_not_in_the_key_never_reaches_the_service() {
    let echo = |_: usize, request: &Request<Ask>| page(format!("{:?}", request.headers()));
    let world = World::with(echo, |layer| layer.keyed_by(&[ACCEPT_LANGUAGE]).unwrap());
    let evil = HeaderName::from_static("x-forwarded-host");
    let first = world.text(get_with("/", &evil, "evil.example")).await;
    assert_eq!(first, "{}", "nobody is answered with what somebody else sent");
    let spanish = world.text(get_with("/", &ACCEPT_LANGUAGE, "es")).await;
    let english = world.text(get_with("/", &ACCEPT_LANGUAGE, "en")).await;
    assert!(spanish.contains("es") && english.contains("en"));
    assert_eq!(world.text(get_with("/", &ACCEPT_LANGUAGE, "es")).await, spanish);
    assert_eq!(world.calls(), 3);
}

#[tokio::test]
async fn a_caller_with_credentials_has_answers_of_its_own_or_none_out_of_the_cache() {
    let answer = |call: usize, request: &Request<Ask>| {
        page(format!("{call} {:?}", request.headers().get(AUTHORIZATION)))
    };
    let passing = World::new(answer);
    for call in 1..=2 {
        let answer = passing.text(get_with("/", &AUTHORIZATION, "Bearer ana")).await;
        assert!(answer.starts_with(&format!("{call} ")) && answer.contains("Bearer ana"), "{answer}");
    }
    let keyed = World::with(answer, |layer| layer.keyed_by(&[AUTHORIZATION]).unwrap());
    let (ana, bea) = (get_with("/", &AUTHORIZATION, "a"), get_with("/", &AUTHORIZATION, "b"));
    let (ana, bea) = (keyed.text(ana).await, keyed.text(bea).await);
    assert_ne!(ana, bea);
    assert_eq!(keyed.text(get_with("/", &AUTHORIZATION, "a")).await, ana);
    assert_eq!(keyed.calls(), 2);
}

#[tokio::test]
async fn what_the_answer_forbids_is_not_kept() {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cache-control", "max-age=60, private"),
        ("vary", "*"),
        ("set-cookie", "session=1"),
    ] {
        let world = World::new(move |call, _| {
            Response::builder().header(name, value).body(Full::new(Bytes::from(call.to_string()))).unwrap()
        });
        let answers = join_all((0..3).map(|_| world.text(get("/")))).await;
        assert_eq!(answers.len(), 3);
        assert_eq!(world.calls(), 3, "{name}: {value} was shared");
    }
    let short = World::new(|call, _| {
        Response::builder()
            .header("cache-control", "max-age=5")
            .body(Full::new(Bytes::from(call.to_string())))
            .unwrap()
    });
    assert_eq!(short.text(get("/")).await, "1");
    short.runtime.advance(Duration::from_secs(6)).await;
    assert_eq!(short.text(get("/")).await, "2");
}

#[tokio::test]
async fn a_failing_service_is_stood_in_for_and_otherwise_heard_by_everyone() {
    let world = World::new(|call, _| match call {
        1 => page("good"),
        _ => Response::builder().status(503).body(Full::new(Bytes::from_static(b"down"))).unwrap(),
    });
    assert_eq!(world.text(get("/a")).await, "good");
    world.runtime.advance(Duration::from_secs(61)).await;
    assert_eq!(world.text(get("/a")).await, "good", "an older answer stands in");
    for failed in join_all((0..5).map(|_| world.get(get("/b")))).await {
        assert_eq!(
            (failed.status(), &failed.headers()[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
        );
        assert_eq!(text(failed).await, "down");
    }
    assert_eq!(world.calls(), 3, "one call for all of them");
}

#[tokio::test]
async fn nothing_there_is_kept_for_a_shorter_time() {
    let world = World::new(|call, _| {
        Response::builder().status(404).body(Full::new(Bytes::from(call.to_string()))).unwrap()
    });
    assert_eq!(world.text(get("/")).await, "1");
    assert_eq!(world.get(get("/")).await.status(), StatusCode::NOT_FOUND);
    world.runtime.advance(Duration::from_secs(31)).await;
    assert_eq!(world.text(get("/")).await, "2");
}

#[tokio::test]
async fn a_long_answer_arrives_whole_and_is_not_kept() {
    let world = World::new(|call, _| page(call.to_string().repeat(5000)));
    assert_eq!(world.text(get("/")).await, "1".repeat(5000));
    assert_eq!(world.text(get("/")).await, "2".repeat(5000));
}

#[tokio::test]
async fn an_entity_tag_that_the_caller_has_saves_the_body() {
    let world = World::new(|_, _| {
        Response::builder().header(ETAG, "\"v1\"").body(Full::new(Bytes::from_static(b"x"))).unwrap()
    });
    world.get(get("/")).await;
    for (tags, status) in [("\"v0\", W/\"v1\"", 304), ("*", 304), ("\"v2\"", 200)] {
        let answer = world.get(get_with("/", &IF_NONE_MATCH, tags)).await;
        assert_eq!(answer.status().as_u16(), status, "{tags}");
    }
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_tag_of_the_request_invalidates_its_answers() {
    let world = World::with(
        |call, _| page(call.to_string()),
        |layer| layer.tagged(|request| vec![format!("page:{}", request.uri.path())]),
    );
    assert_eq!((world.text(get("/a")).await, world.text(get("/b")).await), ("1".into(), "2".into()));
    world.alacena.invalidate(&[Target::Tag("page:/a".into())], "test").await.unwrap();
    assert_eq!((world.text(get("/a")).await, world.text(get("/b")).await), ("3".into(), "2".into()));
}

#[tokio::test]
async fn class_prefix_and_key_reach_the_answers_of_a_layer() {
    let world =
        World::with(|call, _| page(call.to_string()), |layer| layer.keyed_by(&[ACCEPT_LANGUAGE]).unwrap());
    let ask = || {
        let both =
            [get_with("/a", &ACCEPT_LANGUAGE, "es"), get_with("/a", &ACCEPT_LANGUAGE, "en"), get("/b")];
        join_all(both.map(|request| world.text(request)))
    };
    for (target, changed) in [
        (Target::Class("pages".into()), [true, true, true]),
        (Target::Prefix("pages".into()), [true, true, true]),
        (Target::Key("pages::/a".into()), [true, true, false]),
        (Target::Key("pages:shop.example:/a".into()), [false, false, false]),
    ] {
        let before = ask().await;
        world.alacena.invalidate(std::slice::from_ref(&target), "test").await.unwrap();
        let after = ask().await;
        assert_eq!([0, 1, 2].map(|at| before[at] != after[at]), changed, "{target}");
    }
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_its_callers_hear_for_how_long() {
    let alacena = Alacena::builder().runtime(Arc::new(FakeRuntime::new(1))).build();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |_: Request<Ask>| {
        counted.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(Response::builder().status(500).body(Full::<Bytes>::default()).unwrap()) }
    });
    let settings = ClassSettings::new(policy()).guarded("shop", GuardSettings::default());
    let service = alacena.cache_layer("pages", settings).unwrap().layer(service);
    for path in ["/1", "/2", "/3", "/4", "/5"] {
        assert_eq!(spawn(service.clone(), get(path)).await.unwrap().status().as_u16(), 500);
    }
    let refused = spawn(service.clone(), get("/6")).await.unwrap();
    assert_eq!((refused.status(), calls.load(SeqCst)), (StatusCode::SERVICE_UNAVAILABLE, 5));
    assert!(refused.headers()[RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let figures = alacena.figures();
    assert_eq!((figures.sources[0].source.as_str(), figures.sources[0].breaker.state), ("shop", "OPEN"));
    assert_eq!((figures.classes[0].class.as_str(), figures.classes[0].load_errors), ("pages", 5));
}

#[tokio::test]
async fn the_error_of_a_service_reaches_the_one_who_led_and_a_gateway_error_the_others() {
    let alacena = Alacena::builder().runtime(Arc::new(FakeRuntime::new(1))).build();
    let service = service_fn(|_: Request<Ask>| async {
        tokio::task::yield_now().await;
        Err::<Answer, _>("broken")
    });
    let service = alacena.cache_layer("pages", policy()).unwrap().layer(service);
    let (first, second) = tokio::join!(service.clone().oneshot(get("/")), service.oneshot(get("/")));
    assert_eq!(first.unwrap_err(), "broken");
    assert_eq!(second.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}
