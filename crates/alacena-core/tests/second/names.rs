//! Names that say which key an entry is of.

use alacena_core::{
    class::Policy,
    engine::{Level, Rules},
    outcome::Origin,
};
use alacena_testkit::settle;

use crate::{
    nodes::{Node, World},
    support::{exact, number, on_one_thread},
};

/// What lies on the server under names that begin so.
fn names(world: &World, prefix: &str) -> Vec<String> {
    let all: Vec<String> =
        world.tier.server(|server, _| server.kept().map(|(name, _)| name.text()).collect());
    all.into_iter().filter(|name| name.starts_with(prefix)).collect()
}

fn readable(policy: Policy) -> Policy {
    Policy { readable_key_names: true, ..policy }
}

async fn load(world: &World, node: &Node, answer: u64) {
    let asked = node.ask();
    world.call().await.answer(answer);
    assert_eq!(number(&asked.await.unwrap().unwrap()), answer);
}

#[test]
fn a_name_says_which_key_it_is_of_where_the_class_wants_that() {
    on_one_thread(async {
        let world = World::new(readable(exact(60)));
        let (a, b) = (world.node().await, world.node().await);
        load(&world, &a, 1).await;
        let found = b.get().await;
        assert_eq!((number(&found), found.origin()), (1, Origin::L2), "every node calls it so");
        let [name] = &names(&world, "alc:e:")[..] else { panic!("there is one entry") };
        let hashed = a.engine.shared_entry(&a.question().key).unwrap().id().name();
        assert_eq!(*name, format!("{hashed}:shop:kpis:list:42"));
        let shown = b.engine.explain_shared(&b.rules, &b.question().key).await.unwrap().unwrap();
        assert_eq!(shown.name, *name);
        assert!(shown.found.is_some());

        assert_eq!(b.invalidate_key().await, Level::Applied);
        assert_eq!(names(&world, "alc:e:"), [""; 0]);
        settle().await;
        load(&world, &a, 2).await;
    });
}

#[test]
fn without_it_no_name_says_anything() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let node = world.node().await;
        load(&world, &node, 1).await;
        let all = names(&world, "alc:");
        assert!(!all.is_empty() && all.iter().all(|name| !name.contains("kpis")), "{all:?}");
    });
}

/// While the nodes of an application change from one to the other.
#[test]
fn a_node_of_another_mind_shares_nothing_and_invalidates_everything() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (hashed, mut called) = (world.node().await, world.node().await);
        let policy = readable(called.rules.policy.clone());
        let rules =
            Rules { shared: called.rules.shared.clone(), ..Rules::new(called.rules.space.clone(), policy) };
        called.rules = rules.into();
        load(&world, &hashed, 1).await;
        load(&world, &called, 1).await;
        assert_eq!(names(&world, "alc:e:").len(), 2);
        for (one, other) in [(&hashed, &called), (&called, &hashed)] {
            assert_eq!(one.invalidate_key().await, Level::Applied);
            settle().await;
            assert_eq!(names(&world, "alc:e:"), [""; 0]);
            load(&world, other, 2).await;
            load(&world, one, 2).await;
        }
    });
}

/// What a node could not say is said under both names by whoever says it later.
#[test]
fn a_debt_knows_both_names() {
    on_one_thread(async {
        let world = World::new(readable(exact(60)));
        let (a, b) = (world.node().await, world.node().await);
        load(&world, &a, 1).await;
        b.cut();
        assert_eq!(b.invalidate_key().await, Level::DeferredVolatile);
        assert_eq!(names(&world, "alc:e:").len(), 1);
        b.mend();
        world.after(3).await;
        assert_eq!(names(&world, "alc:e:"), [""; 0]);
    });
}
