use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The seeds of a test: `0..count`, or only the one in the environment variable `SIM_SEED`.
///
/// If the test panics in the loop's body, the seed is printed together with how to replay it.
///
/// # Panics
///
/// If `SIM_SEED` is set and is not a number.
pub fn seeds(count: u64) -> Seeds {
    let (next, end) = match std::env::var("SIM_SEED") {
        Ok(text) => {
            let seed: u64 = text.trim().parse().unwrap_or_else(|_| panic!("SIM_SEED={text} is not a number"));
            (seed, seed.saturating_add(1))
        }
        Err(_) => (0, count),
    };
    Seeds { next, end, current: None }
}

/// Iterator over the seeds of a test, see [`seeds`].
#[derive(Debug)]
pub struct Seeds {
    next: u64,
    end: u64,
    current: Option<u64>,
}

impl Iterator for Seeds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.next >= self.end {
            self.current = None;
            return None;
        }
        self.current = Some(self.next);
        self.next += 1;
        self.current
    }
}

impl Drop for Seeds {
    // A `for` loop keeps its iterator until the body is left, so unwinding out of the body passes here.
    fn drop(&mut self) {
        if let (true, Some(seed)) = (std::thread::panicking(), self.current) {
            eprintln!("sim: failed with seed {seed}; SIM_SEED={seed} replays this run alone");
        }
    }
}

/// The random source of one run. Different `stream`s of one seed are unrelated to each other.
pub fn rng(seed: u64, stream: u64) -> StdRng {
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_exact_mut(8).zip([seed, stream, 0x7669_7361, 0x7669_7300]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    StdRng::from_seed(bytes)
}

/// The seed of 32 bytes that a state machine asks for, one per `stream` (say, 0 and 1 for the two ends).
pub fn seed_bytes(seed: u64, stream: u64) -> [u8; 32] {
    rng(seed, stream ^ 0x5eed_0000_0000_0000).random()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn seeds_and_streams_are_unrelated() {
        let mut seen = HashSet::new();
        for seed in 0..50 {
            for stream in 0..4 {
                assert!(seen.insert(seed_bytes(seed, stream)));
                assert_eq!(seed_bytes(seed, stream), seed_bytes(seed, stream));
            }
        }
    }
}
