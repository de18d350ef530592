//! Which of the latest numbers have been used.

const WORDS: usize = 32;

/// How many numbers back a window remembers.
pub(crate) const WINDOW: u64 = 64 * WORDS as u64;

/// Remembers which of the latest [`WINDOW`] numbers have been used. Older ones count as used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    highest: Option<u64>,
    /// The bit for a number is at the number modulo the size.
    bits: [u64; WORDS],
}

impl Window {
    /// Notes a number; says whether it is used for the first time.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let highest = *self.highest.get_or_insert(number);
        if number > highest {
            self.clear_between(highest, number);
            self.highest = Some(number);
        } else if highest - number >= WINDOW {
            return false;
        }
        let mask = 1 << (number % 64);
        let Some(word) = self.word(number) else { return false };
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }

    /// Takes all numbers up to and with this one for used.
    pub(crate) const fn fill(&mut self, number: u64) {
        self.highest = Some(number);
        self.bits = [u64::MAX; WORDS];
    }

    /// Makes room for the numbers above `highest`, up to and with `number`.
    fn clear_between(&mut self, highest: u64, number: u64) {
        if number - highest >= WINDOW {
            self.bits = [0; WORDS];
            return;
        }
        for skipped in highest + 1..=number {
            if let Some(word) = self.word(skipped) {
                *word &= !(1 << (skipped % 64));
            }
        }
    }

    fn word(&mut self, number: u64) -> Option<&mut u64> {
        self.bits.get_mut((number / 64) as usize % WORDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_window_is_a_set_that_forgets(steps in prop::collection::vec((any::<bool>(), 0u64..3 * WINDOW), 1..200)) {
            let (mut window, mut used, mut highest) = (Window::default(), BTreeSet::new(), 1 << 20);
            for (is_ahead, far) in steps {
                let number = if is_ahead { highest + far % 100 } else { highest - far };
                highest = highest.max(number);
                let expected = if used.is_empty() { true } else { highest - number < WINDOW && !used.contains(&number) };
                if used.is_empty() {
                    highest = number;
                }
                prop_assert_eq!(window.insert(number), expected);
                used.insert(number);
            }
        }
    }

    #[test]
    fn a_jump_forgets_all_before_it() {
        let mut window = Window::default();
        assert!(window.insert(5) && !window.insert(5));
        assert!(window.insert(5 + WINDOW), "in the very place of the first");
        assert!(!window.insert(5), "too old to tell");
        assert!(window.insert(6));
    }
}
