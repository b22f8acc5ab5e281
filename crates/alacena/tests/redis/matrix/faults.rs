//! The faults of the table, by their names there.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use alacena_testkit::chaos::{Close, Door, Fault, Rule};

use super::{
    table::Column,
    world::{Needs, World},
};

/// What only the tracking connection has sent.
const TRACKING: &str = "TRACKING";
/// How long most faults last: longer than the horizon, and than the breaker's first pause.
const LASTS: Duration = Duration::from_millis(1_600);

/// For how long it is looked at what a server does that goes on.
const LINGERS: Duration = Duration::from_millis(500);

/// A fault that is there until it is lifted.
pub(crate) struct Injected {
    lift: Box<dyn FnOnce(&mut World) + Send>,
    /// For how long it is to be there, ...
    pub(crate) lasts: Duration,
    /// ... and for how long after that it is looked at what comes of it.
    pub(crate) lingers: Duration,
    /// What is done again and again meanwhile.
    pub(crate) again: Option<fn(&World)>,
}

impl Injected {
    fn new(lift: impl FnOnce(&mut World) + Send + 'static) -> Self {
        Self { lift: Box::new(lift), lasts: LASTS, lingers: Duration::ZERO, again: None }
    }

    fn lasting(self, lasts: Duration) -> Self {
        Self { lasts, ..self }
    }

    fn lingering(self, lingers: Duration) -> Self {
        Self { lingers, ..self }
    }

    fn again(self, again: fn(&World)) -> Self {
        Self { again: Some(again), ..self }
    }

    pub(crate) fn lift(self, world: &mut World) {
        (self.lift)(world);
    }
}

/// What has to be there for the fault of this name.
pub(crate) fn needs(fault: &str) -> Needs {
    match fault {
        "replica promoted" => Needs { replica: true, ..Needs::default() },
        // As the guide says: who is cut off from its replicas takes no writes, and is not read as fresh.
        "old master isolated" => Needs {
            replica: true,
            server: &[("min-replicas-to-write", "1"), ("min-replicas-max-lag", "1")],
            node: "replicas_min = 1",
        },
        // Loads what it has written down, slowly.
        "loading" => {
            Needs { server: &[("appendonly", "yes"), ("key-load-delay", "50000")], ..Needs::default() }
        }
        _ => Needs::default(),
    }
}

/// Lets the fault of this name happen.
pub(crate) fn inject(fault: &str, column: Column, world: &mut World) -> Injected {
    let only_link = column == Column::Link;
    let rules = |rules: Vec<Rule>| {
        for rule in rules {
            let rule = if only_link { rule.only_who_sent(TRACKING) } else { rule };
            world.ways[0].inject(rule);
        }
        Injected::new(|world| world.ways[0].lift_all())
    };
    let late = |millis| Fault::Latency {
        delay: Duration::from_millis(millis),
        jitter: Duration::from_millis(millis / 5),
    };
    let reply = |fault| Rule::to_client(fault).chance(0.05);
    match fault {
        "nothing" => Injected::new(|_| {}),
        "latency 10 ms" => rules(vec![Rule::to_client(late(10))]),
        "latency 100 ms" => rules(vec![Rule::to_client(late(100))]),
        "latency 1000 ms" => rules(vec![Rule::to_client(late(1_000))]),
        "reset mid-reply" => rules(vec![Rule::to_client(Fault::Reset { at: 150 })]),
        "end mid-bulk" => rules(vec![Rule::to_client(Fault::Finish { at: 150 })]),
        "blackhole" => rules(vec![Rule::both_ways(Fault::Blackhole)]),
        "half open, to the server" => rules(vec![Rule::to_server(Fault::Blackhole)]),
        "half open, to the client" => rules(vec![Rule::to_client(Fault::Blackhole)]),
        "byte by byte" => rules(vec![Rule::both_ways(Fault::Pieces { size: 1, gap: Duration::ZERO })]),
        "trickle" => rules(vec![Rule::both_ways(Fault::Trickle { bytes_per_second: 10 })]),
        "split everywhere" => {
            let pause = Duration::from_millis(1);
            rules((1..200).map(|at| Rule::to_client(Fault::Split { at, pause })).collect())
        }
        "bursts" => rules(vec![Rule::to_client(Fault::Burst { hold: Duration::from_millis(25) })]),
        "swapped replies" => rules(vec![reply(Fault::SwapReplies { wait: Duration::from_millis(20) })]),
        "duplicated replies" => rules(vec![reply(Fault::DuplicateReply)]),
        "omitted replies" => rules(vec![reply(Fault::OmitReply)]),
        "omitted pushes" => {
            // As a proxy does that knows of no such thing: from the beginning of a connection.
            let injected = rules(vec![Rule::to_client(Fault::OmitPush)]);
            world.ways[0].close_all(Close::Reset);
            injected
        }
        "error replies" => rules(vec![reply(Fault::ErrorReply { error: "ERR something is wrong" })]),
        "loading replies" => {
            let error = "LOADING Redis is loading the dataset in memory";
            rules(vec![Rule::to_client(Fault::ErrorReply { error })])
        }
        "accepted, then silence" => shut(world, Door::Silent),
        "refused" => shut(world, Door::Refusing),
        _ => of_server(fault, world),
    }
}

/// Connections of node A are closed, and become of new ones what the door says.
fn shut(world: &World, door: Door) -> Injected {
    world.ways[0].set_door(door);
    world.ways[0].close_all(Close::Reset);
    Injected::new(|world| {
        world.ways[0].set_door(Door::Open);
        world.ways[0].close_all(Close::Reset);
    })
}

/// A fault that both nodes see.
fn of_server(fault: &str, world: &mut World) -> Injected {
    let stopped = |seconds: f64, world: &World| {
        world.server.pause();
        let lasts = Duration::from_secs_f64(seconds);
        Injected::new(|world| world.server.resume()).lasting(lasts).lingering(LINGERS)
    };
    match fault {
        "killed" => {
            world.server.kill();
            Injected::new(|world| world.server.restart())
        }
        "stopped for 0.2 s" => stopped(0.2, world),
        "stopped for 2 s" => stopped(2.0, world),
        "stopped for 20 s" => stopped(20.0, world),
        "loading" => {
            world.server.kill();
            let restart = |world: &mut World| tokio::task::block_in_place(|| world.server.restart());
            Injected::new(restart).lasting(Duration::from_millis(100)).lingering(Duration::from_secs(3))
        }
        "read only" => {
            world.server.isolate();
            Injected::new(|world| world.server.promote())
        }
        "out of memory" => {
            world.command(&["CONFIG", "SET", "maxmemory", "1"]);
            Injected::new(|world| world.command(&["CONFIG", "SET", "maxmemory", "0"]))
        }
        "busy with a script" => {
            world.command(&["CONFIG", "SET", "lua-time-limit", "50"]);
            let asks = never_ends(world.server.address());
            Injected::new(move |world| {
                world.server.try_command(&["SCRIPT", "KILL"]);
                drop(asks);
            })
        }
        "scripts flushed" => Injected::new(|_| {}).again(|world| world.command(&["SCRIPT", "FLUSH"])),
        "no password any more" => {
            world.command(&["CONFIG", "SET", "requirepass", "another"]);
            world.close_all();
            Injected::new(|world| world.command(&["CONFIG", "SET", "requirepass", ""]))
        }
        "no right to anything" => {
            world.command(&["ACL", "SETUSER", "default", "-@all"]);
            Injected::new(|world| world.command(&["ACL", "SETUSER", "default", "+@all"]))
        }
        "master down" => {
            world.command(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
            world.server.isolate();
            Injected::new(|world| world.server.promote())
        }
        "flushed" => Injected::new(|_| {}).again(|world| world.command(&["FLUSHALL"])),
        "evictions" => {
            world.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
            world.command(&[
                "CONFIG",
                "SET",
                "maxmemory",
                &(world.server.used_memory() + 20_000).to_string(),
            ]);
            Injected::new(|world| world.command(&["CONFIG", "SET", "maxmemory", "0"])).again(|world| {
                for filler in 0..50 {
                    let name = format!("filler {filler}");
                    // It may be refused: what counts is what it has pushed out.
                    world.server.try_command(&[
                        "SET",
                        name.as_str(),
                        "a value of some length, so that there is no room",
                    ]);
                }
            })
        }
        "replica promoted" => {
            tokio::task::block_in_place(|| world.promote());
            Injected::new(|_| {})
        }
        "old master isolated" => {
            world.promote_for_a();
            // The one that was cut off learns of it and follows.
            Injected::new(|world| world.rejoin())
        }
        _ => panic!("`{fault}` is no fault that anybody knows"),
    }
}

/// Asks for a script that goes on until it is killed; nobody waits for its answer.
fn never_ends(server: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n").unwrap();
    stream
}
