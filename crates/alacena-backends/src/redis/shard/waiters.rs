//! Who waits for an entry that somebody else loads.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use alacena_core::tier::EntryId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Those who are to be woken when the server tells of an entry or its lease.
///
/// Whoever is to wait stands here before the question is sent: the first that the server tells can arrive with its
/// answer.
#[derive(Clone, Default)]
pub(super) struct Waiters(Arc<Mutex<Waiting>>);

/// Guarded by one lock, held for a look-up: it is taken by loads and by pushes, not by hits.
#[derive(Default)]
struct Waiting {
    by_entry: HashMap<EntryId, Vec<(u64, oneshot::Sender<()>)>>,
    next: u64,
    count: usize,
}

/// One who waits: completes when woken. Leaves the table when dropped.
pub(super) struct Waiter {
    waiters: Waiters,
    entry: EntryId,
    number: u64,
    woken: oneshot::Receiver<()>,
}

impl Waiters {
    /// Somebody more, unless there are `most` already.
    pub(super) fn join(&self, entry: EntryId, most: usize) -> Option<Waiter> {
        let (wake, woken) = oneshot::channel();
        let mut waiting = self.0.lock();
        if waiting.count >= most {
            return None;
        }
        let number = waiting.next;
        (waiting.next, waiting.count) = (number + 1, waiting.count + 1);
        waiting.by_entry.entry(entry).or_default().push((number, wake));
        drop(waiting);
        Some(Waiter { waiters: self.clone(), entry, number, woken })
    }

    /// Wakes those who wait for this entry.
    pub(super) fn wake(&self, entry: EntryId) {
        let mut waiting = self.0.lock();
        let woken = waiting.by_entry.remove(&entry).unwrap_or_default();
        waiting.count -= woken.len();
        drop(waiting);
        wake(woken);
    }

    /// Wakes everybody: what happens cannot be heard of any more, or all may have happened.
    pub(super) fn wake_all(&self) {
        let mut waiting = self.0.lock();
        let woken = std::mem::take(&mut waiting.by_entry);
        waiting.count = 0;
        drop(waiting);
        woken.into_values().for_each(wake);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        let waiting = self.0.lock();
        (waiting.count, waiting.by_entry.len())
    }
}

fn wake(woken: Vec<(u64, oneshot::Sender<()>)>) {
    for (_, wake) in woken {
        // An error: they have just gone away.
        let _ = wake.send(());
    }
}

impl Future for Waiter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An error would mean that the table has been dropped, which this holds.
        Pin::new(&mut self.woken).poll(cx).map(|_| ())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.waiters.0.lock();
        let Some(others) = waiting.by_entry.get_mut(&self.entry) else { return };
        let before = others.len();
        others.retain(|(number, _)| *number != self.number);
        let (is_last, gone) = (others.is_empty(), before - others.len());
        if is_last {
            waiting.by_entry.remove(&self.entry);
        }
        waiting.count -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn each_is_woken_by_its_entry_and_nobody_stays_behind() {
        let waiters = Waiters::default();
        let [mut a, mut b, mut other] = [1, 1, 2].map(|id| waiters.join(EntryId(id), 3).unwrap());
        assert!(waiters.join(EntryId(3), 3).is_none(), "there are three");
        waiters.wake(EntryId(1));
        assert!((&mut a).now_or_never().is_some() && (&mut b).now_or_never().is_some());
        assert!((&mut other).now_or_never().is_none());

        // Someone who waits for the same entry again is not taken away by those who were woken before.
        let again = waiters.join(EntryId(1), 3).unwrap();
        drop((a, b));
        assert_eq!(waiters.count(), (2, 2));
        drop((again, other));
        assert_eq!(waiters.count(), (0, 0));
    }

    #[test]
    fn everybody_is_woken_when_nothing_can_be_heard() {
        let waiters = Waiters::default();
        let all = [1, 2, 2].map(|id| waiters.join(EntryId(id), 3).unwrap());
        waiters.wake_all();
        assert_eq!(waiters.count(), (0, 0));
        for waiter in all {
            assert!(waiter.now_or_never().is_some());
        }
    }
}
