//! The machine, as the core sees it: time, sleep, tasks and chance.
//!
//! Nothing below this trait looks at a clock, starts a task or draws a random number in any other way
//! (`clippy.toml` says so to the compiler). Production hands in the system's runtime, tests a fake one whose
//! clock they hold, the simulator one whose tasks it schedules.

use std::{
    future::Future,
    ops::{Add, Sub},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The runtime as it is shared between components.
pub type SharedRuntime = Arc<dyn Runtime>;

/// A point on the monotonic clock of one process, in nanoseconds since an origin of that process.
///
/// Two moments of different processes say nothing about each other.
///
/// ```
/// use alacena_core::runtime::Moment;
/// use std::time::Duration;
///
/// let start = Moment::ORIGIN;
/// let later = start + Duration::from_millis(5);
/// assert_eq!(later - start, Duration::from_millis(5));
/// assert_eq!(start - later, Duration::ZERO); // never negative
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The first moment of the process.
    pub const ORIGIN: Moment = Moment(0);
    /// Later than every moment that a clock reads.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment that many nanoseconds after [`Moment::ORIGIN`].
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since [`Moment::ORIGIN`].
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// Saturates at [`Moment::NEVER`].
    fn add(self, rhs: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Saturates at zero.
    fn sub(self, rhs: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

/// How far [`Runtime::coarse`] can lag behind [`Runtime::now`].
pub const COARSE_LAG: Duration = Duration::from_nanos(COARSE_LAG_NANOS);
pub(crate) const COARSE_LAG_NANOS: u64 = 100_000_000;

/// Time, sleep, tasks and chance.
///
/// # Cancellation
/// Dropping the future of [`sleep`](Runtime::sleep) ends the wait. A task given to [`spawn`](Runtime::spawn) runs
/// to its end whatever becomes of the caller.
pub trait Runtime: Send + Sync + 'static {
    /// Now, on the monotonic clock; includes the time that the machine was suspended.
    fn now(&self) -> Moment;

    /// About now, for less: never later than [`now`](Runtime::now), and never further behind than [`COARSE_LAG`], whether
    /// the machine was suspended, the process stopped, or neither asked for a year. For the way of a hit, which asks
    /// the exact clock as well where so much matters.
    fn coarse(&self) -> Moment {
        self.now()
    }

    /// Milliseconds since 1970 on the wall clock: for people to read, never for a decision.
    fn unix_millis(&self) -> u64;

    /// Completes once `duration` has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `task` beside the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// 64 random bits, good enough to be unguessable.
    fn random(&self) -> u64;
}

/// A number in `[0, 1)` made of 64 random bits.
#[must_use]
pub fn unit_interval(random: u64) -> f64 {
    // 53 bits are what the mantissa of an f64 can hold.
    (random >> 11) as f64 / (1_u64 << 53) as f64
}
