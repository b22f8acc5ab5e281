//! What a server says of itself.

use std::sync::Arc;

use alacena_core::tier::Era;

/// How far behind a replica may be, in seconds since it was last heard of, to count as good. Servers say no more exactly:
/// a replica that follows is heard of once a second.
const LAG_SECONDS_MAX: u64 = 2;

/// What `INFO replication` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replication {
    pub(super) is_primary: bool,
    /// Its replication id.
    pub(super) id: Box<str>,
    /// Replicas that follow and are not behind.
    pub(super) good_replicas: u32,
}

impl Replication {
    /// Reads the text; `None` where it says no role or no id.
    pub(super) fn read(info: &str) -> Option<Self> {
        let is_primary = match field(info, "role")? {
            "master" => true,
            "slave" => false,
            _ => return None,
        };
        let id = field(info, "master_replid").filter(|id| is_hexadecimal(id))?;
        let good = info.lines().filter(|line| is_good_replica(line)).count();
        Some(Self { is_primary, id: id.into(), good_replicas: u32::try_from(good).unwrap_or(u32::MAX) })
    }
}

/// The line of a replica: `slave0:ip=127.0.0.1,port=6380,state=online,offset=70,lag=1`.
fn is_good_replica(line: &str) -> bool {
    let number_and_rest = line.strip_prefix("slave").and_then(|rest| rest.split_once(':'));
    let Some((number, rest)) = number_and_rest else { return false };
    let part = |name| rest.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    number.parse::<u32>().is_ok()
        && part("state") == Some("online")
        && part("lag").and_then(|lag| lag.parse().ok()).is_some_and(|lag: u64| lag <= LAG_SECONDS_MAX)
}

/// Which server this is, and which data set it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) era: Era,
    run_id: Arc<str>,
    /// By which scripts tell the era: that of `INFO replication`, or nothing without the right to ask for it.
    pub(super) replication_id: Arc<str>,
}

impl Identity {
    /// The server that says this in `INFO server`, with the data set that goes by this id.
    pub(super) fn read(info: &str, replication: &Replication) -> Option<Self> {
        let run_id = field(info, "run_id").filter(|id| is_hexadecimal(id))?;
        Some(Self::new(run_id, &replication.id))
    }

    /// A server that does not say who it is. All such are of one era, so that nodes can share what is there; whether it
    /// was rolled back is not known to any of them.
    pub(super) fn unknown() -> Self {
        Self::new("", "")
    }

    /// The era of the same process with the data set that it has now.
    pub(super) fn era_with(&self, replication: &Replication) -> Era {
        if *replication.id == *self.replication_id {
            self.era
        } else {
            Era::of(&self.run_id, &replication.id)
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !self.run_id.is_empty()
    }

    fn new(run_id: &str, replication_id: &str) -> Self {
        let era = Era::of(run_id, replication_id);
        Self { era, run_id: run_id.into(), replication_id: replication_id.into() }
    }
}

/// What `INFO memory` says of its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// What it does when it is full.
    pub(super) policy: Option<Box<str>>,
    /// How much it may take, in bytes; zero: whatever there is.
    pub(super) max: Option<u64>,
}

impl Memory {
    pub(super) fn read(info: &str) -> Self {
        let max = field(info, "maxmemory").and_then(|bytes| bytes.parse().ok());
        Self { policy: field(info, "maxmemory_policy").map(Into::into), max }
    }

    /// Whether it may evict what is not used. One that does not say so may.
    pub(super) fn evicts(&self) -> bool {
        self.policy.as_deref().is_none_or(|policy| policy != "noeviction")
    }
}

fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn is_hexadecimal(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "# Replication\r\nrole:master\r\nconnected_slaves:4\r\n\
        slave0:ip=127.0.0.1,port=1,state=online,offset=70,lag=1\r\n\
        slave1:ip=127.0.0.1,port=2,state=online,offset=60,lag=3\r\n\
        slave2:ip=127.0.0.1,port=3,state=wait_bgsave,offset=0,lag=0\r\n\
        slave3:ip=127.0.0.1,port=4,state=online,offset=70,lag=0,type=replica\r\n\
        master_failover_state:no-failover\r\nmaster_replid:14e6865891853d7996d6b37cb8f5d1c9377adb54\r\n\
        master_replid2:0000000000000000000000000000000000000000\r\n";

    #[test]
    fn replicas_that_follow_without_lag_are_good() {
        let said = Replication::read(PRIMARY).unwrap();
        assert!(said.is_primary);
        assert_eq!(&*said.id, "14e6865891853d7996d6b37cb8f5d1c9377adb54");
        assert_eq!(said.good_replicas, 2);
        assert!(!Replication::read(&PRIMARY.replace("role:master", "role:slave")).unwrap().is_primary);
    }

    #[test]
    fn what_says_no_role_or_no_id_says_nothing() {
        for gone in ["role:master", "master_replid:14e6865891853d7996d6b37cb8f5d1c9377adb54"] {
            assert_eq!(Replication::read(&PRIMARY.replace(gone, "")), None, "{gone}");
        }
        assert_eq!(Replication::read(&PRIMARY.replace("role:master", "role:sentinel")), None);
        assert_eq!(Replication::read(""), None);
    }

    #[test]
    fn another_process_or_another_data_set_is_another_era() {
        let replication = Replication::read(PRIMARY).unwrap();
        let read = |run_id: &str| Identity::read(&format!("# Server\r\nrun_id:{run_id}\r\n"), &replication);
        let identity = read("ab12").unwrap();
        assert!(identity.is_known());
        assert_ne!(identity.era, read("ab13").unwrap().era);
        assert_eq!(identity.era_with(&replication), identity.era);
        assert_ne!(identity.era_with(&Replication { id: "c0".into(), ..replication.clone() }), identity.era);
        assert_eq!(read("not an id"), None);
        assert!(!Identity::unknown().is_known());
    }

    #[test]
    fn a_server_that_does_not_say_whether_it_evicts_may() {
        let evicts = |info: &str| Memory::read(info).evicts();
        assert!(!evicts("maxmemory:0\r\nmaxmemory_policy:noeviction\r\n"));
        assert!(evicts("maxmemory_policy:allkeys-lru\r\n"));
        assert!(evicts(""));
    }
}
