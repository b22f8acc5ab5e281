//! Values that come without a load, where nodes share them.

use std::time::Duration;

use alacena_core::{
    class::Policy,
    engine::{Level, Loaded, Mode, Put, PutRefusal},
    outcome::{Origin, Outcome, StaleReason},
    value::Value,
};
use alacena_testkit::{ScriptedSource, settle};
use tokio::task::JoinHandle;

use crate::{
    nodes::{Node, World},
    support::{exact, number, on_one_thread},
    untold::is_untold,
};

/// The value and the version are the same number.
fn version(number: u64) -> Value {
    ScriptedSource::value(number).with_version(number)
}

/// Asks, and what the source says is of the version of its number.
fn ask(world: &World, node: &Node) -> JoinHandle<Outcome> {
    ask_as(world, node, Mode::Normal)
}

#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn ask_as(world: &World, node: &Node, mode: Mode) -> JoinHandle<Outcome> {
    let (engine, source, question) =
        (node.engine.clone(), world.source.clone(), node.question().with_mode(mode));
    let load = move |no_cache| async move {
        let loaded = source.loader()(no_cache).await?;
        Ok(Loaded::found(version(ScriptedSource::number(loaded.value.as_ref()).unwrap())))
    };
    tokio::spawn(async move { engine.get_or_fetch(&question, load).await.unwrap() })
}

async fn put(node: &Node, number: u64) -> Put {
    node.engine.put_if_newer(&node.question(), version(number)).await
}

const fn refused(why: PutRefusal) -> Put {
    Put::Refused(why)
}

/// Two nodes that hold version 5 in memory.
async fn both_hold_five(world: &World) -> (Node, Node) {
    let (a, b) = (world.node().await, world.node().await);
    let asked = ask(world, &a);
    world.call().await.answer(5);
    asked.await.unwrap();
    b.get().await;
    assert_eq!((a.get().await.origin(), b.get().await.origin()), (Origin::L1, Origin::L1));
    (a, b)
}

#[test]
fn a_newer_version_takes_the_place_of_what_every_node_holds() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_five(&world).await;
        assert_eq!(put(&a, 6).await, Put::Replaced);
        assert_eq!(number(&a.get().await), 6, "whoever puts sees it at once");
        settle().await;
        let found = b.get().await;
        assert_eq!((number(&found), found.age().as_secs()), (6, 0));
        assert_eq!(number(&world.node().await.get().await), 6, "and so does a node that has just come");
        assert_eq!(
            (put(&b, 6).await, put(&b, 5).await),
            (refused(PutRefusal::NotNewer), refused(PutRefusal::NotNewer))
        );
        assert_eq!(put(&b, 7).await, Put::Replaced);
        settle().await;
        assert_eq!((number(&a.get().await), number(&b.get().await)), (7, 7));
        assert_eq!(world.source.calls(), 1, "nobody has asked the source");
    });
}

/// The price of a copy in memory is the horizon, and not a moment more.
#[test]
fn a_node_that_hears_nothing_answers_what_is_older_for_the_horizon_at_most() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_five(&world).await;
        b.mute();
        assert_eq!(put(&a, 6).await, Put::Replaced);
        assert_eq!(number(&b.get().await), 5);
        world.after(1).await;
        assert_eq!(number(&b.get().await), 6);
        // Whoever puts needs nobody to tell it.
        assert_eq!(put(&b, 7).await, Put::Replaced);
        assert_eq!(number(&b.get().await), 7);
    });
}

#[test]
fn there_has_to_be_something_older_that_stands() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let node = world.node().await;
        assert_eq!(put(&node, 1).await, refused(PutRefusal::Absent), "nobody has loaded it");
        let (a, b) = both_hold_five(&world).await;
        let unversioned = a.engine.put_if_newer(&a.question(), ScriptedSource::value(9)).await;
        assert_eq!(unversioned, refused(PutRefusal::Unversioned));
        // The version went with the entry: were 7 taken, a late 6 would be taken, too.
        a.invalidate().await;
        assert_eq!(put(&b, 7).await, refused(PutRefusal::Absent), "it was invalidated by a tag");
        let asked = ask(&world, &a);
        world.call().await.answer(8);
        asked.await.unwrap();
        a.invalidate_key().await;
        assert_eq!(put(&b, 9).await, refused(PutRefusal::Absent), "it was invalidated by its key");
    });
}

#[test]
fn what_was_put_is_invalidated_by_what_the_older_one_depended_on() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_five(&world).await;
        // Who puts it knows nothing of its tags.
        let key = a.question().key;
        let untagged = alacena_core::engine::Question::new(&a.rules, key, []).unwrap();
        assert_eq!(a.engine.put_if_newer(&untagged, version(6)).await, Put::Replaced);
        settle().await;
        assert_eq!(number(&b.get().await), 6);
        b.invalidate().await;
        settle().await;
        let asked = ask(&world, &a);
        world.call().await.answer(7);
        assert_eq!(number(&asked.await.unwrap()), 7);
    });
}

#[test]
fn a_load_of_another_node_that_comes_home_with_an_older_version_is_not_stored() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_five(&world).await;
        world.after(61).await;
        let asked = ask(&world, &b);
        let call = world.call().await;
        assert_eq!(put(&a, 7).await, Put::Replaced);
        call.answer(6);
        asked.await.unwrap();
        settle().await;
        for node in [&a, &b] {
            assert_eq!(number(&node.get().await), 7);
        }
    });
}

#[test]
fn what_cannot_be_compared_with_all_that_others_hold_is_not_put() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_five(&world).await;
        a.cut();
        assert_eq!(put(&a, 6).await, refused(PutRefusal::Unsettled));
        a.mend();
        world.after(3).await;
        assert_eq!(number(&b.get().await), 5);
        // What a server has brought back may have been invalidated.
        world.tier.restart(true);
        world.after(1).await;
        assert_eq!(put(&a, 6).await, refused(PutRefusal::Absent));
    });
}

#[test]
fn the_last_value_that_was_set_wins_on_every_node() {
    on_one_thread(async {
        let world = World::new(Policy { unordered: true, ..exact(60) });
        let (a, b) = (world.node().await, world.node().await);
        let set = async |node: &Node, number| {
            node.engine.set(&node.question(), ScriptedSource::value(number)).await
        };
        set(&a, 2).await.unwrap();
        assert_eq!((number(&a.get().await), number(&b.get().await)), (2, 2));
        set(&b, 1).await.unwrap();
        settle().await;
        assert_eq!((number(&a.get().await), number(&b.get().await)), (1, 1));
        a.invalidate().await;
        settle().await;
        // Somebody loads it while it is set.
        let asked = b.ask();
        let call = world.call().await;
        set(&a, 3).await.unwrap();
        call.answer(9);
        asked.await.unwrap().unwrap();
        settle().await;
        assert_eq!((number(&a.get().await), number(&b.get().await)), (3, 3));
        a.cut();
        assert!(set(&a, 4).await.is_err(), "the others would go on with what there was");
        b.cut();
    });
}

#[test]
fn what_stays_on_its_node_is_set_there() {
    on_one_thread(async {
        let world = World::unshared(Policy { unordered: true, ..exact(60) });
        let (a, b) = (world.node().await, world.node().await);
        a.engine.set(&a.question(), ScriptedSource::value(2)).await.unwrap();
        assert_eq!(number(&a.get().await), 2);
        b.invalidate().await;
        settle().await;
        let asked = a.ask();
        world.call().await.answer(3);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 3, "and invalidated from everywhere");
    });
}

/// The source is a replica that lags.
#[test]
fn an_older_version_that_comes_home_is_not_stored_for_others_either() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, _) = both_hold_five(&world).await;
        let asked = ask_as(&world, &a, Mode::Refresh);
        world.call().await.answer(4);
        assert_eq!(number(&asked.await.unwrap()), 4, "whoever asks for the source is told what it says");
        settle().await;
        assert_eq!(number(&a.get().await), 5);
        assert_eq!(number(&world.node().await.get().await), 5);
    });
}

/// Whoever puts may have been there all the time, and know nothing of what others have to suspect.
#[test]
fn what_is_put_in_the_place_of_what_is_suspect_is_suspect() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_five(&world).await;
        let c = world.node().await;
        b.cut();
        c.cut();
        world.after(1).await;
        assert_eq!(c.invalidate().await, Level::DeferredVolatile);
        b.mend();
        world.after(1).await;
        assert_eq!(put(&a, 6).await, Put::Replaced);
        let outcome = b.get().await;
        assert_eq!((number(&outcome), outcome.stale()), (6, Some(StaleReason::Unproved)));
        assert_eq!(number(&a.get().await), 6);
    });
}

/// INV-3: however often something newer is put, an invalidation that nobody tells of is found out about in time.
#[test]
fn what_stays_on_its_node_is_not_asked_about_later_because_it_is_put() {
    on_one_thread(async {
        let world = World::unshared(exact(60));
        let (a, b) = (world.node().await, world.node_at(is_untold).await);
        let asked = ask(&world, &b);
        world.call().await.answer(1);
        asked.await.unwrap();
        a.invalidate().await;
        for number in 2..5 {
            world.runtime.advance(Duration::from_millis(800)).await;
            put(&b, number).await;
        }
        let asked = ask(&world, &b);
        settle().await;
        assert!(!asked.is_finished(), "it was invalidated more than two seconds ago");
        world.call().await.answer(9);
        assert_eq!(number(&asked.await.unwrap()), 9);
    });
}

/// The same while the second tier is away: five seconds, and no more.
#[test]
fn what_was_loaded_without_a_second_tier_is_kept_no_longer_because_it_is_put() {
    on_one_thread(async {
        let world = World::unshared(exact(60));
        let a = world.node().await;
        a.cut();
        world.after(2).await;
        let asked = ask(&world, &a);
        world.call().await.answer(1);
        asked.await.unwrap();
        world.after(4).await;
        assert_eq!(put(&a, 2).await, Put::Replaced);
        let put = a.get().await;
        assert_eq!((number(&put), put.origin()), (2, Origin::Local));
        world.after(4).await;
        let old = a.get().await;
        assert_eq!((number(&old), old.stale()), (2, Some(StaleReason::Unproved)));
    });
}
