//! What the server does without, for those who run it.

use alacena_core::tier::{Lack, Telling};

use super::{
    super::{Address, Cause, RefusalReason, State},
    RedisShard,
    said::{Identity, Memory},
};

const AWAY: &str = "until it is back this node answers by itself and says `local`, and invalidations are written down, \
                    so that other nodes hear of them late";
const RIGHTS: &str = "Give the user the rights that docs/guide/redis.md lists: ACL SETUSER ….";
const UNHEARD: &str = "every read out of memory asks Redis first";
const UNSHARED: &str = "what this node loads is not stored there, and several nodes may load one key at once";
const NO_ERA: &str = "nobody notices a failover or restart that brings back what was invalidated, so the level is \
                      `eventual`";
const EVICTS: &str = "entries and markers give way to others when it is full, which costs misses; and what may stand in \
                      for a failing source is kept there for an hour at most";
const UNBOUNDED: &str =
    "it takes memory until its machine has none left, which ends it and forgets everything";

const PUBLISHED: &str = "nodes tell one another with PUBLISH instead, so that none hears of what somebody flushes or \
                         removes by hand, and who waits for a load of another node asks again, every 20 to 200 ms";
const UNTOLD: &str = "the level is `eventual`: what another node has invalidated may be answered for 0.9 s more, and each \
                      copy in memory is asked about again as often";
const UNPUBLISHED: &str = "nodes that hear of what others invalidate in no other way are not told by this one, and may \
                           answer it until their copies end, after l1_ttl (5 s without one); so the level is `eventual`, and \
                           nothing that this node invalidates gets as far as `barrier`";
const SPENT: &str = "until midnight UTC this node answers by itself and says `local`, and invalidations are written down, so \
                     that other nodes hear of them late";
const NEARLY_SPENT: &str =
    "once they are used up nothing is sent any more, until midnight UTC: each node answers by itself";

impl RedisShard {
    pub(super) fn what_it_lacks(&self) -> Vec<Lack> {
        let address = self.server.address();
        let mut lacks: Vec<Lack> = self.of_spending().into_iter().collect();
        match self.data.state() {
            State::Up { .. } | State::Idle => {}
            State::Connecting(Some(cause)) => {
                lacks.push(serious(address, &cause, AWAY));
                return lacks;
            }
            // It has only just begun, or has been ended.
            State::Connecting(None) | State::Closed => {
                lacks.extend(self.left.lock().clone());
                return lacks;
            }
        }
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
        if let Some(what) = self.shared.denied(self.runtime.now()) {
            lacks.push(Lack {
                what: format!("{address} does not let its user do what is needed: {what}"),
                costs: UNSHARED,
                remedy: RIGHTS,
                is_serious: true,
            });
        }
        lacks.extend(self.of_telling());
        if let Some(why) = self.shared.unpublished() {
            lacks.push(Lack {
                what: format!("{address} does not let this node say what it invalidates (PUBLISH): {why}"),
                costs: UNPUBLISHED,
                remedy: "Give the user the right: ACL SETUSER … +publish &alc:*.",
                is_serious: true,
            });
        }
        lacks.extend(self.shared.memory().and_then(|memory| of_memory(address, &memory)));
        lacks
    }
}

impl RedisShard {
    /// What is to be said of how it tells of changes, unless that is in the best way.
    fn of_telling(&self) -> Option<Lack> {
        let (address, telling) = (self.server.address(), self.shared.telling());
        if telling == Telling::Tracked {
            return None;
        }
        if self.sleeper.is_some() {
            let what = format!("{address} is metered, and asked nothing that nobody needs to know");
            let remedy = "Remove redis.metered where commands are not paid for.";
            return Some(Lack { what, costs: UNTOLD, remedy, is_serious: false });
        }
        let fallen = self.shared.fallen();
        let costs = if telling == Telling::Published { PUBLISHED } else { UNTOLD };
        if fallen.is_empty() {
            let what = format!("{address} is used with redis.push = \"{}\"", telling.as_str());
            let remedy = "Remove redis.push where the server can tell of changes by itself.";
            return Some(Lack { what, costs, remedy, is_serious: false });
        }
        let mut what = format!("{address} does not tell of what changes");
        for (way, why) in fallen {
            let name = if way == Telling::Tracked { "CLIENT TRACKING" } else { "SUBSCRIBE" };
            what.push_str(&format!("; {name}: {why}"));
        }
        Some(Lack {
            what,
            costs,
            remedy: "Give the user the rights +client|tracking +client|caching +publish +subscribe &alc:*, or connect to Redis past the proxy that takes this away; where neither can be, say so with redis.push.",
            is_serious: telling == Telling::Nothing,
        })
    }

    /// What is to be said of the commands of the day. Nothing of their number: what is told once is not told again.
    fn of_spending(&self) -> Option<Lack> {
        let address = self.server.address();
        let spending = self.server.spending().filter(|spending| spending.is_nearly_spent())?;
        let remedy = "Raise redis.metered if the plan has more; /cache/stats says how many are used, and how many will be.";
        let (what, costs) = match spending.is_spent {
            true => (format!("{address}: the {} commands of the day are used up", spending.limit), SPENT),
            false => (
                format!("{address}: 80 % of the {} commands of the day are used", spending.limit),
                NEARLY_SPENT,
            ),
        };
        Some(Lack { what, costs, remedy, is_serious: true })
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
        Cause::Refused(refusal) if refusal.reason == RefusalReason::NotPermitted => RIGHTS,
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
