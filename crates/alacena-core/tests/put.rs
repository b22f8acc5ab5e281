//! Values that come without a load undo nothing.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Loaded, Put, PutRefusal},
    error::catalogue,
    outcome::NotStored,
    value::Value,
};
use alacena_testkit::ScriptedSource;
use support::{TAG, World, exact, number, on_one_thread};

/// The value and the version are the same number.
fn version(number: u64) -> Value {
    ScriptedSource::value(number).with_version(number)
}

/// A world that holds version `number`.
async fn holding(number: u64) -> World {
    let world = World::new(exact(60));
    let load = move |_| async move { Ok(Loaded::found(version(number))) };
    world.engine.get_or_fetch(&world.question(), load).await.unwrap();
    world
}

fn held(world: &World) -> Option<u64> {
    world.engine.get(&world.question()).as_ref().map(number)
}

#[test]
fn a_newer_version_takes_the_place_of_an_older_one_and_no_other() {
    on_one_thread(async {
        let world = holding(5).await;
        let put = async |number| world.engine.put_if_newer(&world.question(), version(number)).await;
        assert_eq!((put(6).await, held(&world)), (Put::Replaced, Some(6)));
        assert_eq!((put(6).await, held(&world)), (Put::Refused(PutRefusal::NotNewer), Some(6)));
        assert_eq!((put(5).await, held(&world)), (Put::Refused(PutRefusal::NotNewer), Some(6)));
        let unversioned = world.engine.put_if_newer(&world.question(), ScriptedSource::value(9)).await;
        assert_eq!(unversioned, Put::Refused(PutRefusal::Unversioned));
    });
}

#[test]
fn after_an_invalidation_there_is_nothing_to_compare_with() {
    on_one_thread(async {
        let world = holding(5).await;
        let put = async |number| world.engine.put_if_newer(&world.question(), version(number)).await;
        assert_eq!(put(6).await, Put::Replaced);
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        // The version went with the entry: were 7 taken, a late 5 would be taken too.
        assert_eq!(
            (put(7).await, put(5).await),
            (Put::Refused(PutRefusal::Absent), Put::Refused(PutRefusal::Absent))
        );
        assert_eq!(number(&world.fill(8).await), 8);
    });
}

#[test]
fn what_was_put_is_invalidated_by_what_the_older_one_depended_on() {
    on_one_thread(async {
        let world = holding(5).await;
        world.engine.put_if_newer(&world.question(), version(6)).await;
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        assert_eq!(held(&world), None);
    });
}

#[test]
fn a_load_that_comes_home_with_an_older_version_is_answered_and_not_kept() {
    on_one_thread(async {
        let world = holding(5).await;
        world.after(60).await;
        let (asked, source) = (world.question(), world.source.clone());
        let load = move |no_cache| async move {
            let loaded = source.loader()(no_cache).await?;
            let number = ScriptedSource::number(loaded.value.as_ref()).unwrap();
            Ok(Loaded::found(version(number)))
        };
        let engine = world.engine.clone();
        let (outcome, ()) = tokio::join!(engine.get_or_fetch(&asked, load), async {
            let call = world.source.next_call().await;
            assert_eq!(world.engine.put_if_newer(&world.question(), version(7)).await, Put::Replaced);
            call.answer(6);
        });
        let outcome = outcome.unwrap();
        assert_eq!((number(&outcome), outcome.not_stored()), (6, Some(NotStored::Superseded)));
        assert_eq!(held(&world), Some(7));
    });
}

#[test]
fn plain_set_is_for_unordered_classes() {
    on_one_thread(async {
        let world = holding(5).await;
        let refused = world.engine.set(&world.question(), version(1)).await.unwrap_err();
        assert_eq!(refused.code(), &catalogue::VALUE_REFUSED);
        let world = World::new(Policy { unordered: true, item_bytes_max: 8, ..exact(60) });
        world.engine.set(&world.question(), version(2)).await.unwrap();
        world.engine.set(&world.question(), version(1)).await.unwrap();
        assert_eq!(held(&world), Some(1), "the last one that arrives wins");
        assert!(world.engine.set(&world.question(), Value::new((), 9, 0)).await.is_err(), "it is too large");
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        assert_eq!(held(&world), None);
    });
}
