/// Which records of an epoch were seen (RFC 6347, section 4.1.2.6), as a ring of blocks of 64 bits (RFC 6479).
///
/// Much wider than the 64 records that the RFC suggests: at gigabit rates a few milliseconds of jitter reorder hundreds
/// of datagrams, and each one dropped here would look like loss to the layers above.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    blocks: [u64; BLOCKS],
    /// The highest sequence number seen plus one; nothing was seen while it is 0.
    next: u64,
}

const BLOCKS: usize = 32;
/// How far behind the newest record one may come: one block less than the ring, since the newest block is partly ahead.
const WIDTH: u64 = (BLOCKS as u64 - 1) * 64;

impl Window {
    pub(crate) const fn new() -> Self {
        Self { blocks: [0; BLOCKS], next: 0 }
    }

    /// Whether a record with this number may be new. To be asked before it is authenticated, which costs more.
    pub(crate) fn is_new(&self, sequence: u64) -> bool {
        if sequence >= self.next {
            return true;
        }
        let (index, bit) = Self::place(sequence);
        self.next - sequence <= WIDTH && self.blocks.get(index).is_some_and(|block| block & bit == 0)
    }

    /// Remembers a record that has been authenticated. Forged ones must not get here, or they would move the window.
    pub(crate) fn mark(&mut self, sequence: u64) {
        if sequence >= self.next {
            // Blocks that the window moves into hold bits of a lap ago. After a whole lap all are stale.
            let last = self.next.saturating_sub(1) / 64;
            let skipped = (sequence / 64).saturating_sub(last).min(BLOCKS as u64);
            for block in (1..=skipped).map(|ahead| (last + ahead) % BLOCKS as u64) {
                if let Some(block) = self.blocks.get_mut(block as usize) {
                    *block = 0;
                }
            }
            self.next = sequence + 1;
        }
        let (index, bit) = Self::place(sequence);
        if let Some(block) = self.blocks.get_mut(index) {
            *block |= bit;
        }
    }

    const fn place(sequence: u64) -> (usize, u64) {
        ((sequence / 64 % BLOCKS as u64) as usize, 1 << (sequence % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_record_is_new_once() {
        let mut window = Window::new();
        assert!(window.is_new(0));
        window.mark(0);
        assert!(!window.is_new(0));
        window.mark(WIDTH);
        assert!(window.is_new(1), "as far behind as allowed");
        window.mark(WIDTH + 1);
        assert!(!window.is_new(1), "too far behind");
        window.mark((1 << 48) - 1);
        assert!(!window.is_new((1 << 48) - 1) && window.is_new((1 << 48) - 2) && !window.is_new(2));
    }

    proptest! {
        /// Against a plain set: inside the window it says the same, behind it always "seen".
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((0u64..3000, any::<bool>()), 1..300)) {
            let (mut window, mut seen, mut newest) = (Window::new(), HashSet::new(), 0u64);
            for (step, forward) in steps {
                let sequence = if forward { newest + step } else { newest.saturating_sub(step) };
                let expected = !seen.contains(&sequence) && sequence + WIDTH > newest;
                prop_assert_eq!(window.is_new(sequence), expected, "{} of {}", sequence, newest);
                if expected {
                    window.mark(sequence);
                    seen.insert(sequence);
                    newest = newest.max(sequence);
                }
            }
        }
    }
}
