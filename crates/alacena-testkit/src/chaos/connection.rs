//! One connection through the proxy, from its acceptance to its end.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::{
    law::Law,
    proxy::{Close, Counts, Shared},
    pump::{Ending, Pump},
    rule::Direction,
};

/// What both directions of a connection know of it.
pub(super) struct Common {
    pub(super) number: u64,
    /// What the client has sent so far, its beginning. Guards no more than that; held while rules are asked.
    pub(super) sent: Mutex<Vec<u8>>,
    pub(super) counts: watch::Sender<Counts>,
    /// One end takes nothing more, so the end of what it sends is not an orderly one.
    pub(super) is_broken: AtomicBool,
}

/// Counts an open connection for as long as it lives.
struct Open<'a>(&'a watch::Sender<Counts>);

impl<'a> Open<'a> {
    fn count(counts: &'a watch::Sender<Counts>) -> Self {
        counts.send_modify(|counts| counts.open += 1);
        Self(counts)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open -= 1);
    }
}

/// Forwards a connection until it ends, by itself, by a rule or by order.
pub(super) async fn forward(
    mut client: TcpStream,
    number: u64,
    shared: Arc<Shared>,
    mut closing: watch::Receiver<Close>,
) {
    let _open = Open::count(&shared.counts);
    let server = *shared.server.lock();
    let Ok(mut server) = TcpStream::connect(server).await else {
        shared.counts.send_modify(|counts| counts.unreachable += 1);
        // The nearest that an accepted connection comes to a refusal.
        return close(&mut [&mut client], Ending::Reset, &mut closing).await;
    };
    // What the rules cut apart the kernel must not join. An error means that it is over, which the pumps will notice.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));

    let common = Common {
        number,
        sent: Mutex::default(),
        counts: shared.counts.clone(),
        is_broken: AtomicBool::new(false),
    };
    let how = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let pump = |halves, direction| {
            let law = Law::new(&common, direction, shared.rules.subscribe(), shared.seed);
            Pump::new(halves, &common, direction, law).run()
        };
        let up = pin!(pump((from_client, to_server), Direction::ToServer));
        let down = pin!(pump((from_server, to_client), Direction::ToClient));
        tokio::select! {
            how = both(up, down, &common) => how,
            how = ordered(&mut closing) => how,
        }
    };
    close(&mut [&mut client, &mut server], how, &mut closing).await;
}

/// Takes everything that the client says, and says nothing.
pub(super) async fn ignore(mut client: TcpStream, shared: Arc<Shared>, mut closing: watch::Receiver<Close>) {
    let _open = Open::count(&shared.counts);
    let how = tokio::select! {
        () = drain(&mut client) => Ending::Passed,
        how = ordered(&mut closing) => how,
    };
    close(&mut [&mut client], how, &mut closing).await;
}

/// Waits until both directions have come to their end, or one to an end that is the other's too.
async fn both(
    mut up: impl Future<Output = Ending> + Unpin,
    mut down: impl Future<Output = Ending> + Unpin,
    common: &Common,
) -> Ending {
    tokio::select! {
        first = &mut up => with(first, down, common).await,
        first = &mut down => with(first, up, common).await,
    }
}

async fn with(first: Ending, other: impl Future<Output = Ending>, common: &Common) -> Ending {
    match first {
        Ending::Passed => match other.await {
            // To write to an end that has closed brings a reset.
            Ending::Deaf => Ending::Reset,
            how => how,
        },
        Ending::Deaf => {
            // The sender learns of it when the other direction brings the news, which a rule may hold back.
            common.is_broken.store(true, Ordering::Relaxed);
            match other.await {
                Ending::Finish => Ending::Finish,
                _ => Ending::Reset,
            }
        }
        how => how,
    }
}

/// Waits for the order to close.
async fn ordered(closing: &mut watch::Receiver<Close>) -> Ending {
    match closing.changed().await.map(|()| *closing.borrow()) {
        Ok(Close::Finish) => Ending::Finish,
        // Without a sender the proxy is gone.
        Ok(Close::Reset) | Err(_) => Ending::Reset,
    }
}

async fn close(streams: &mut [&mut TcpStream], mut how: Ending, closing: &mut watch::Receiver<Close>) {
    if how == Ending::Finish {
        let mut finished = async || {
            for stream in streams.iter_mut() {
                // What cannot be done to a connection has been done by its other end.
                let _ = stream.shutdown().await;
            }
            // A socket that is closed with something to read in it sends a reset, which could overtake the end.
            for stream in streams.iter_mut() {
                drain(stream).await;
            }
            Ending::Passed
        };
        how = tokio::select! {
            how = finished() => how,
            how = ordered(closing) => how,
        };
    }
    if how == Ending::Reset {
        for stream in streams {
            let _ = stream.set_zero_linger();
        }
    }
}

async fn drain(stream: &mut TcpStream) {
    let mut chunk = [0; 1024];
    while stream.read(&mut chunk).await.is_ok_and(|length| length > 0) {}
}
