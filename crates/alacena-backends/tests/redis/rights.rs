//! Users who may not do everything, and what they are told.

use alacena_core::tier::{Begun, Failure, Shard, Stored, Telling};
use alacena_testkit::servers::{Flavour, RedisServer};

use crate::{
    node::{Node, entry, fails_in_time, in_time, marker, record, within_patience},
    stage::patient,
};

fn server(flavour: Flavour, user: &str) -> Option<RedisServer> {
    RedisServer::builder().flavour(flavour).config("user", user).start()
}

fn url(server: &RedisServer, login: &str) -> String {
    format!("redis://{login}@{}", server.address())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_denied_and_not_shown() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >right ~* &* +@all") else { continue };
        let node = Node::at(&url(&server, "app:hunter2"), patient());
        let Failure::Denied(error) = fails_in_time("denied", || node.check(&[marker(1)])).await else {
            unreachable!("it has been asked for")
        };
        assert!(error.to_string().contains("password is wrong"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(node.era(), None);
        // Once it is right, nothing has to be started again.
        server.command(&["ACL", "SETUSER", "app", ">hunter2"]);
        node.is_connected().await;
    }
}

/// No era, so nobody notices a rollback; all else works, and it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_info_there_is_no_era() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >secret ~* &* +@all -info") else { continue };
        let (a, b) =
            (Node::join(&url(&server, "app:secret")).await, Node::join(&url(&server, "app:secret")).await);
        assert!(!a.capabilities().era);
        assert_eq!(a.capabilities().telling, Telling::Tracked);
        assert!(a.capabilities().evicts, "who may not ask takes it for granted");
        assert_eq!(a.era(), b.era(), "what is there is shared");

        let nonce = a.mints(marker(1)).await.expect("there is room");
        assert_eq!(b.check(&[marker(1)]).await.expect("it can be read").markers, [Some(nonce)]);
        assert_eq!(a.fills(entry(1), "value").await.expect("there is room"), Stored::Kept);
        assert!(b.look(&entry(1).into(), &[marker(1)]).await.expect("it can be read").entry.is_some());
        b.ping().await.expect("a ping is answered");
        b.invalidate(&[marker(1)]).await.expect("removing works");
        assert_eq!(a.check(&[marker(1)]).await.expect("it can be read").markers, [None]);
        assert_eq!(a.replicate(0, std::time::Duration::ZERO).await.expect("it can be asked"), 0);
    }
}

/// Who waits asks again: slower, and never wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_be_told_nobody_is_woken() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >secret ~* &* +@all -client") else { continue };
        let node = Node::join(&url(&server, "app:secret")).await;
        assert_eq!(node.capabilities().telling, Telling::Published);

        let load = node.load(entry(1));
        assert!(matches!(in_time(|| node.begin(load.clone())).await, Begun::Lead));
        let Ok(Begun::Wait(_, woken)) = node.begin(node.load(entry(1))).await else {
            panic!("somebody else loads it")
        };
        within_patience(woken).await;
        let stored = alacena_core::tier::Store {
            entry: entry(1).into(),
            attempt: load.attempt,
            envelope: record(entry(1), "value"),
            keep: crate::node::MINUTE,
        };
        assert_eq!(node.store(stored).await.expect("there is room"), Stored::Kept);
        assert!(matches!(node.begin(node.load(entry(1))).await, Ok(Begun::Hit(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lacks_another_right_is_told_which() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >secret ~* &* +@all -unlink") else { continue };
        let node = Node::join(&url(&server, "app:secret")).await;
        let refused = node.invalidate(&[marker(1)]).await;
        let Err(Failure::Denied(error)) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("unlink"), "{error}");
        // Within a script, too.
        server.command(&["ACL", "SETUSER", "app", "-set"]);
        let refused = node.mints(marker(1)).await;
        let Err(Failure::Denied(error)) = refused else { panic!("{}: {refused:?}", flavour.name()) };
        assert!(!error.to_string().is_empty());
    }
}

/// The list in the guide is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_that_the_guide_names_are_enough() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/redis.md");
    let guide = std::fs::read_to_string(guide).expect("it is there");
    let (_, rest) = guide.split_once("ACL SETUSER alacena ").expect("the guide names the rights");
    let (rights, _) = rest.split_once("```").expect("the list ends");
    for flavour in Flavour::ALL {
        let Some(server) = RedisServer::builder().flavour(flavour).start() else { continue };
        let command = ["ACL", "SETUSER", "alacena"].into_iter().chain(rights.split_whitespace());
        server.command(&command.collect::<Vec<_>>());
        let node = Node::join(&url(&server, "alacena:password")).await;
        let all = node.capabilities();
        let is_all = all.telling == Telling::Tracked && all.era && !all.evicts;
        assert!(is_all, "{}: {all:?}", flavour.name());
        does_everything(&node).await;
        // A server that has forgotten the scripts can be told them.
        server.command(&["SCRIPT", "FLUSH"]);
        does_everything(&node).await;
        let denied = server.command(&["ACL", "LOG"]);
        assert_eq!(denied.array(), [], "{}: something was tried that is not allowed", flavour.name());
    }
}

async fn does_everything(node: &Node) {
    let entry = entry(1);
    node.mints(marker(1)).await.expect("minting is allowed");
    node.touch(&[marker(1)]).await.expect("using is allowed");
    assert_eq!(node.fills(entry, "value").await.expect("storing is allowed"), Stored::Kept);
    node.look(&entry.into(), &[marker(1)]).await.expect("looking is allowed");
    node.check(&[marker(1)]).await.expect("checking is allowed");
    node.ping().await.expect("a ping is allowed");
    node.invalidate(&[marker(1)]).await.expect("removing is allowed");
    node.invalidate_entries(&[entry.into()]).await.expect("removing is allowed");
    let load = node.load(entry);
    assert!(matches!(node.begin(load.clone()).await, Ok(Begun::Lead)));
    let Ok(Begun::Wait(_, woken)) = node.begin(node.load(entry)).await else { panic!("somebody loads it") };
    assert!(node.renew(entry, load.attempt, crate::node::MINUTE).await.expect("holding is allowed"));
    node.release(entry, load.attempt, None).await.expect("giving back is allowed");
    within_patience(woken).await;
    node.replicate(0, std::time::Duration::ZERO).await.expect("waiting is allowed");
}
