//! What is to go wrong, for whom, how often.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

/// What goes wrong in one direction of a connection.
///
/// Positions (`at`) count the bytes that pass after the rule first applies to the connection: injected with 0 while it
/// is idle, a reset comes at its next byte. A fault that needs a byte to show itself leaves an idle connection alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Everything comes later, in order: by `delay` and a random part of `jitter`. Several add up.
    Latency {
        /// The least of it.
        delay: Duration,
        /// What chance may add.
        jitter: Duration,
    },
    /// From the first byte on all is held back for so long, and then comes at once; then again.
    Burst {
        /// How long it is held back.
        hold: Duration,
    },
    /// Nothing passes, neither bytes nor the end of the connection; after lifting, all of it does. In one direction
    /// only, it makes a connection half open.
    Blackhole,
    /// Written in pieces of at most so many bytes, each in a packet of its own.
    Pieces {
        /// Bytes in a piece; at least one.
        size: usize,
        /// How long after one the next is written. With zero a reader that is not quick sees some together.
        gap: Duration,
    },
    /// So many bytes a second, evenly.
    Trickle {
        /// At least one.
        bytes_per_second: u32,
    },
    /// A pause after the byte at this position, once for each connection.
    Split {
        /// How many bytes pass before it.
        at: u64,
        /// How long it is.
        pause: Duration,
    },
    /// Both ends get a reset (RST) where the byte after this position would have passed.
    Reset {
        /// How many bytes pass before it.
        at: u64,
    },
    /// Both ends get the end of the connection (FIN) where the byte after this position would have passed.
    Finish {
        /// How many bytes pass before it.
        at: u64,
    },
    /// A reply changes places with the next one. Towards the client only, as all below; pushes are left alone.
    SwapReplies {
        /// How long a reply waits for its neighbour, before it goes on alone.
        wait: Duration,
    },
    /// A reply comes twice.
    DuplicateReply,
    /// A reply does not come.
    OmitReply,
    /// An error comes instead of a reply.
    ErrorReply {
        /// Its text, as `LOADING Redis is loading the dataset in memory`.
        error: &'static str,
    },
    /// A push does not come: what a proxy does that knows of no such thing.
    OmitPush,
}

impl Fault {
    /// Whether it changes whole replies or pushes, for which the stream must be understood.
    pub(super) const fn is_about_replies(self) -> bool {
        use Fault::{DuplicateReply, ErrorReply, OmitPush, OmitReply, SwapReplies};
        matches!(self, SwapReplies { .. } | DuplicateReply | OmitReply | ErrorReply { .. } | OmitPush)
    }

    /// Whether chance is asked again each time, rather than once for a connection.
    pub(super) const fn is_drawn_each_time(self) -> bool {
        self.is_about_replies() || matches!(self, Fault::Latency { .. } | Fault::Burst { .. })
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// What is known of a connection when a rule asks whether it is meant.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The first one that the proxy accepted is 0.
    pub number: u64,
    /// What the client has sent so far, its first 4 KiB.
    pub sent: &'a [u8],
}

impl Seen<'_> {
    /// Whether the client has sent these words, in capitals or not.
    #[must_use]
    pub fn has_sent(&self, words: &str) -> bool {
        let words = words.as_bytes();
        !words.is_empty() && self.sent.windows(words.len()).any(|part| part.eq_ignore_ascii_case(words))
    }
}

type Predicate = Arc<dyn Fn(&Seen<'_>) -> bool + Send + Sync>;

/// A fault, the direction in which it happens, and to which connections. Without more: to all, always.
#[derive(Clone)]
pub struct Rule {
    pub(super) fault: Fault,
    to_server: bool,
    to_client: bool,
    only: Option<Predicate>,
    times: u64,
    /// Of 2^32.
    chance: u64,
}

impl Rule {
    /// In what the server sends.
    #[must_use]
    pub fn to_client(fault: Fault) -> Self {
        Self { fault, to_server: false, to_client: true, only: None, times: u64::MAX, chance: 1 << 32 }
    }

    /// In what the client sends.
    ///
    /// # Panics
    ///
    /// If the fault is about replies.
    #[must_use]
    pub fn to_server(fault: Fault) -> Self {
        assert!(!fault.is_about_replies(), "replies go to the client");
        Self { to_server: true, to_client: false, ..Self::to_client(fault) }
    }

    /// In both directions, each for itself.
    ///
    /// # Panics
    ///
    /// If the fault is about replies.
    #[must_use]
    pub fn both_ways(fault: Fault) -> Self {
        Self { to_client: true, ..Self::to_server(fault) }
    }

    /// Only on connections of which this is true. It is asked anew until it is, as the client goes on sending.
    #[must_use]
    pub fn only(mut self, predicate: impl Fn(&Seen<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.only = Some(Arc::new(predicate));
        self
    }

    /// Only on the connection that was accepted as this one; the first is 0.
    #[must_use]
    pub fn only_connection(self, number: u64) -> Self {
        self.only(move |connection| connection.number == number)
    }

    /// Only on connections on which the client has sent these words, in capitals or not, as `TRACKING`.
    #[must_use]
    pub fn only_who_sent(self, words: &'static str) -> Self {
        self.only(move |connection| connection.has_sent(words))
    }

    /// At most so often, all connections together: delays and replies are counted one by one, other faults once for a
    /// direction of a connection.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Only with this chance, between 0 and 1: drawn for each delay and reply, for other faults once for a direction
    /// of a connection.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates between zero and one"
    )]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = (chance.clamp(0.0, 1.0) * 2f64.powi(32)) as u64;
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("fault", &self.fault).finish_non_exhaustive()
    }
}

/// A rule that is or was in force.
#[derive(Debug)]
pub(super) struct Active {
    /// Tells it from every other, also from those that are gone.
    pub(super) id: u64,
    pub(super) rule: Rule,
    /// How often it has acted.
    hits: watch::Sender<u64>,
}

/// All that are in force. Replaced as a whole, so that whoever looks holds no lock.
pub(super) type Rules = Arc<[Arc<Active>]>;

impl Active {
    pub(super) fn new(rule: Rule) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), rule, hits: watch::Sender::new(0) })
    }

    pub(super) fn is_for(&self, direction: Direction, connection: &Seen<'_>) -> bool {
        let is_this_way = match direction {
            Direction::ToServer => self.rule.to_server,
            Direction::ToClient => self.rule.to_client,
        };
        is_this_way && self.rule.only.as_ref().is_none_or(|only| only(connection))
    }

    /// Whether chance is for it.
    pub(super) fn is_drawn(&self, draw: u64) -> bool {
        (draw >> 32) < self.rule.chance
    }

    /// Counts one more time, unless it has acted as often as it may.
    pub(super) fn act(&self) -> bool {
        self.hits.send_if_modified(|hits| {
            let may = *hits < self.rule.times;
            *hits += u64::from(may);
            may
        })
    }
}

/// The handle of a rule that was injected. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Injected {
    pub(super) active: Arc<Active>,
    pub(super) rules: watch::Sender<Rules>,
}

impl Injected {
    /// Takes the rule back. What has been delayed comes when it is due, what has been held back comes now.
    pub fn lift(&self) {
        self.rules.send_modify(|rules| {
            *rules = rules.iter().filter(|rule| !Arc::ptr_eq(rule, &self.active)).cloned().collect();
        });
    }

    /// How often it has acted; counted as [`Rule::times`] says.
    #[must_use]
    pub fn hits(&self) -> u64 {
        *self.active.hits.borrow()
    }

    /// Waits until it has acted so often.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn acted(&self, times: u64) {
        let mut hits = self.active.hits.subscribe();
        hits.wait_for(|hits| *hits >= times).await.expect("we hold the sender");
    }
}
