//! The one thread that touches the file. It takes everything that waits, makes it one transaction, and only then
//! answers: callers share the price of the disk's flush (group commit).

use std::thread::{Builder, JoinHandle};

use alacena_core::error::{Error, catalogue};
use tokio::sync::{mpsc, oneshot};

use super::store::{Edit, Store};

/// Orders that wait for the thread; who comes later waits for a place.
const QUEUE_MAX: usize = 1_024;
/// Changes of one transaction.
const BATCH_MAX: usize = 256;

/// What the thread is asked to do.
pub(super) enum Order {
    /// A change, made durable together with the others that wait.
    Edit(Edit, oneshot::Sender<Result<(), Error>>),
    /// Anything else, when the changes before it are done.
    Ask(Box<dyn FnOnce(&mut Store) + Send>),
    /// The end, told once the store is given back.
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
    let mut batch = Vec::new();
    let closed = loop {
        let next = match queue.try_recv() {
            Ok(next) => Some(next),
            Err(_) => {
                // Nobody else is waiting: what has been gathered is one transaction.
                commit(&mut store, &mut batch);
                queue.blocking_recv()
            }
        };
        match next {
            Some(Order::Edit(edit, answer)) => {
                batch.push((edit, answer));
                if batch.len() == BATCH_MAX {
                    commit(&mut store, &mut batch);
                }
            }
            Some(Order::Ask(question)) => {
                commit(&mut store, &mut batch);
                question(&mut store);
            }
            Some(Order::Close(closed)) => break Some(closed),
            None => break None,
        }
    };
    commit(&mut store, &mut batch);
    store.close();
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
