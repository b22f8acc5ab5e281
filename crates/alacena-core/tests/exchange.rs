//! Another form of a value takes the place of that value, and of nothing else.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use alacena_core::{dep::Dep, engine::Question, outcome::Shared, value::Value};
use alacena_testkit::ScriptedSource;
use support::{TAG, World, exact, number, on_one_thread, seconds};

/// A value that says `number` and weighs so much.
fn heavy(number: u64, weight: usize) -> Value {
    Value::new(number, weight, number)
}

fn held(world: &World, question: &Question) -> Shared<Value> {
    world.engine.held(&question.key).unwrap()
}

#[test]
fn the_entry_stays_what_it_was_and_weighs_what_it_now_weighs() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let question = world.question();
        world.fill(5).await;
        world.after(20).await;
        let (old, before) = (held(&world, &question), world.engine.figures().bytes);
        assert!(world.engine.exchange(&question.key, &old, heavy(5, old.weight() + 1_000)));
        assert_eq!(world.engine.figures().bytes, before + 1_000);

        let outcome = world.engine.get(&question).unwrap();
        assert_eq!((outcome.age(), outcome.fresh_for()), (seconds(20), seconds(40)));
        assert_eq!(world.engine.figures().evictions, 0);
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        assert!(world.engine.get(&question).is_none(), "it depends on what it depended on");
    });
}

#[test]
fn what_was_replaced_or_removed_meanwhile_does_not_come_back() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let question = world.question();
        world.fill(5).await;
        let old = held(&world, &question);
        world.after(70).await;
        world.fill(5).await; // It says the same, and is another one: its deps and its age are its own.
        assert!(!world.engine.exchange(&question.key, &old, heavy(5, 1_000)));
        assert_eq!(number(&world.engine.get(&question).unwrap()), 5);

        let old = held(&world, &question);
        world.engine.invalidate_key(&question.key);
        assert!(!world.engine.exchange(&question.key, &old, heavy(5, 1_000)));
        assert!(world.engine.held(&question.key).is_none());
    });
}

#[test]
fn a_form_that_is_too_large_leaves_the_value_as_it_is() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let question = world.question();
        world.fill(5).await;
        let old = held(&world, &question);
        assert!(!world.engine.exchange(&question.key, &old, heavy(5, 64 * 1024 * 1024)));
        assert!(held(&world, &question).is(&old));
        assert_eq!(ScriptedSource::number(world.engine.get(&question).unwrap().value()), Some(5));
    });
}
