//! What another configuration changes in a running engine.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use alacena_core::{
    engine::Loaded,
    ledger::{Intent, Invalidation, Ledger as _, Target, VolatileLedger},
};
use alacena_testkit::ScriptedSource;
use support::{World, exact, on_one_thread};

async fn fill(world: &World, keys: usize) {
    for key in 0..keys {
        let load = move |_| async move { Ok(Loaded::found(ScriptedSource::value(key as u64))) };
        world.engine.get_or_fetch(&world.question_about(&key.to_string()), load).await.unwrap();
    }
}

#[test]
fn what_nobody_can_ask_for_any_more_is_freed_and_the_rest_stays() {
    on_one_thread(async {
        let world = World::new(exact(60));
        fill(&world, 100).await;
        let is_even = |text: &str| text.rsplit(':').next().unwrap().parse::<usize>().unwrap() % 2 == 0;
        world.engine.forget(|key| is_even(&key.text()));
        assert_eq!(world.engine.figures().entries, 50);
        for key in 0..100 {
            let held = world.engine.get(&world.question_about(&key.to_string()));
            assert_eq!(held.is_some(), key % 2 == 1, "{key}");
        }
    });
}

#[test]
fn a_smaller_memory_holds_less_from_now_on_and_says_what_is_too_heavy() {
    on_one_thread(async {
        let world = World::new(exact(60));
        fill(&world, 1000).await;
        let before = world.engine.figures();
        let heaviest = world.engine.resize(before.bytes / 4);
        fill(&world, 1000).await;
        let after = world.engine.figures();
        assert!(after.bytes <= after.bytes_max && after.bytes_max <= before.bytes / 4 + 64, "{after:?}");
        assert!(after.entries < 500 && after.evictions > 0, "{after:?}");
        assert!(heaviest > 0 && heaviest <= after.bytes_max);
    });
}

#[test]
fn a_ledger_in_memory_forgets_what_is_closed_and_the_oldest() {
    on_one_thread(async {
        let ledger = VolatileLedger::default();
        assert!(!ledger.is_durable() && ledger.era() == 0);
        let intent =
            |write: &str| Intent { write: write.to_owned(), targets: vec![Target::Everything], at: 0 };
        let first = ledger.open_intent(intent("first")).await.unwrap();
        let second = ledger.open_intent(intent("second")).await.unwrap();
        ledger.close_intent(first).await.unwrap();
        let open = ledger.open_intents().await.unwrap();
        assert_eq!(
            open.iter().map(|(id, intent)| (*id, &*intent.write)).collect::<Vec<_>>(),
            [(second, "second")]
        );
        for at in 0..1500 {
            let (who, level) = ("test".to_owned(), "applied".to_owned());
            ledger.record(Invalidation { at, who, targets: Vec::new(), level }).await.unwrap();
        }
        let newest = ledger.history(2).await.unwrap();
        assert_eq!(newest.iter().map(|one| one.at).collect::<Vec<_>>(), [1499, 1498]);
        let all = ledger.history(usize::MAX).await.unwrap();
        assert_eq!((all.len(), all.last().unwrap().at), (1024, 476), "the oldest have gone");
    });
}
