//! The locks and atomics on which threads meet.
//!
//! Those of everyday, except under the feature `shuttle`: then they are points at which the scheduler of that library may
//! hand the processor to somebody else, so that a test can try thousands of schedules and name the one that failed. A
//! lock that guards nothing which threads race for (figures, a history) is taken from its library directly.

#[cfg(not(feature = "shuttle"))]
mod real {
    pub(crate) use std::sync::atomic;

    pub(crate) use parking_lot::Mutex;
    /// The hasher of the memory, seeded at random: each read hashes its key and its deps several times.
    pub(crate) use quick_cache::DefaultHashBuilder as RandomState;
}

#[cfg(feature = "shuttle")]
mod real {
    use std::hash::{BuildHasherDefault, DefaultHasher};

    pub(crate) use shuttle::sync::{MutexGuard, atomic};

    /// The same hashes in every run: a schedule that failed must fail again.
    pub(crate) type RandomState = BuildHasherDefault<DefaultHasher>;

    /// A lock of shuttle with the manners of `parking_lot`: no thread of ours goes on after a panic.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("the panic that poisoned it has failed the test")
        }
    }
}

pub(crate) use real::{Mutex, RandomState, atomic};
