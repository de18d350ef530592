/// How many numbers are remembered.
const LENGTH: u64 = 2048;

/// Which packets have come of late, so that duplicates are known from packets that come too late.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// A bit for each number, in the place that the number has modulo the length.
    bits: Vec<u64>,
    /// One past the highest number.
    end: u64,
}

impl History {
    /// Takes note of a packet. False if it has come before, as far as is remembered.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        if number >= self.end {
            self.advance(number + 1);
        } else if self.end - number > LENGTH {
            return true;
        }
        let Some((word, bit)) = self.place(number) else { return true };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.bits.fill(0);
        self.end = 0;
    }

    fn advance(&mut self, end: u64) {
        if self.bits.is_empty() || end - self.end >= LENGTH {
            self.bits.clear();
            self.bits.resize((LENGTH / 64) as usize, 0);
        } else {
            for number in self.end..end {
                if let Some((word, bit)) = self.place(number) {
                    *word &= !bit;
                }
            }
        }
        self.end = end;
    }

    fn place(&mut self, number: u64) -> Option<(&mut u64, u64)> {
        let place = number % LENGTH;
        self.bits.get_mut((place / 64) as usize).map(|word| (word, 1 << (place % 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once() {
        let mut history = History::default();
        for number in [70_000, 70_002, 70_001, 70_002 + LENGTH - 1, 90_000] {
            assert!(history.insert(number), "{number}");
            assert!(!history.insert(number), "{number}");
        }
        assert!(history.insert(90_000 - LENGTH + 1));
        assert!(history.insert(90_000 - LENGTH), "what is so old is not remembered");
        assert!(history.insert(90_000 - LENGTH));
    }
}
