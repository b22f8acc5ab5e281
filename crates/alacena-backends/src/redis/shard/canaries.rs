//! Who waits for the canary of a link.
//!
//! Several may at once: while a better way of telling is tried, the link can be lost and made anew, and begins with a canary
//! of its own. The canary that has come proves the same to all of them; that another one waits proves nothing to anybody.

use alacena_core::tier::Telling;
use tokio::sync::oneshot;

/// Who waits for the canary, and in which way it is to come.
#[derive(Default)]
pub(super) struct Canaries(Vec<(Telling, oneshot::Sender<()>)>);

impl Canaries {
    /// What ends when the canary comes in this way.
    pub(super) fn listen(&mut self, way: Telling) -> oneshot::Receiver<()> {
        let (hears, heard) = oneshot::channel();
        // Who waits no longer has been told nothing.
        self.0.retain(|(_, hears)| !hears.is_closed());
        self.0.push((way, hears));
        heard
    }

    /// The canary has come in this way.
    pub(super) fn hear(&mut self, way: Telling) {
        for (_, hears) in self.0.extract_if(.., |(expected, _)| *expected == way) {
            // An error: nobody waits for it any more.
            let _ = hears.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_to_wait_takes_the_canary_from_nobody() {
        let mut canaries = Canaries::default();
        let [mut first, mut second] = [(); 2].map(|()| canaries.listen(Telling::Tracked));
        let mut other = canaries.listen(Telling::Published);
        assert!(first.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Empty));
        canaries.hear(Telling::Tracked);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(()), Ok(())));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Empty), "it came in another way");
    }

    #[test]
    fn who_waits_no_longer_stays_nowhere() {
        let mut canaries = Canaries::default();
        for _ in 0..100 {
            drop(canaries.listen(Telling::Tracked));
        }
        assert!(canaries.0.len() <= 1);
    }
}
