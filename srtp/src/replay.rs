/// Which packets of a stream were seen (RFC 3711, section 3.3.2), as a ring of blocks of 64 bits (RFC 6479).
///
/// Senders keep one too, of the packets they have sent: an index must never be used twice.
#[derive(Clone, Debug)]
pub(crate) struct Window<const BLOCKS: usize> {
    blocks: [u64; BLOCKS],
    /// The highest index seen plus one; nothing was seen while it is 0.
    next: u64,
}

/// Two thousand packets: a second of video that is late, or sent again, at 20 Mbit/s.
pub(crate) type RtpWindow = Window<32>;
/// A hundred and twenty-eight reports.
pub(crate) type RtcpWindow = Window<3>;

impl<const BLOCKS: usize> Window<BLOCKS> {
    /// How far behind the newest packet one may come: one block less than the ring, since the newest block is partly
    /// ahead.
    pub(crate) const WIDTH: u64 = (BLOCKS as u64 - 1) * 64;

    pub(crate) const fn new() -> Self {
        Self { blocks: [0; BLOCKS], next: 0 }
    }

    /// The highest index seen.
    pub(crate) const fn highest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Whether a packet with this index may be new. To be asked before it is authenticated, which costs more.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        if index >= self.next {
            return true;
        }
        let (block, bit) = Self::place(index);
        self.next - index <= Self::WIDTH && self.blocks.get(block).is_some_and(|block| block & bit == 0)
    }

    /// Remembers a packet that has been authenticated. Forged ones must not get here, or they would move the window.
    pub(crate) fn mark(&mut self, index: u64) {
        if index >= self.next {
            // Blocks that the window moves into hold bits of a lap ago. After a whole lap all are stale.
            let last = self.next.saturating_sub(1) / 64;
            let skipped = (index / 64).saturating_sub(last).min(BLOCKS as u64);
            for block in (1..=skipped).map(|ahead| (last + ahead) % BLOCKS as u64) {
                if let Some(block) = self.blocks.get_mut(block as usize) {
                    *block = 0;
                }
            }
            self.next = index.saturating_add(1);
        }
        let (block, bit) = Self::place(index);
        if let Some(block) = self.blocks.get_mut(block) {
            *block |= bit;
        }
    }

    const fn place(index: u64) -> (usize, u64) {
        ((index / 64 % BLOCKS as u64) as usize, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_windows_are_as_wide_as_promised() {
        assert_eq!((RtpWindow::WIDTH, RtcpWindow::WIDTH), (1984, 128));
    }

    #[test]
    fn a_packet_is_new_once() {
        let mut window = RtpWindow::new();
        assert!(window.is_new(0) && window.highest().is_none());
        window.mark(0);
        assert!(!window.is_new(0));
        window.mark(RtpWindow::WIDTH);
        assert!(window.is_new(1), "as far behind as allowed");
        window.mark(RtpWindow::WIDTH + 1);
        assert!(!window.is_new(1), "too far behind");
        window.mark((1 << 48) - 1);
        assert!(!window.is_new((1 << 48) - 1) && window.is_new((1 << 48) - 2) && !window.is_new(2));
    }

    fn agrees<const BLOCKS: usize>(steps: &[(u64, bool)]) -> Result<(), TestCaseError> {
        let (mut window, mut seen, mut newest) = (Window::<BLOCKS>::new(), HashSet::new(), 0u64);
        for (step, forward) in steps {
            let index = if *forward { newest + step } else { newest.saturating_sub(*step) };
            let expected = !seen.contains(&index) && index + Window::<BLOCKS>::WIDTH > newest;
            prop_assert_eq!(window.is_new(index), expected, "{} of {}", index, newest);
            if expected {
                window.mark(index);
                seen.insert(index);
                newest = newest.max(index);
                prop_assert_eq!(window.highest(), Some(newest));
            }
        }
        Ok(())
    }

    proptest! {
        /// Against a plain set: inside the window it says the same, behind it always "seen".
        #[test]
        fn agrees_with_a_set(
            rtp in prop::collection::vec((0u64..3000, any::<bool>()), 1..300),
            rtcp in prop::collection::vec((0u64..200, any::<bool>()), 1..300),
        ) {
            agrees::<32>(&rtp)?;
            agrees::<3>(&rtcp)?;
        }
    }
}
