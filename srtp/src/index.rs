//! The index of an RTP packet: rollover counter and sequence number, of which only the latter travels (RFC 3711,
//! section 3.3.1).

/// One turn of the sequence number.
pub(crate) const TURN: i64 = 1 << 16;

/// The last index that there is: a rollover counter of 32 bits, and a sequence number.
pub(crate) const LAST: u64 = (1 << 48) - 1;

/// Of all packets with this sequence number, the one nearest to the highest so far (RFC 3711, appendix A). Without any
/// so far, it is of the first turn. Negative numbers are of a turn before the first: no packet has such an index.
pub(crate) fn nearest(highest: Option<u64>, sequence: u16) -> i64 {
    let Some(highest) = highest else { return i64::from(sequence) };
    let highest = highest.min(LAST).cast_signed();
    let last = (highest % TURN) as u16;
    let distance = i64::from(sequence.wrapping_sub(last).cast_signed());
    // Half a turn away both directions are as near, and the appendix stays in the turn of the highest.
    if distance == -TURN / 2 && i64::from(last) < TURN / 2 { highest + TURN / 2 } else { highest + distance }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Word for word.
    fn appendix_a(roc: i64, s_l: i64, seq: i64) -> i64 {
        let v = if s_l < 32_768 {
            if seq - s_l > 32_768 { roc - 1 } else { roc }
        } else if s_l - 32_768 > seq {
            roc + 1
        } else {
            roc
        };
        seq + v * 65_536
    }

    #[test]
    fn agrees_with_the_appendix() {
        let near = |number: u32| (number.saturating_sub(2)..=number + 2).map(|number| number as u16);
        let interesting = || [0, 10_000, 32_768, 50_000, 65_534, 65_536].into_iter().flat_map(near);
        for roc in [0, 1, 7] {
            for s_l in interesting() {
                let highest = (roc * 65_536 + i64::from(s_l)).cast_unsigned();
                for seq in interesting().chain(interesting().map(|number| s_l.wrapping_add(number))) {
                    let expected = appendix_a(roc, i64::from(s_l), i64::from(seq));
                    assert_eq!(nearest(Some(highest), seq), expected, "{seq} near {highest}");
                }
            }
        }
    }

    #[test]
    fn the_first_packet_is_of_the_first_turn() {
        assert_eq!(nearest(None, 65_535), 65_535);
        assert_eq!(nearest(Some(3), 65_535), -1, "there was none before");
        assert_eq!(nearest(Some(LAST), 0), LAST.cast_signed() + 1, "there is none after");
    }
}
