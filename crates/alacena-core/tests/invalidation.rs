//! INV-4: whatever is invalidated, at whatever step of a load, the old value is never fresh afterwards.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use alacena_core::{
    dep::Dep,
    engine::Question,
    outcome::{MissReason, NotStored},
};
use support::{TAG, World, exact, number, on_one_thread};

/// Every way to invalidate the world's entry.
const WAYS: [&str; 7] = ["key", "tag", "prefix", "longer prefix", "class", "namespace", "everything"];

fn invalidate(world: &World, way: &str) {
    let dep = match way {
        "key" => {
            world.engine.invalidate_key(&world.question().key);
            return;
        }
        "tag" => Dep::tag("shop", TAG).unwrap(),
        "prefix" => Dep::prefix("shop", "kpis"),
        "longer prefix" => Dep::prefix("shop", "kpis:list"),
        "class" => Dep::class("shop", "kpis"),
        "namespace" => Dep::namespace("shop"),
        _ => Dep::everything(),
    };
    world.engine.invalidate(&dep);
}

#[test]
fn a_stored_value_is_not_answered_after_it() {
    for way in WAYS {
        on_one_thread(async {
            let world = World::new(exact(60));
            world.fill(1).await;
            invalidate(&world, way);
            let outcome = world.fill(2).await;
            assert_eq!(number(&outcome), 2, "{way}");
            let Some(MissReason::Invalidated(dep)) = outcome.miss().cloned() else {
                panic!("{way}: {:?}", outcome.miss().cloned())
            };
            assert!(dep.to_string().starts_with(way.split(' ').next_back().unwrap()), "{way}: {dep}");
        });
    }
}

#[test]
fn a_load_under_way_answers_who_waited_and_nobody_later() {
    for way in WAYS {
        on_one_thread(async {
            let world = World::new(exact(60));
            let before = world.ask();
            let old_call = world.source.next_call().await;
            invalidate(&world, way);
            // Whoever asks now must not get what was asked before: a new load, beside the old one.
            let after = world.ask();
            let new_call = world.source.next_call().await;
            old_call.answer(1);
            let outcome = before.await.unwrap().unwrap();
            assert_eq!((number(&outcome), outcome.not_stored()), (1, Some(NotStored::Superseded)), "{way}");
            new_call.answer(2);
            assert_eq!(number(&after.await.unwrap().unwrap()), 2, "{way}");
            let hit = world.ask().await.unwrap().unwrap();
            assert_eq!((number(&hit), hit.is_hit()), (2, true), "{way}");
        });
    }
}

#[test]
fn a_load_that_ends_after_the_newer_one_changes_nothing() {
    for way in WAYS {
        on_one_thread(async {
            let world = World::new(exact(60));
            let before = world.ask();
            let old_call = world.source.next_call().await;
            invalidate(&world, way);
            assert_eq!(number(&world.fill(2).await), 2, "{way}");
            old_call.answer(1);
            before.await.unwrap().unwrap();
            assert_eq!(number(&world.ask().await.unwrap().unwrap()), 2, "{way}");
        });
    }
}

#[test]
fn an_invalidation_before_the_load_began_does_not_spoil_it() {
    for way in WAYS {
        on_one_thread(async {
            let world = World::new(exact(60));
            invalidate(&world, way);
            assert_eq!(world.fill(1).await.not_stored(), None, "{way}");
            assert!(world.ask().await.unwrap().unwrap().is_hit(), "{way}");
        });
    }
}

#[test]
fn what_does_not_depend_on_it_is_left_alone() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        for other in [
            Dep::tag("shop", "company:4").unwrap(),
            Dep::tag("other", TAG).unwrap(),
            Dep::prefix("shop", "kpi"),
            Dep::prefix("shop", "kpis:list:42"),
            Dep::class("shop", "jobs"),
            Dep::class("other", "kpis"),
            Dep::namespace("other"),
        ] {
            world.engine.invalidate(&other);
        }
        world.engine.invalidate_key(&world.question_about("4").key);
        assert!(world.ask().await.unwrap().unwrap().is_hit());
    });
}

#[test]
fn clearing_frees_the_memory_too() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        assert_eq!(world.engine.figures().entries, 1);
        world.engine.clear();
        assert_eq!((world.engine.figures().entries, world.engine.figures().bytes), (0, 0));
        assert_eq!(number(&world.fill(2).await), 2);
    });
}

#[test]
fn an_entry_has_at_most_sixteen_deps() {
    let world = World::new(exact(60));
    let tags: Vec<Dep> = (0..12).map(|at| Dep::tag("shop", &format!("t{at}")).unwrap()).collect();
    let refused = Question::new(&world.rules, world.question().key, tags).unwrap_err();
    assert_eq!(refused.detail(), "an entry of this read has at most 11 tags, this one has 12");
}
