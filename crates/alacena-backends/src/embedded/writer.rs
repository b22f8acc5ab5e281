//! The one thread that touches the file. It takes everything that waits, makes it one transaction, and only then
//! answers: callers share the price of the disk's flush (group commit).

use std::thread::{Builder, JoinHandle};

use alacena_core::{
    error::{Error, catalogue},
    ledger::{Intent, IntentId, Invalidation},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    owner::{self, Owner},
    store::{Edit, Store},
};

/// Orders that wait for the thread; who comes later waits for a place.
pub(super) const QUEUE_MAX: usize = 1_024;
/// Changes of one transaction.
const BATCH_MAX: usize = 256;

/// What the thread is asked to do.
pub(super) enum Order {
    Edit(Edit, oneshot::Sender<Result<(), Error>>),
    OpenIntents(oneshot::Sender<Result<Vec<(IntentId, Intent)>, Error>>),
    History(usize, oneshot::Sender<Result<Vec<Invalidation>, Error>>),
    Announce(Owner, oneshot::Sender<Result<(), Error>>),
    Close(oneshot::Sender<()>),
}

/// Starts the thread. It ends, and gives the store back, after [`Order::Close`] or when nobody can send orders any
/// more.
pub(super) fn start(store: Store) -> Result<(mpsc::Sender<Order>, JoinHandle<()>), Error> {
    let (orders, queue) = mpsc::channel(QUEUE_MAX);
    let thread = Builder::new().name("alacena-store".to_owned()).spawn(move || serve(store, queue)).map_err(
        |error| Error::new(&catalogue::INTERNAL, "the store's thread could not be started").caused_by(error),
    )?;
    Ok((orders, thread))
}

fn serve(mut store: Store, mut queue: mpsc::Receiver<Order>) {
    let mut closed = None;
    let mut batch = Vec::new();
    while closed.is_none() {
        let Some(mut order) = queue.blocking_recv() else { break };
        // Changes are gathered as long as nothing else comes between, so that everybody sees them in order.
        loop {
            match order {
                Order::Edit(edit, answer) => batch.push((edit, answer)),
                other => {
                    commit(&mut store, &mut batch);
                    closed = answer(&mut store, other);
                    break;
                }
            }
            if batch.len() == BATCH_MAX {
                break;
            }
            match queue.try_recv() {
                Ok(next) => order = next,
                Err(_) => break,
            }
        }
        commit(&mut store, &mut batch);
    }
    // While the lock is still held, so that the file of the next owner is not the one that goes.
    owner::remove(store.folder());
    drop(store);
    if let Some(closed) = closed {
        // An error means that nobody waits for it.
        let _ = closed.send(());
    }
}

type Waiting = (Edit, oneshot::Sender<Result<(), Error>>);

fn commit(store: &mut Store, batch: &mut Vec<Waiting>) {
    if batch.is_empty() {
        return;
    }
    let result = store.commit(batch.iter().map(|(edit, _)| edit));
    for (_, answer) in batch.drain(..) {
        // An error means that the caller is gone; what it asked for is done all the same.
        let _ = answer.send(result.clone());
    }
}

/// Answers everything that is not a change; who asked for the end is told later. Errors mean that callers are gone.
fn answer(store: &mut Store, order: Order) -> Option<oneshot::Sender<()>> {
    match order {
        Order::OpenIntents(answer) => drop(answer.send(store.open_intents())),
        Order::History(limit, answer) => drop(answer.send(store.history(limit))),
        Order::Announce(owner, answer) => drop(answer.send(announce(store, &owner))),
        Order::Close(closed) => return Some(closed),
        Order::Edit(..) => unreachable!("changes are gathered by the caller"),
    }
    None
}

pub(super) fn announce(store: &Store, owner: &Owner) -> Result<(), Error> {
    owner::write(store.folder(), owner).map_err(|error| {
        Error::new(&catalogue::STORE_FAILED, format!("the owner file cannot be written: {error}"))
            .with("path", store.folder().display())
            .caused_by(error)
    })
}
