//! Runs of TSNs, both ends included: what gap blocks say.

use crate::serial::Tsn;

/// Sorts runs, joins those that overlap and cuts what lies before `base`.
pub(super) fn normalize(runs: &mut Vec<(Tsn, Tsn)>, base: Tsn) {
    runs.retain_mut(|(first, last)| {
        if first.precedes(base) {
            *first = base;
        }
        !last.precedes(*first)
    });
    // A stable sort by distance is an order here, as all of them lie within 2^16 of the base.
    runs.sort_by_key(|(first, _)| base.distance_to(*first));
    runs.dedup_by(|next, kept| {
        let overlaps = !kept.1.next().precedes(next.0);
        if overlaps && kept.1.precedes(next.1) {
            kept.1 = next.1;
        }
        overlaps
    });
}

/// Calls `each` for every TSN from `base` on that is in `these` and not in `those`. Both are sorted.
pub(super) fn for_each_difference(these: &[(Tsn, Tsn)], those: &[(Tsn, Tsn)], base: Tsn, mut each: impl FnMut(Tsn)) {
    let mut others = those.iter().copied().peekable();
    for (first, last) in these.iter().copied() {
        let mut at = if first.precedes(base) { base } else { first };
        while !last.precedes(at) {
            while others.peek().is_some_and(|(_, end)| end.precedes(at)) {
                others.next();
            }
            match others.peek().copied() {
                // Inside the other run: go on behind it.
                Some((start, end)) if !at.precedes(start) => at = end.next(),
                // Up to where the other run begins.
                Some((start, _)) if !last.precedes(start) => {
                    while at.precedes(start) {
                        each(at);
                        at = at.next();
                    }
                }
                Some(_) | None => {
                    while !last.precedes(at) {
                        each(at);
                        at = at.next();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const BASE: Tsn = Tsn(u32::MAX - 30);

    fn set(runs: &[(u32, u32)]) -> BTreeSet<u32> {
        runs.iter().flat_map(|(first, length)| *first..=first + length).collect()
    }

    fn normal(runs: &[(u32, u32)]) -> Vec<(Tsn, Tsn)> {
        let mut runs = runs.iter().map(|(first, length)| (BASE.plus(*first), BASE.plus(first + length))).collect();
        normalize(&mut runs, BASE);
        runs
    }

    #[test]
    fn runs_before_the_base_are_cut() {
        let mut runs = vec![(BASE.previous(), BASE.plus(2)), (Tsn(BASE.0 - 9), Tsn(BASE.0 - 5))];
        normalize(&mut runs, BASE);
        assert_eq!(runs, [(BASE, BASE.plus(2))]);
    }

    proptest! {
        #[test]
        fn differences_agree_with_plain_sets(
            these in proptest::collection::vec((0u32..60, 0u32..8), 0..12),
            those in proptest::collection::vec((0u32..60, 0u32..8), 0..12),
        ) {
            let mut seen = Vec::new();
            for_each_difference(&normal(&these), &normal(&those), BASE, |tsn| seen.push(BASE.distance_to(tsn)));
            let expected: Vec<u32> = set(&these).difference(&set(&those)).copied().collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn normal_runs_are_sorted_with_holes_between(runs in proptest::collection::vec((0u32..60, 0u32..8), 0..12)) {
            let normal = normal(&runs);
            prop_assert!(normal.windows(2).all(|pair| pair[0].1.next().precedes(pair[1].0)));
            let covered: u32 = normal.iter().map(|(first, last)| first.distance_to(*last) + 1).sum();
            prop_assert_eq!(covered as usize, set(&runs).len());
        }
    }
}
