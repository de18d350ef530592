/// The greatest value of the last rounds, kept as the best three in order of time (Kathleen Nichols' algorithm).
#[derive(Debug)]
pub(super) struct MaxFilter {
    rounds: u64,
    best: [(u64, f64); 3],
}

impl MaxFilter {
    /// Looks back over this many rounds.
    pub(super) const fn new(rounds: u64) -> Self {
        Self { rounds, best: [(0, 0.0); 3] }
    }

    pub(super) const fn best(&self) -> f64 {
        let [(_, best), ..] = self.best;
        best
    }

    pub(super) fn update(&mut self, round: u64, value: f64) {
        let sample = (round, value);
        let [first, second, third] = self.best;
        if value >= first.1 || round.saturating_sub(third.0) > self.rounds {
            self.best = [sample; 3];
            return;
        }
        if value >= second.1 {
            self.best = [first, sample, sample];
        } else if value >= third.1 {
            self.best = [first, second, sample];
        }
        self.age(sample);
    }

    fn age(&mut self, sample: (u64, f64)) {
        let [first, second, third] = self.best;
        let age = sample.0.saturating_sub(first.0);
        if age > self.rounds {
            self.best = [second, third, sample];
            if sample.0.saturating_sub(second.0) > self.rounds {
                self.best = [third, sample, sample];
            }
        } else if second.0 == first.0 && age > self.rounds / 4 {
            self.best = [first, sample, sample];
        } else if third.0 == second.0 && age > self.rounds / 2 {
            self.best = [first, second, sample];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_never_above_the_true_maximum_and_never_below_the_latest(
            values in proptest::collection::vec(0u32..1000, 1..60)
        ) {
            let mut filter = MaxFilter::new(10);
            for (round, value) in values.iter().enumerate() {
                filter.update(round as u64, f64::from(*value));
                let from = round.saturating_sub(10);
                let truth = values.get(from..=round).into_iter().flatten().max().copied().unwrap_or_default();
                prop_assert!(filter.best() <= f64::from(truth));
                prop_assert!(filter.best() >= f64::from(*value));
            }
        }
    }
}
