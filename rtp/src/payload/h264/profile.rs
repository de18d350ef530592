use std::fmt;
use std::str::FromStr;

use wire::Malformed;

/// constraint_set3_flag, which tells level 1b from 1.1 in the older profiles.
const CONSTRAINT_SET3: u8 = 0x10;

/// profile-level-id: the first bytes of a sequence parameter set (RFC 6184, section 8.1). As text, six hexadecimal
/// digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileLevelId {
    /// profile_idc
    pub profile_idc: u8,
    /// profile-iop: constraint_set0_flag in the highest bit, down to constraint_set5_flag, and two bits of zero.
    pub profile_iop: u8,
    /// level_idc: ten times the level, except for level 1b.
    pub level_idc: u8,
}

/// The sets of coding tools that have a name (RFC 6184, section 8.1, table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Constrained Baseline
    ConstrainedBaseline,
    /// Baseline
    Baseline,
    /// Main
    Main,
    /// Extended
    Extended,
    /// High
    High,
    /// Constrained High: High without interlacing and B slices. It is younger than the table; browsers offer it.
    ConstrainedHigh,
    /// High 10
    High10,
    /// High 4:2:2
    High422,
    /// High 4:4:4 Predictive
    High444,
    /// High 10 Intra
    High10Intra,
    /// High 4:2:2 Intra
    High422Intra,
    /// High 4:4:4 Intra
    High444Intra,
    /// CAVLC 4:4:4 Intra
    Cavlc444Intra,
}

/// Patterns of profile-iop: a profile, its profile_idc, the bits that matter and what they are.
const PROFILES: [(Profile, u8, u8, u8); 16] = [
    (Profile::ConstrainedBaseline, 0x42, 0b0100_1111, 0b0100_0000),
    (Profile::ConstrainedBaseline, 0x4d, 0b1000_1111, 0b1000_0000),
    (Profile::ConstrainedBaseline, 0x58, 0b1100_1111, 0b1100_0000),
    (Profile::Baseline, 0x42, 0b0100_1111, 0b0000_0000),
    (Profile::Baseline, 0x58, 0b1100_1111, 0b1000_0000),
    (Profile::Main, 0x4d, 0b1010_1111, 0b0000_0000),
    (Profile::Extended, 0x58, 0b1100_1111, 0b0000_0000),
    (Profile::High, 0x64, 0b1111_1111, 0b0000_0000),
    (Profile::ConstrainedHigh, 0x64, 0b1111_1111, 0b0000_1100),
    (Profile::High10, 0x6e, 0b1111_1111, 0b0000_0000),
    (Profile::High422, 0x7a, 0b1111_1111, 0b0000_0000),
    (Profile::High444, 0xf4, 0b1111_1111, 0b0000_0000),
    (Profile::High10Intra, 0x6e, 0b1111_1111, 0b0001_0000),
    (Profile::High422Intra, 0x7a, 0b1111_1111, 0b0001_0000),
    (Profile::High444Intra, 0xf4, 0b1111_1111, 0b0001_0000),
    (Profile::Cavlc444Intra, 0x2c, 0b1111_1111, 0b0001_0000),
];

impl ProfileLevelId {
    /// What a description means that does not say: Baseline at level 1 (RFC 6184, section 8.1).
    pub const DEFAULT: Self = Self { profile_idc: 0x42, profile_iop: 0, level_idc: 10 };

    /// What every WebRTC endpoint with H.264 has: Constrained Baseline (RFC 7742, section 6.2), at the level that
    /// browsers offer, 3.1.
    pub const CONSTRAINED_BASELINE: Self = Self { profile_idc: 0x42, profile_iop: 0xe0, level_idc: 31 };

    /// The profile, if this set of coding tools has a name.
    pub fn profile(self) -> Option<Profile> {
        PROFILES
            .iter()
            .find(|(_, idc, mask, bits)| *idc == self.profile_idc && self.profile_iop & mask == *bits)
            .map(|(profile, ..)| *profile)
    }

    /// Whether both mean the same set of coding tools, at whatever level, so that one can answer the other (RFC 6184,
    /// section 8.2.2). Sets without a name are compared by their bits.
    pub fn is_same_profile(self, other: Self) -> bool {
        match (self.profile(), other.profile()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.tools() == other.tools(),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// profile_idc and profile-iop, without the bit that belongs to the level.
    const fn tools(self) -> (u8, u8) {
        let of_level = if self.has_flagged_level() { CONSTRAINT_SET3 } else { 0 };
        (self.profile_idc, self.profile_iop & !of_level)
    }

    /// Whether constraint_set3_flag tells level 1b from 1.1; other profiles have a level_idc for it.
    const fn has_flagged_level(self) -> bool {
        matches!(self.profile_idc, 66 | 77 | 88)
    }

    /// The level.
    pub const fn level(self) -> Level {
        match self.level_idc {
            9 => Level::LEVEL_1B,
            11 if self.has_flagged_level() && self.profile_iop & CONSTRAINT_SET3 != 0 => Level::LEVEL_1B,
            idc => Level::from_tenths(idc),
        }
    }

    /// The same profile at another level.
    #[must_use]
    pub const fn with_level(self, level: Level) -> Self {
        let is_1b = level.0 == Level::LEVEL_1B.0;
        let (level_idc, flag) = match (is_1b, self.has_flagged_level()) {
            (true, true) => (11, CONSTRAINT_SET3),
            (true, false) => (9, 0),
            (false, _) => ((level.0 / 2) as u8, 0),
        };
        let kept = if self.has_flagged_level() { self.profile_iop & !CONSTRAINT_SET3 } else { self.profile_iop };
        Self { profile_iop: kept | flag, level_idc, ..self }
    }
}

/// How much a decoder must be able to do (ITU-T H.264, annex A.3). More is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(
    /// Twentieths, so that 1b has a place between 1 and 1.1.
    u16,
);

impl Level {
    /// Level 1b, between 1 and 1.1.
    pub const LEVEL_1B: Self = Self(21);

    /// The level that is so many tenths: 31 for level 3.1.
    pub const fn from_tenths(tenths: u8) -> Self {
        Self(tenths as u16 * 2)
    }
}

impl FromStr for ProfileLevelId {
    type Err = Malformed;

    /// Six hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed::new("profile-level-id");
        // A sign would be taken for part of the number.
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed);
        }
        let number = u32::from_str_radix(text, 16).map_err(|_| malformed)?;
        let [_, profile_idc, profile_iop, level_idc] = number.to_be_bytes();
        Ok(Self { profile_idc, profile_iop, level_idc })
    }
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.profile_idc, self.profile_iop, self.level_idc)
    }
}

/// Whether both are a profile-level-id, and mean the same set of coding tools
/// ([`ProfileLevelId::is_same_profile`]).
pub fn is_same_profile(a: &str, b: &str) -> bool {
    a.parse().ok().zip(b.parse().ok()).is_some_and(|(a, b): (ProfileLevelId, _)| a.is_same_profile(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> ProfileLevelId {
        text.parse().unwrap()
    }

    #[test]
    fn profiles_of_the_table_have_their_names() {
        let cases = [
            (Profile::ConstrainedBaseline, &["42e01f", "42c00a", "4de01f", "4d801f", "58f01f", "58c01f"][..]),
            (Profile::Baseline, &["420014", "42a014", "58a01f", "588014"]),
            (Profile::Main, &["4d401f", "4d001f", "4d501f"]),
            (Profile::Extended, &["580014", "582014"]),
            (Profile::High, &["640033"]),
            (Profile::ConstrainedHigh, &["640c1f"]),
            (Profile::High10, &["6e001f"]),
            (Profile::High422, &["7a001f"]),
            (Profile::High444, &["f4001f"]),
            (Profile::High10Intra, &["6e101f"]),
            (Profile::High422Intra, &["7a101f"]),
            (Profile::High444Intra, &["f4101f"]),
            (Profile::Cavlc444Intra, &["2c101f"]),
        ];
        for (profile, texts) in cases {
            for text in texts {
                assert_eq!(id(text).profile(), Some(profile), "{text}");
            }
        }
        for nameless in ["42011f", "4d601f", "64ff1f", "530033", "ffffff"] {
            assert_eq!(id(nameless).profile(), None, "{nameless}");
        }
    }

    #[test]
    fn constrained_baseline_is_the_same_by_any_of_its_names() {
        assert!(is_same_profile("42e01f", "42C02A"));
        assert!(is_same_profile("42e01f", "4d8033"));
        assert!(is_same_profile("42e01f", "58e00b"));
        assert!(!is_same_profile("42e01f", "42001f"));
        assert!(!is_same_profile("42e01f", "4d001f"));
        assert!(!is_same_profile("640c1f", "64001f"));
        assert!(is_same_profile("640c1f", "640c34"));
    }

    #[test]
    fn nameless_profiles_are_the_same_by_their_bits() {
        assert!(is_same_profile("53001f", "530033"));
        assert!(!is_same_profile("53001f", "53101f"));
        assert!(!is_same_profile("53001f", "64001f"));
        // The flag of level 1b says nothing of the tools.
        assert!(is_same_profile("42110b", "420128"));
    }

    #[test]
    fn what_is_no_id_is_the_same_as_nothing() {
        for text in ["", "42e0", "42e01f1f", " 42e01f", "+2e01f", "gggggg", "42e01é"] {
            assert!(text.parse::<ProfileLevelId>().is_err(), "{text}");
            assert!(!is_same_profile(text, text), "{text}");
        }
    }

    #[test]
    fn level_1b_lies_between_1_and_1_1() {
        let levels = ["42e00a", "42f00b", "42e00b", "42e00c", "42e01f", "42e034"].map(|text| id(text).level());
        assert!(levels.is_sorted_by(|a, b| a < b), "{levels:?}");
        assert_eq!(id("64000b").level(), Level::from_tenths(11));
        assert_eq!(id("640009").level(), Level::LEVEL_1B);
        assert_eq!(id("42e01f").with_level(Level::LEVEL_1B).to_string(), "42f00b");
        assert_eq!(id("42f00b").with_level(Level::from_tenths(31)).to_string(), "42e01f");
        assert_eq!(id("640c1f").with_level(Level::LEVEL_1B).to_string(), "640c09");
        assert_eq!(id("6e101f").with_level(Level::from_tenths(40)).to_string(), "6e1028");
    }

    #[test]
    fn constants_are_what_they_say() {
        assert_eq!(ProfileLevelId::DEFAULT.to_string(), "42000a");
        assert_eq!(ProfileLevelId::DEFAULT.profile(), Some(Profile::Baseline));
        assert_eq!(ProfileLevelId::CONSTRAINED_BASELINE.to_string(), "42e01f");
        assert_eq!(ProfileLevelId::CONSTRAINED_BASELINE.profile(), Some(Profile::ConstrainedBaseline));
    }

    proptest! {
        #[test]
        fn text_is_read_back_and_levels_keep_the_profile(
            profile_idc: u8, profile_iop: u8, level_idc: u8, tenths: u8, other: [u8; 3],
        ) {
            let this = ProfileLevelId { profile_idc, profile_iop, level_idc };
            let [profile_idc, profile_iop, level_idc] = other;
            let other = ProfileLevelId { profile_idc, profile_iop, level_idc };
            prop_assert_eq!(this.to_string().parse(), Ok(this));
            prop_assert_eq!(this.to_string().to_uppercase().parse(), Ok(this));
            let changed = this.with_level(Level::from_tenths(tenths));
            prop_assert!(this.is_same_profile(this) && this.is_same_profile(changed));
            prop_assert_eq!(this.is_same_profile(other), other.is_same_profile(this));
            if tenths != 9 {
                prop_assert_eq!(changed.level(), Level::from_tenths(tenths));
            }
        }
    }
}
