//! Chance that can be repeated.

/// Random numbers that follow from a seed: SplitMix64 (Steele, Lea and Flood, 2014). Any seed gives a sequence without a
/// visible pattern.
///
/// ```
/// use alacena_testkit::Chance;
///
/// let (mut one, mut other) = (Chance::new(7), Chance::new(7));
/// assert_eq!(one.number(), other.number());
/// assert!(one.below(3) < 3);
/// ```
#[derive(Clone, Debug)]
pub struct Chance(u64);

/// What the state of the sequence grows by, number by number.
pub(crate) const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

impl Chance {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        let state = self.0;
        self.0 = state.wrapping_add(STRIDE);
        mixed(state)
    }

    /// A number below this one, which is not 0.
    pub const fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit as u64) as usize
    }

    /// Whether what happens once in so many times happens now.
    pub const fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// If there is none.
    pub const fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }
}

/// The number that a state of the sequence stands for.
pub(crate) const fn mixed(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
