//! What somebody does to entries by hand: it is missed, and costs nobody anything else.

use alacena_core::tier::{Begun, Fill, Shard, Stored, record::Record};
use alacena_testkit::servers::{Flavour, RedisServer};

use crate::node::{Heard, Node, entry, marker};

async fn node(flavour: Flavour) -> Option<(RedisServer, Node)> {
    let server = RedisServer::builder().flavour(flavour).start()?;
    let node = Node::join(&format!("redis://{}", server.address())).await;
    Some((server, node))
}

/// An entry under the name of another is what lies there, not the answer to another question: nobody else's answers are
/// given up for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_entry_is_handed_out_as_what_it_is_and_the_connection_lives() {
    for flavour in Flavour::ALL {
        let Some((server, node)) = node(flavour).await else { continue };
        assert_eq!(node.fills(entry(1), "value").await.expect("there is room"), Stored::Kept);
        let (mine, other) = (entry(1), entry(2));
        server.command(&["RENAME", &mine.name(), &other.name()]);
        let connections = server.info("total_connections_received");
        for markers in [&[][..], &[marker(1)]] {
            let looked = node.look(&other.into(), markers).await.expect("it is an answer");
            let found = looked.entry.expect("something lies there");
            assert_eq!(Record::entry_of(&found), Some(mine), "whoever opens it sees whose it is");
        }
        let Ok(Begun::Hit(found)) = node.begin(node.load(other)).await else {
            panic!("something lies there")
        };
        // Who has seen it loads.
        let seen = Record::fill_of(&found);
        assert!(seen.is_some_and(|fill| fill != Fill(0)));
        let load = alacena_core::tier::Begin { seen, ..node.load(other) };
        assert!(matches!(node.begin(load.clone()).await, Ok(Begun::Lead)));
        node.release(other, load.attempt, None).await.expect("it is held");
        assert_eq!(server.info("total_connections_received"), connections, "{}", flavour.name());
        assert!(!node.has_heard().await.contains(&Heard::Lost));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbled_bytes_under_the_name_of_an_entry_are_in_nobody_s_way() {
    let Some((server, node)) = node(Flavour::Debian).await else { return };
    let entry = entry(3);
    let connections = server.info("total_connections_received");
    for bytes in ["", "x", "\u{a1}lr\u{1}and nothing that follows from it"] {
        server.command(&["SET", &entry.name(), bytes]);
        let looked = node.look(&entry.into(), &[]).await.expect("it is an answer");
        assert_eq!(looked.entry.as_deref(), Some(bytes.as_bytes()));
        // Who has seen what can be seen of it loads, and stores in its place.
        let seen = Record::fill_of(bytes.as_bytes());
        let load = alacena_core::tier::Begin { seen, ..node.load(entry) };
        assert!(matches!(node.begin(load.clone()).await, Ok(Begun::Lead)), "{bytes:?}");
        node.release(entry, load.attempt, None).await.expect("it is held");
    }
    assert_eq!(server.info("total_connections_received"), connections);
}
