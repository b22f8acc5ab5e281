//! What happens to nodes, to servers, and to what lies between them.

use std::{sync::Arc, time::Duration};

use alacena_core::runtime::Runtime;
use alacena_testkit::{
    Chance,
    tier::{FakeTier, Faults, Flow, Links, Name, Replication},
};

use crate::world::World;

/// What may happen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happens {
    /// Nothing: clients read, and nobody changes anything.
    Nothing,
    /// Everything, to nodes, servers and what is true.
    Everything,
}

/// Lets things happen from now on.
pub(crate) fn begin(world: &Arc<World>, happens: Happens) {
    if happens == Happens::Nothing {
        return;
    }
    for number in 0..world.count() {
        let (world, runtime) = (world.clone(), world.runtime.clone());
        runtime.spawn(Box::pin(async move {
            while world.goes_on() {
                world.pause(&world.runtime, Duration::from_secs(3)).await;
                happen_to_node(&world, number).await;
            }
        }));
    }
    for tier in world.site.tiers.clone() {
        let (world, runtime) = (world.clone(), world.runtime.clone());
        runtime.spawn(Box::pin(async move {
            while world.goes_on() {
                world.pause(&world.runtime, Duration::from_secs(2)).await;
                happen_to_server(&world, &tier).await;
            }
        }));
    }
}

/// Makes everything well.
pub(crate) fn end(world: &Arc<World>) {
    for tier in &world.site.tiers {
        tier.resume();
        tier.set_replication(Replication::AtOnce);
        tier.server(|server, _| server.set_full(false));
    }
    for number in 0..world.count() {
        world.runtime.resume(World::machine(number));
        match world.node(number) {
            Some(node) => node.shards.iter().for_each(|shard| shard.set_faults(world.weather)),
            None => world.begin(number, u32::MAX),
        }
    }
}

async fn happen_to_node(world: &Arc<World>, number: usize) {
    let mut chance = Chance::new(world.runtime.random());
    let held = Faults { answers: Flow::Held, ..world.weather };
    let faults = match chance.below(9) {
        0 => Faults { refused: true, ..world.weather },
        1 => Faults { link_refused: true, ..world.weather },
        2 => Faults { requests: Flow::Held, answers: Flow::Held, ..world.weather },
        3 => Faults { requests: Flow::Held, ..world.weather },
        4 => held,
        5 => Faults { link: Flow::Held, ..world.weather },
        6 => {
            Faults { latency: Duration::from_millis(30), jitter: Duration::from_millis(60), ..world.weather }
        }
        7 => return stop(world, number, held).await,
        _ => return kill(world, number).await,
    };
    let Some(node) = world.node(number).filter(|_| world.goes_on()) else { return };
    world.site.history.tell(format_args!("node {number}: {faults:?}"));
    // Of one shard, or of all.
    let concerned = if chance.one_in(2) { &node.shards[..1] } else { &node.shards[..] };
    concerned.iter().for_each(|shard| shard.set_faults(faults));
    node.set_well(false);
    world.pause(&world.runtime, Duration::from_secs(2)).await;
    node.set_well(true);
    world.site.history.tell(format_args!("node {number} has no faults any more"));
    node.shards.iter().for_each(|shard| shard.set_faults(world.weather));
}

/// A node stands still: none of its tasks runs, and what arrives waits in its machine.
async fn stop(world: &Arc<World>, number: usize, held: Faults) {
    let Some(node) = world.node(number).filter(|_| world.goes_on()) else { return };
    world.site.history.tell(format_args!("node {number} stands still"));
    world.runtime.stop(World::machine(number));
    node.shards.iter().for_each(|shard| shard.set_faults(held));
    node.set_well(false);
    world.pause(&world.runtime, Duration::from_secs(4)).await;
    node.set_well(true);
    world.site.history.tell(format_args!("node {number} goes on"));
    world.runtime.resume(World::machine(number));
    node.shards.iter().for_each(|shard| shard.set_faults(world.weather));
}

async fn kill(world: &Arc<World>, number: usize) {
    if !world.goes_on() {
        return;
    }
    let Some(life) = world.kill(number) else { return };
    world.pause(&world.runtime, Duration::from_millis(500)).await;
    if world.node(number).is_none() {
        world.begin(number, life + 1);
    }
}

async fn happen_to_server(world: &Arc<World>, tier: &FakeTier) {
    let mut chance = Chance::new(world.runtime.random());
    let tell = |what: &str| world.site.history.tell(format_args!("the server {what}"));
    if !world.goes_on() {
        return;
    }
    match chance.below(10) {
        0..4 => {
            let names: Vec<Name> = tier.server(|server, _| server.kept().map(|(name, _)| name).collect());
            for name in names {
                if chance.one_in(3) {
                    tell(&format!("evicts {}", name.text()));
                    tier.server(|server, _| server.evict(name));
                }
            }
        }
        4 => {
            tell("forgets everything");
            tier.server(|server, _| server.flush());
        }
        5 => {
            tell("is full");
            tier.server(|server, _| server.set_full(true));
            world.pause(&world.runtime, Duration::from_secs(1)).await;
            tell("has room again");
            tier.server(|server, _| server.set_full(false));
        }
        6 => {
            tell("stands still");
            let began = world.runtime.now();
            tier.pause();
            world.pause(&world.runtime, Duration::from_millis(2_500)).await;
            tell("goes on");
            tier.resume();
            if world.has_one_server() {
                world.site.history.was_out(began);
            }
        }
        7 => {
            let keeps = chance.one_in(2);
            tell(if keeps { "starts again, with its data" } else { "starts again, without its data" });
            tier.restart(keeps);
            if world.has_one_server() {
                world.site.history.another_era();
            }
        }
        _ => fail_over(world, tier, &mut chance).await,
    }
}

/// The replica falls behind, and takes over.
async fn fail_over(world: &Arc<World>, tier: &FakeTier, chance: &mut Chance) {
    let lag = Replication::After(Duration::from_millis(200));
    let (replication, links) =
        (*chance.pick(&[Replication::Cut, lag]), *chance.pick(&[Links::Break, Links::Stay]));
    world.site.history.tell(format_args!("replication: {replication:?}"));
    tier.set_replication(replication);
    world.pause(&world.runtime, Duration::from_secs(1)).await;
    world.site.history.tell(format_args!("the replica takes over, connections: {links:?}"));
    tier.failover(links);
    if world.has_one_server() {
        world.site.history.another_era();
    }
    tier.set_replication(Replication::AtOnce);
}
