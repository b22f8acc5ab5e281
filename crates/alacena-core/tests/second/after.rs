//! Who has changed something sees it on every node, whatever that node has heard.

use alacena_core::{
    dep::Dep,
    engine::Change,
    error::{Error, catalogue},
    outcome::{Origin, Outcome},
};
use alacena_testkit::settle;
use tokio::task::JoinHandle;

use crate::{
    coherent::both_hold_one,
    nodes::{Node, World, tag},
    support::{exact, number, on_one_thread},
};

fn token_about(node: &Node, dep: &Dep) -> String {
    node.engine.token_after(&[Change::Dep(dep)], &[]).expect("it shares with others")
}

/// Asks as somebody who has been told `token`.
#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn ask_after(world: &World, node: &Node, token: &str) -> JoinHandle<Result<Outcome, Error>> {
    let (engine, load) = (node.engine.clone(), world.source.loader());
    let after: Vec<_> = engine.after(token).unwrap().into_iter().collect();
    let question = engine.asked_after(node.question(), &after);
    tokio::spawn(async move { engine.get_or_fetch(&question, load).await })
}

#[test]
fn who_invalidated_on_one_node_is_not_answered_with_what_was_before_by_another() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        b.mute();
        a.invalidate().await;
        assert_eq!(number(&b.get().await), 1, "others may be, for a moment");
        let asked = ask_after(&world, &b, &token_about(&a, &tag()));
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        assert_eq!(number(&b.get().await), 2, "and now nobody is any more");
    });
}

#[test]
fn who_invalidated_a_key_is_not_either() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        b.mute();
        a.invalidate_key().await;
        let question = a.question();
        let entry = a.engine.shared_entry(&question.key).unwrap();
        let token = a.engine.token_after(&[], &[entry]).unwrap();
        let asked = ask_after(&world, &b, &token);
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn what_stands_is_answered_and_what_is_not_concerned_is_not_asked_about() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        let insisting = ask_after(&world, &b, &token_about(&a, &tag()));
        settle().await;
        assert_eq!(number(&insisting.await.unwrap().unwrap()), 1, "nothing has been invalidated");
        b.mute();
        a.invalidate().await;
        let elsewhere = ask_after(&world, &b, &token_about(&a, &Dep::tag("shop", "elsewhere").unwrap()));
        settle().await;
        assert_eq!(number(&elsewhere.await.unwrap().unwrap()), 1, "it is bounded, as ever");
    });
}

#[test]
fn a_load_that_began_before_is_not_joined() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let bounded = b.ask();
        let before = world.call().await;
        b.mute();
        a.invalidate().await;
        // Whoever holds the lease of the key has lost nothing: only its load began too early.
        let asked = ask_after(&world, &b, &token_about(&a, &tag()));
        settle().await;
        before.answer(1);
        assert_eq!(number(&bounded.await.unwrap().unwrap()), 1);
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn while_the_tier_is_away_the_source_says() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        let token = token_about(&a, &tag());
        b.cut();
        settle().await;
        let asked = ask_after(&world, &b, &token);
        world.call().await.answer(2);
        let outcome = asked.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.origin()), (2, Origin::Source));
    });
}

#[test]
fn a_token_is_of_use_for_a_while_and_to_those_who_share() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let token = token_about(&a, &tag());
        assert!(b.engine.after(&token).unwrap().is_some());
        world.after(9).await;
        assert!(b.engine.after(&token).unwrap().is_some());
        world.after(1).await;
        assert!(b.engine.after(&token).unwrap().is_none(), "by now every node knows");
        let forged = token.replace('0', "1");
        assert_eq!(b.engine.after(&forged).unwrap_err().code().slug, catalogue::PARAMETER_INVALID.slug);
        assert_eq!(a.engine.token_after(&[], &[]), None, "nothing that another node could answer with");
    });
}
