/// Cuts `bytes` into as few parts as fit into `room` bytes each, about equally long, as a short last packet costs the
/// same headers as a long one. Beside the first part stand `extra` bytes more. `None` if there is no room for a byte.
pub(super) fn parts(bytes: &[u8], extra: usize, room: usize) -> Option<impl Iterator<Item = &[u8]>> {
    if room <= extra || bytes.is_empty() {
        return None;
    }
    let all = bytes.len().checked_add(extra)?;
    let count = all.div_ceil(room);
    let (first, mut rest) = bytes.split_at_checked((all / count).saturating_sub(extra).max(1))?;
    let mut left = count - 1;
    let others = std::iter::from_fn(move || {
        let (part, tail) = rest.split_at_checked(rest.len().div_ceil(left.max(1)))?;
        (rest, left) = (tail, left.saturating_sub(1));
        (!part.is_empty()).then_some(part)
    });
    Some(std::iter::once(first).chain(others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lengths(length: usize, extra: usize, room: usize) -> Option<Vec<usize>> {
        parts(&vec![0; length], extra, room).map(|parts| parts.map(<[u8]>::len).collect())
    }

    #[test]
    fn parts_are_about_equal() {
        assert_eq!(lengths(10, 0, 10), Some(vec![10]));
        assert_eq!(lengths(11, 0, 10), Some(vec![5, 6]));
        assert_eq!(lengths(22, 8, 10), Some(vec![2, 10, 10]));
        assert_eq!(lengths(2, 8, 9), Some(vec![1, 1]));
        assert_eq!(lengths(2, 8, 8), None);
        assert_eq!(lengths(0, 0, 8), None);
    }

    proptest! {
        #[test]
        fn parts_fit_and_none_is_needless(bytes in prop::collection::vec(any::<u8>(), 1..3000), extra in 0_usize..40, more in 1_usize..1200) {
            let room = extra + more;
            let parts: Vec<&[u8]> = parts(&bytes, extra, room).unwrap().collect();
            prop_assert_eq!(parts.concat(), &bytes[..]);
            prop_assert_eq!(parts.len(), (bytes.len() + extra).div_ceil(room));
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= room));
            prop_assert!(parts[0].len() + extra <= room);
            let others = || parts.iter().skip(1).map(|part| part.len());
            prop_assert!(others().max().unwrap_or(1) - others().min().unwrap_or(1) <= 1);
        }
    }
}
