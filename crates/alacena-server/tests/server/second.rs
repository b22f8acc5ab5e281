//! Two servers that share a Redis: what one of them has changed, the other shows to whoever changed it.

use std::{net::SocketAddr, time::Duration};

use alacena::{Alacena, SystemRuntime, config::Config};
use alacena_server::{Server, ServerSettings, bind};
use alacena_testkit::{
    chaos::{ChaosProxy, Close, Door, Fault, Rule},
    servers::{Flavour, RedisServer},
};
use serde_json::{Value as Json, json};

use crate::support::{Answer, get, post};

/// A server of ours, on a database that all of them share and a store of its own.
struct Node {
    address: SocketAddr,
    alacena: Alacena,
}

/// What the nodes of a test have in common.
struct World {
    redis: RedisServer,
    folder: tempfile::TempDir,
}

const TOTAL: &str = "/reads/total?company=42";
const ORDER: &str = r#"{"company": 42, "amount": 7}"#;

impl World {
    /// `None` where this machine has no Redis, which has been said aloud.
    fn new() -> Option<Self> {
        let redis =
            Flavour::ALL.into_iter().find_map(|flavour| RedisServer::builder().flavour(flavour).start())?;
        let folder = tempfile::tempdir().unwrap();
        rusqlite::Connection::open(folder.path().join("app.db"))
            .unwrap()
            .execute_batch(
                "create table orders (company integer, amount integer); insert into orders values (42, 5);",
            )
            .unwrap();
        Some(Self { redis, folder })
    }

    /// A server that reaches Redis at this address.
    async fn node(&self, name: &str, redis: SocketAddr) -> Node {
        let folder = self.folder.path().display();
        let text = format!(
            r#"
            server.secret = "of all nodes, and long enough to be one"
            [embedded]
            path = "{folder}/{name}"
            [redis]
            url = "redis://{redis}"
            timeout = "1s"
            connect_timeout = "1s"
            [sources.db]
            kind = "sqlite"
            path = "{folder}/app.db"
            [reads.total]
            source = "db"
            sql = "select sum(amount) as total from orders where company = :company"
            params.company = {{ type = "integer" }}
            tags = ["company:{{company}}"]
            result = "row"
            [writes.order]
            source = "db"
            sql = "insert into orders values (:company, :amount)"
            params.company = {{ type = "integer" }}
            params.amount = {{ type = "integer" }}
            invalidates = ["company:{{company}}"]
            "#
        );
        let config =
            Config::parse(&text, "test.toml", &Default::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let alacena = Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener, alacena.clone(), ServerSettings::of(&config, "1.2.3")).unwrap();
        tokio::spawn(server.serve(std::future::pending()));
        Node { address, alacena }
    }
}

impl Node {
    async fn get(&self, path: &str) -> Answer {
        get(path).send(self.address).await
    }

    async fn get_after(&self, path: &str, token: &str) -> Answer {
        get(path).with("alacena-after", token).send(self.address).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        post(path, body).send(self.address).await
    }

    /// Waits until what the server says of itself is `so`.
    async fn until(&self, so: impl Fn(&Json) -> bool) -> Json {
        for _ in 0..1000 {
            let health = self.get("/cache/health").await.json();
            if so(&health) {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never was so: {}", self.get("/cache/health").await.json());
    }

    async fn until_proved(&self) {
        self.until(|health| health["shards"][0]["provedForMs"].as_u64() > Some(0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_written_on_one_node_sees_it_on_another_that_has_heard_of_nothing() {
    let Some(world) = World::new() else { return };
    let proxy = ChaosProxy::start(world.redis.address(), 1);
    let (a, b) = (world.node("a", world.redis.address()).await, world.node("b", proxy.address()).await);
    a.until_proved().await;
    b.until_proved().await;

    assert!(a.get(TOTAL).await.cache_status().contains("stored"));
    let found = b.get(TOTAL).await;
    assert!(found.cache_status().ends_with("detail=\"l2\""), "{}", found.cache_status());
    assert_eq!(found.json(), json!({"total": 5}));
    let shown = b.get("/cache/stats").await.json();
    assert_eq!((&shown["metrics"]["l2Hits"], &shown["redis"]["connected"]), (&json!(1), &json!(true)));
    assert!(!b.get(TOTAL).await.cache_status().contains("l2"), "now it is in memory");
    let known = b.get("/cache/explain?key=total:42").await.json();
    let known = &known["explanations"][0];
    assert_eq!(known["entries"][0]["footing"], "shared");
    assert!(known["l2"]["name"].as_str().unwrap().starts_with("alc:e:{"), "{known}");
    let lying = &known["l2"]["entry"];
    assert_eq!(
        (&lying["stands"], &lying["negative"], &lying["otherDeps"]),
        (&json!("certain"), &json!(false), &json!(0))
    );
    assert!(
        lying["deps"].as_array().unwrap().contains(&json!({"dep": "tag company:42", "stands": "certain"})),
        "{lying}"
    );

    // B hears nothing any more; what it asks is answered.
    let _deaf = proxy.inject(Rule::to_client(Fault::Blackhole).only_who_sent("BCAST"));
    let written = a.post("/writes/order", ORDER).await;
    assert_eq!((written.status, written.header("alacena-level")), (200, "applied"));
    let token = written.header("alacena-after").to_owned();
    assert!(token.len() > 40 && !token.contains("company"), "{token}");
    assert_eq!(b.get_after(TOTAL, &token).await.json(), json!({"total": 12}));
    assert_eq!(b.get_after(TOTAL, &format!("{token}, {token}")).await.json(), json!({"total": 12}));

    let forged = b.get_after(TOTAL, &token.replace('0', "1")).await;
    assert_eq!((forged.status, forged.problem()), (400, "parameter-invalid".to_owned()));
    let forgotten = a.post("/cache/invalidate", r#"{"tags": ["company:42"], "wait": "barrier"}"#).await;
    assert_eq!((forgotten.status, forgotten.json()["level"].as_str()), (200, Some("barrier")));
    assert!(forgotten.has("alacena-after"));
    assert_eq!(a.get("/cache/invalidations").await.json()[0]["level"], "barrier");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_answers_say_so_and_what_is_owed_is_told_later() {
    let Some(world) = World::new() else { return };
    let proxy = ChaosProxy::start(world.redis.address(), 1);
    let (a, b) = (world.node("a", world.redis.address()).await, world.node("b", proxy.address()).await);
    a.until_proved().await;
    b.until_proved().await;
    assert_eq!(a.get("/cache/health").await.json()["status"], "healthy");
    a.get(TOTAL).await;

    proxy.set_door(Door::Refusing);
    proxy.close_all(Close::Reset);
    let is_away =
        |health: &Json| health["level"] == "local" && health["shards"][0]["lacks"][0]["serious"] == true;
    let health = b.until(is_away).await;
    assert_eq!(health["status"], "degraded");
    let missing = health["missing"][0].as_str().unwrap();
    assert!(missing.contains("written down") && missing.contains("Redis is running"), "{missing}");
    assert_eq!(b.get("/health/ready").await.status, 200, "reads go on");

    let written = b.post("/writes/order", ORDER).await;
    assert_eq!((written.status, written.header("alacena-level")), (202, "deferred"));
    assert_eq!(b.get(TOTAL).await.json(), json!({"total": 12}));
    assert!(b.get(TOTAL).await.cache_status().contains("detail=\"local\""));
    assert_eq!(b.get("/cache/invalidations").await.json()[0]["level"], "deferred");
    let shard = health["shards"][0]["name"].as_str().unwrap();
    let metrics = b.get("/metrics").await;
    for line in [
        format!("alacena_l2_up{{shard=\"{shard}\"}} 0"),
        format!("alacena_l2_deferred_records{{shard=\"{shard}\",kept=\"durable\"}} 1"),
    ] {
        assert!(metrics.text().contains(&line), "{line}");
    }

    proxy.set_door(Door::Open);
    b.until(|health| health["status"] == "healthy").await;
    a.until_proved().await;
    assert_eq!(a.get(TOTAL).await.json(), json!({"total": 12}), "it has been told");
    let metrics = b.get("/metrics").await;
    for line in [
        format!("alacena_l2_connections_total{{shard=\"{shard}\"}} 2"),
        format!("alacena_l2_step_seconds_bucket{{shard=\"{shard}\",step=\"invalidate\",le=\"+Inf\"}}"),
    ] {
        assert!(metrics.text().contains(&line), "{line}");
    }
    drop(b.alacena);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_does_without_is_named_with_what_it_costs() {
    let Some(world) = World::new() else { return };
    world.redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]);
    world.redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    world.redis.command(&["CONFIG", "SET", "requirepass", "hunter2"]);
    let node = world.node("a", world.redis.address()).await;
    let health = node.until(|health| health["shards"][0]["lacks"][0]["what"].is_string()).await;
    let missing = health["missing"][0].as_str().unwrap();
    assert!(missing.contains("wants a password") && missing.contains("ACL LIST"), "{missing}");
    assert!(!node.get("/cache/health").await.text().contains("hunter2"));

    world.redis.try_command(&["AUTH", "hunter2"]);
    world.redis.try_command(&["CONFIG", "SET", "requirepass", ""]);
    let health = node.until(|health| health["level"] == "bounded" && health["status"] == "healthy").await;
    let lack = &health["shards"][0]["lacks"][0];
    assert_eq!(lack["serious"], false, "a cache may evict");
    assert!(lack["what"].as_str().unwrap().contains("allkeys-lru"), "{lack}");
}
