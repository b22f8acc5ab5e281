//! Servers whose commands are paid for: what is sent to them, counted here and there.

use std::{pin::pin, sync::Arc, time::Duration};

use alacena_backends::redis::RedisShard;
use alacena_core::{
    runtime::{Runtime, SharedRuntime},
    tier::{Begun, Failure, Nonce, Shard, Stored, Telling},
};
use alacena_testkit::{
    FakeRuntime,
    chaos::{ChaosProxy, Fault, Rule},
    servers::{Flavour, RedisServer},
};
use futures_util::future::{Either, select};
use tokio::sync::mpsc;

use crate::{
    machine::Machine,
    node::{Heard, MINUTE, entry, in_time, listener, marker, record, within_patience},
    stage::{patient, server_at},
};

const DAY: Duration = Duration::from_secs(86_400);

/// A shard at this server, on a clock that the test holds, which may send so many commands a day.
struct Metered {
    shard: RedisShard,
    runtime: FakeRuntime,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Metered {
    fn at(server: &RedisServer, commands: u64) -> Self {
        let runtime = FakeRuntime::new(1);
        let shared: SharedRuntime = Arc::new(runtime.clone());
        let metered = server_at(&format!("redis://{}", server.address())).metered(commands, &shared);
        let shard = RedisShard::open(metered, patient(), shared);
        let (watcher, heard) = listener();
        shard.watch(watcher);
        Self { shard, runtime, heard }
    }

    /// Ten minutes in which nobody asks anything, and time for whatever would be sent to arrive.
    async fn idle(&self) {
        for _ in 0..600 {
            self.runtime.advance(Duration::from_secs(1)).await;
        }
        Machine.sleep(Duration::from_millis(200)).await;
    }

    /// What it comes to, while time passes here as quickly as a server of real time can follow.
    async fn in_time<T>(&self, what: impl Future<Output = T>) -> T {
        let time = async {
            loop {
                self.runtime.advance(Duration::from_millis(100)).await;
                Machine.sleep(Duration::from_millis(20)).await;
            }
        };
        match within_patience(select(pin!(what), pin!(time))).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => never,
        }
    }

    fn used(&self) -> u64 {
        self.shard.spending().expect("it is counted").used
    }

    fn has_heard(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_idle_sends_nothing_in_ten_minutes() {
    for flavour in Flavour::ALL {
        let Some(server) = RedisServer::builder().flavour(flavour).start() else { continue };
        let before = server.commands_processed();
        let mut node = Metered::at(&server, 10_000);
        node.idle().await;
        assert_eq!(
            server.commands_processed(),
            before,
            "nobody has needed it: there is not even a connection"
        );
        assert_eq!((node.used(), node.shard.era()), (0, None));

        let checked = within_patience(node.shard.check(&[marker(1)])).await.expect("it connects by itself");
        assert_eq!(node.has_heard(), [Heard::Connected(checked.era)]);
        let (after, used) = (server.commands_processed(), node.used());
        assert!(after > before && used > 0);
        node.idle().await;
        assert_eq!(server.commands_processed(), after, "{}", flavour.name());
        assert_eq!(node.used(), used);

        // A server that closes what is idle: nobody makes another connection, and nobody calls that an outage.
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        in_time(|| async { node.shard.rouse().map_or(Err(Failure::OtherEra), |_| Ok(())) }).await;
        let after = server.commands_processed();
        node.idle().await;
        assert_eq!(server.commands_processed(), after, "{}", flavour.name());
        assert_eq!((node.has_heard(), node.shard.era()), (Vec::new(), Some(checked.era)));
        within_patience(node.shard.check(&[marker(1)])).await.expect("it connects by itself");
        assert_eq!(node.has_heard(), [], "it is the same server");
    }
}

/// One connection, which does all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_and_is_counted() {
    for flavour in Flavour::ALL {
        let Some(server) = RedisServer::builder().flavour(flavour).start() else { continue };
        let node = Metered::at(&server, 10_000);
        let shard = &node.shard;
        within_patience(shard.rouse().expect("it sleeps")).await.expect("the server is there");
        let capabilities = shard.capabilities();
        assert!(capabilities.is_metered && capabilities.telling == Telling::Nothing && capabilities.era);
        let (era, mut random) = (shard.era().expect("it is connected"), 0);
        let mut nonce = || {
            random += 1;
            alacena_core::tier::Nonce { era, random }
        };
        let minted = nonce();
        assert_eq!(shard.mint(era, &[(marker(1), minted)], MINUTE).await.expect("there is room"), [minted]);
        let attempt = nonce();
        let load = alacena_core::tier::Begin { entry: entry(1).into(), attempt, seen: None, lease: MINUTE };
        assert!(matches!(shard.begin(load.clone()).await, Ok(Begun::Lead)));
        let other = alacena_core::tier::Begin { attempt: nonce(), ..load };
        assert!(matches!(shard.begin(other).await, Ok(Begun::Wait(..))));
        let (envelope, keep) = (record(entry(1), "value"), MINUTE);
        let store = alacena_core::tier::Store { entry: entry(1).into(), attempt, envelope, keep };
        assert_eq!(shard.store(store).await.expect("there is room"), Stored::Kept);
        let looked = shard.look(&entry(1).into(), &[marker(1)]).await.expect("it can be read");
        assert!(looked.entry.is_some() && looked.markers == [Some(minted)]);
        shard.invalidate(&[marker(1)]).await.expect("removing works");
        shard.invalidate_entries(&[entry(1).into()]).await.expect("removing works");
        // Each is sent once, with what it has to bring along, and what a connection begins with.
        let before = node.used();
        shard.look(&entry(1).into(), &[]).await.expect("it can be read");
        assert_eq!(node.used() - before, 1);
        assert!(before < 40, "{before}");
        let clients = server.command(&["CLIENT", "LIST"]).text();
        assert_eq!(clients.lines().filter(|line| line.contains("name=alacena")).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_day_has_not_is_not_sent_and_the_next_day_it_goes_on() {
    let Some(server) = RedisServer::builder().start() else { return };
    let mut node = Metered::at(&server, 30);
    let serious = |shard: &RedisShard| -> Vec<String> {
        let lacks = shard.lacks().into_iter().filter(|lack| lack.is_serious);
        lacks.map(|lack| lack.to_string()).collect()
    };
    let mut warned = None;
    let refused = loop {
        match within_patience(node.shard.check(&[marker(1)])).await {
            Ok(_) if node.shard.spending().expect("it is counted").is_nearly_spent() => {
                warned.get_or_insert_with(|| (node.used(), serious(&node.shard)));
            }
            Ok(_) => assert_eq!(serious(&node.shard), [""; 0]),
            Err(refused) => break refused,
        }
    };
    let (at, said) = warned.expect("it is said before it is over");
    assert_eq!(at, 24, "at 80 %");
    assert!(said[0].contains("80 % of the 30 commands") && said[0].contains("redis.metered"), "{said:?}");
    assert!(
        matches!(&refused, Failure::Overloaded(error) if error.to_string().contains("used up")),
        "{refused}"
    );
    assert_eq!(node.used(), 30);
    let said = serious(&node.shard);
    assert!(said[0].contains("are used up") && said[0].contains("`local`"), "{said:?}");
    assert_eq!(node.shard.era(), None, "it is away");
    assert!(node.has_heard().ends_with(&[Heard::Lost]));

    let after = server.commands_processed();
    for _ in 0..5 {
        assert!(node.shard.check(&[marker(1)]).await.is_err());
        assert!(node.shard.invalidate(&[marker(1)]).await.is_err());
        node.runtime.advance(Duration::from_secs(3_600)).await;
    }
    Machine.sleep(Duration::from_millis(100)).await;
    assert_eq!(server.commands_processed(), after);

    let to_midnight = node.shard.spending().expect("it is counted").next_day_in;
    assert!(to_midnight < DAY && node.runtime.unix_millis() > 0);
    node.runtime.advance(to_midnight).await;
    assert!(node.shard.era().is_some(), "another day");
    within_patience(node.shard.invalidate(&[marker(1)])).await.expect("it can be told again");
    assert!(matches!(node.has_heard()[..], [Heard::Connected(_)]));
    assert_eq!(serious(&node.shard), [""; 0]);
}

/// A server that is not there is tried when somebody needs it, and only then; that is an outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_missed_by_who_needs_it() {
    let Some(mut server) = RedisServer::builder().start() else { return };
    let mut node = Metered::at(&server, 10_000);
    within_patience(node.shard.check(&[])).await.expect("it is there");
    assert!(matches!(node.has_heard()[..], [Heard::Connected(_)]));
    server.kill();
    in_time(|| async { node.shard.rouse().map_or(Err(Failure::OtherEra), |_| Ok(())) }).await;
    assert_eq!(node.has_heard(), [], "nobody needs it");
    node.in_time(node.shard.check(&[])).await.expect_err("nobody is there");
    assert_eq!(within_patience(node.heard.recv()).await, Some(Heard::Lost));
    assert!(node.shard.lacks().iter().any(|lack| lack.is_serious && lack.what.contains("cannot be used")));

    server.restart();
    let back = async {
        while node.shard.check(&[]).await.is_err() {
            Machine.sleep(Duration::from_millis(20)).await;
        }
    };
    node.in_time(back).await;
    assert!(matches!(within_patience(node.heard.recv()).await, Some(Heard::Connected(_))));
}

/// A firewall has closed what was idle, and nobody has noticed: who removes something then makes another connection, and
/// removes it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_is_tried_again_where_the_idle_connection_was_dead() {
    let Some(server) = RedisServer::builder().start() else { return };
    let proxy = ChaosProxy::start(server.address(), 3);
    let runtime = Machine::shared();
    let metered = server_at(&format!("redis://{}", proxy.address())).metered(10_000, &runtime);
    let shard = RedisShard::open(metered, patient(), runtime);
    let era = within_patience(shard.check(&[])).await.expect("it connects by itself").era;
    for number in 1..4 {
        let nonce = Nonce { era, random: number };
        within_patience(shard.mint(era, &[(marker(1), nonce)], MINUTE)).await.expect("there is room");
        let dead = proxy.inject(Rule::to_server(Fault::Reset { at: 0 }).only_who_sent("ECHO").times(1));
        within_patience(shard.invalidate(&[marker(1)])).await.expect("it is tried twice");
        assert_eq!(dead.hits(), 1);
        assert_eq!(within_patience(shard.check(&[marker(1)])).await.expect("it is there").markers, [None]);
    }
}
