//! Signs of life of a call that takes long, for a client that asked for them.

use std::{future::Future, pin::pin, time::Duration};

use alacena::runtime::Runtime;
use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
};

/// How long a call is silent before each of them.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// Does `work` and says every second that it goes on: `progress` is the seconds that have passed. How long a source
/// will take nobody knows, so that there is no total.
pub(super) async fn reported<T>(
    work: impl Future<Output = T>,
    token: ProgressToken,
    peer: &Peer<RoleServer>,
    runtime: &dyn Runtime,
) -> T {
    let mut work = pin!(work);
    let mut passed = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = runtime.sleep(EVERY) => passed += EVERY,
        }
        let progress = ProgressNotificationParam::new(token.clone(), passed.as_secs_f64())
            .with_message("waiting for the source");
        // A client that has gone cannot be told; its call ends as its connection does.
        let _ = peer.notify_progress(progress).await;
    }
}
