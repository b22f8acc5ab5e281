//! Batches: what no other node loads is loaded at once, what others do is awaited after, and nothing is held meanwhile.
//!
//! ```text
//!   node A: keys 1, 2          node B: keys 2, 1        were each to hold what it has while it waits
//!   leads 1                    leads 2
//!   waits for 2                waits for 1              until the leases run out
//! ```

use std::time::Duration;

use futures_util::future::{join_all, select_all};

use super::{Claim, Consulted, Licence, Ticket};
use crate::{
    engine::{Engine, Mode, many::Led},
    outcome::Origin,
    runtime::SharedRuntime,
    tier::{Failure, Woken},
};

/// What other nodes are loading.
pub(in crate::engine) struct Busy {
    pending: Vec<(Led, Ticket)>,
    /// The shortest time that any of them may take.
    left: Duration,
    woken: Vec<Woken>,
}

impl Busy {
    /// Waits until one of them may be there.
    pub(in crate::engine) async fn wait(self, runtime: &SharedRuntime) -> Vec<(Led, Ticket)> {
        let Self { pending, left, woken } = self;
        super::post::either(async { drop(select_all(woken).await) }, runtime.sleep(left)).await;
        pending
    }
}

impl Engine {
    /// Ends the flights of what the second tier has; the rest is left.
    pub(in crate::engine) async fn find_many(&self, led: Vec<Led>) -> Vec<(Led, Ticket)> {
        let consulted =
            join_all(led.iter().map(|led| self.consult(&led.question, led.landing.token(), None))).await;
        let mut rest = Vec::new();
        for (led, consulted) in led.into_iter().zip(consulted) {
            match consulted {
                Consulted::Found(found) if led.question.mode == Mode::Refresh => {
                    rest.push((led, found.ticket))
                }
                Consulted::Found(found) => {
                    self.land_found(led.landing, found.entry, found.origin, found.is_kept);
                }
                Consulted::Missing(_, ticket) => rest.push((led, ticket)),
                Consulted::Suspect(_) | Consulted::Away => rest.push((led, Ticket::default())),
            }
        }
        rest
    }

    /// Asks for the lease of each, without waiting. What is to be loaded now, and what others are loading.
    pub(in crate::engine) async fn license_many(
        &self,
        pending: Vec<(Led, Ticket)>,
        may_wait: bool,
    ) -> (Vec<(Led, Licence)>, Option<Busy>) {
        let claims = pending.into_iter().map(|(mut led, mut ticket)| async move {
            let claim = self.claim_or_do_without(&mut led, &mut ticket).await;
            (led, ticket, claim)
        });
        let (mut licensed, mut pending, mut woken) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = Duration::MAX;
        for (led, ticket, claim) in join_all(claims).await {
            match claim {
                Claim::Licence(Licence::Found(entry, is_kept)) => {
                    self.land_found(led.landing, entry, Origin::L2, is_kept);
                }
                Claim::Licence(licence) => licensed.push((led, licence)),
                // Whoever leads is alive and slow: this batch asks for itself.
                Claim::Busy(..) if !may_wait => licensed.push((led, Licence::Nothing(None))),
                Claim::Busy(for_long, one) => {
                    pending.push((led, ticket));
                    woken.push(one);
                    left = left.min(for_long);
                }
            }
        }
        (licensed, (!pending.is_empty()).then_some(Busy { pending, left, woken }))
    }

    async fn claim_or_do_without(&self, led: &mut Led, ticket: &mut Ticket) -> Claim {
        let is_shared = led.landing.token().is_shared();
        let claimed: Result<Claim, Failure> = match is_shared {
            true => self.claim(&led.question, &mut led.landing, ticket).await,
            false => Ok(Claim::Licence(Licence::Nothing(None))),
        };
        claimed.unwrap_or_else(|failure| {
            tracing::debug!(class = led.question.rules.space.class(), %failure, "loading without the second tier");
            led.landing.stand_on(led.question.capture(&self.0.markers));
            Claim::Licence(Licence::Nothing(None))
        })
    }
}
