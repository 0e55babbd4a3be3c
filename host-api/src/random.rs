//! The door to randomness: one generator a run, seeded from the operating system.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The most random bytes one call may ask for. A call for more ends the run: asking again is as good, and the
/// host holds the bytes of a call at once.
pub const BYTES_PER_CALL_MAX: u64 = 64 * 1024;

/// A fresh generator for one run, fit for cryptography.
pub(crate) fn generator() -> StdRng {
    StdRng::from_rng(&mut rand::rng())
}
