//! What one connection, one address and all of them together may take.

use std::time::Duration;

/// How long the first head of a connection may take from its accept on, and each later one from its first byte on.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may wait before the other side must have taken some of it.
pub(crate) const STALL_GRACE: Duration = Duration::from_secs(30);
/// What the other side must take of an answer that waits, in bytes a second, to be given more time than that.
pub(crate) const TAKE_RATE_MIN: u64 = 1024;
/// The largest head of a request over HTTP/1, and what is held of an answer that is not taken, in bytes.
pub(crate) const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What the kernel holds of an answer before it is sent, in bytes.
pub(crate) const UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// The largest head of a request over HTTP/2 once it is decoded, in bytes; its CONTINUATION frames are counted, too.
pub(crate) const HTTP2_HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Requests at once on one HTTP/2 connection.
pub(crate) const STREAMS_MAX: u32 = 100;
/// Requests of one HTTP/2 connection that were reset before we looked at them, and streams that we had to reset: a
/// connection that comes to have more is closed.
pub(crate) const RESETS_PENDING_MAX: usize = 20;
pub(crate) const RESETS_OURS_MAX: usize = 100;
/// What may arrive on one HTTP/2 stream, and on all streams of a connection, before somebody reads it, in bytes.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// How long an HTTP/2 connection that was told to end may take for it while no request is worked on.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(60);
/// How long a connection may be idle while all places are taken and others wait.
pub(crate) const CROWDED_IDLE_MAX: Duration = Duration::from_secs(5);
/// How often connections are looked at. Limits of time are kept to within two of these.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// The limits that a configuration sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; whoever comes on top waits. At least 1.
    pub(crate) connections_max: u32,
    /// Of those, connections of one address; whoever comes on top is closed. Zero: as many as there are.
    pub(crate) per_address_max: u32,
    /// How long a connection may be idle between two requests.
    pub(crate) idle_timeout: Duration,
}
