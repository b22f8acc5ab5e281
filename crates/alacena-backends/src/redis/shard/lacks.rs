//! What the server does without, for those who run it.

use alacena_core::tier::Lack;

use super::{
    super::{Address, Cause, RefusalReason, State},
    RedisShard,
    said::{Identity, Memory},
};

const AWAY: &str = "until it is back this node answers by itself and says `local`, and invalidations are written down, \
                    so that other nodes hear of them late";
const UNHEARD: &str = "every read out of memory asks Redis first";
const UNSHARED: &str = "what this node loads is not stored there, and several nodes may load one key at once";
const NO_ERA: &str = "nobody notices a failover or restart that brings back what was invalidated, so the level is \
                      `eventual`";
const EVICTS: &str = "entries and markers give way to others when it is full, which costs misses; and what may stand in \
                      for a failing source is kept there for an hour at most";
const UNBOUNDED: &str =
    "it takes memory until its machine has none left, which ends it and forgets everything";

impl RedisShard {
    pub(super) fn what_it_lacks(&self) -> Vec<Lack> {
        let address = self.server.address();
        match self.data.state() {
            State::Up { .. } => {}
            State::Connecting(Some(cause)) => return vec![serious(address, &cause, AWAY)],
            // It has only just begun, or has been ended.
            State::Connecting(None) | State::Closed => return Vec::new(),
        }
        let mut lacks = Vec::new();
        if let Some(State::Connecting(Some(cause))) = self.markers.get().map(|(line, _)| line.state()) {
            lacks.push(serious(address, &cause, UNHEARD));
        }
        if let State::Connecting(Some(cause)) = self.waits.state() {
            lacks.push(serious(address, &cause, UNSHARED));
        }
        if self.shared.identity().is_some_and(|identity: Identity| !identity.is_known()) {
            lacks.push(Lack {
                what: format!("{address} does not let its user ask with INFO which server it is"),
                costs: NO_ERA,
                remedy: "Give the user the right: ACL SETUSER … +info.",
                is_serious: true,
            });
        }
        lacks.extend(self.shared.memory().and_then(|memory| of_memory(address, &memory)));
        lacks
    }
}

fn serious(address: &Address, cause: &Cause, costs: &'static str) -> Lack {
    let what = format!("{address} cannot be used: {cause}");
    Lack { what, costs, remedy: remedy(address, cause), is_serious: true }
}

fn remedy(address: &Address, cause: &Cause) -> &'static str {
    match cause {
        Cause::Refused(refusal) if refusal.to_string().contains("max number of clients") => {
            "Raise maxclients of Redis, or end what keeps connections that it does not use."
        }
        Cause::Refused(refusal) if refusal.reason == RefusalReason::NotPermitted => {
            "Give the user the rights that docs/guide/redis.md lists: ACL SETUSER …."
        }
        cause => cause.error(address).code().remedy,
    }
}

/// What is to be said of how it keeps its memory.
fn of_memory(address: &Address, memory: &Memory) -> Option<Lack> {
    let policy = memory.policy.as_deref()?;
    let (what, costs, remedy) = if memory.evicts() {
        let remedy = "That is right for a cache; a queue needs a Redis of its own, with noeviction.";
        (format!("{address} evicts: its maxmemory-policy is {policy}"), EVICTS, remedy)
    } else if memory.max == Some(0) {
        let remedy = "Set maxmemory, and maxmemory-policy allkeys-lru for a cache.";
        (format!("{address} has no maxmemory, and evicts nothing"), UNBOUNDED, remedy)
    } else {
        return None;
    };
    Some(Lack { what, costs, remedy, is_serious: false })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{super::super::Refusal, *};

    fn address() -> Address {
        Address::parse("redis://:hunter2@cache.example").expect("it is one")
    }

    #[test]
    fn each_cause_says_what_it_costs_and_what_to_do_and_no_secret() {
        let refused = |text: &str| Cause::Refused(Refusal::new(text.as_bytes()));
        for (cause, named, remedy) in [
            (Cause::WrongPassword, "password is wrong", "ACL LIST"),
            (Cause::TooOld("5.0.7".into()), "5.0.7 is older than 6.2", "Redis 6.2 or newer"),
            (refused("ERR max number of clients reached"), "max number of clients", "maxclients"),
            (
                refused("NOPERM this user has no permissions to run the 'client|tracking' command"),
                "tracking",
                "ACL SETUSER",
            ),
            (super::super::greet::unsuitable("it is a replica"), "replica", "Redis"),
            (Cause::Unreachable(ErrorKind::ConnectionRefused), "refused", "running"),
        ] {
            let line = serious(&address(), &cause, AWAY).to_string();
            assert!(line.contains(named) && line.contains(remedy) && line.contains("`local`"), "{line}");
            assert!(line.contains("cache.example:6379") && !line.contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn how_it_keeps_its_memory_is_said_where_it_matters() {
        let of = |info: &str| of_memory(&address(), &Memory::read(info)).map(|lack| lack.to_string());
        assert!(
            of("maxmemory:1000\r\nmaxmemory_policy:allkeys-lru\r\n")
                .is_some_and(|line| line.contains("allkeys-lru"))
        );
        assert!(
            of("maxmemory:0\r\nmaxmemory_policy:noeviction\r\n")
                .is_some_and(|line| line.contains("no maxmemory"))
        );
        assert_eq!(of("maxmemory:1000\r\nmaxmemory_policy:noeviction\r\n"), None);
        assert_eq!(of(""), None, "nothing is known");
    }
}
