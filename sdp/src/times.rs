//! When a session is active: `t=`, `r=` and `z=` (RFC 8866, sections 5.9 to 5.11). WebRTC always writes `t=0 0`.

use std::{fmt, str::FromStr};

use crate::{
    Expected,
    grammar::{digits, join, words},
};

/// `t=`: start and stop in seconds since 1900; 0 for "unbounded".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Active {
    /// Seconds since 1900-01-01 UTC, 0 for a permanent session.
    pub start: u64,
    /// Seconds since 1900-01-01 UTC, 0 for no end.
    pub stop: u64,
}

/// `time / "0"`: a time has at least ten digits and no leading zero.
fn time(text: &str, expected: &'static str) -> Result<u64, Expected> {
    let long = text.len() >= 10 && !text.starts_with('0');
    if text == "0" || long { digits(text, expected) } else { Err(Expected(expected)) }
}

impl FromStr for Active {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "t=, start and stop: 0 or seconds since 1900 in ten digits or more";
        let (start, stop) = text.split_once(' ').ok_or(Expected(EXPECTED))?;
        Ok(Self { start: time(start, EXPECTED)?, stop: time(stop, EXPECTED)? })
    }
}

impl fmt::Display for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.stop)
    }
}

/// A length of time with an optional unit, `7d` or `3600`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// How many units.
    pub amount: u64,
    /// Which unit; seconds if none.
    pub unit: Option<Unit>,
}

/// The units of [`Duration`]: `fixed-len-time-unit` of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `d`, 86,400 seconds.
    Days,
    /// `h`, 3,600 seconds.
    Hours,
    /// `m`, 60 seconds.
    Minutes,
    /// `s`, one second.
    Seconds,
}

impl Duration {
    /// The whole length in seconds, at most `u64::MAX`.
    pub fn seconds(self) -> u64 {
        let factor = match self.unit {
            Some(Unit::Days) => 86_400,
            Some(Unit::Hours) => 3_600,
            Some(Unit::Minutes) => 60,
            Some(Unit::Seconds) | None => 1,
        };
        self.amount.saturating_mul(factor)
    }
}

impl FromStr for Duration {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let unit = match text.as_bytes().last() {
            Some(b'd') => Some(Unit::Days),
            Some(b'h') => Some(Unit::Hours),
            Some(b'm') => Some(Unit::Minutes),
            Some(b's') => Some(Unit::Seconds),
            Some(_) | None => None,
        };
        let amount = if unit.is_some() { text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) } else { text };
        // At most the one letter that was looked at.
        if text.len() > amount.len() + 1 {
            return Err(Expected("a number with at most one of the units d, h, m and s"));
        }
        Ok(Self { amount: digits(amount, "a number with at most one of the units d, h, m and s")?, unit })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Some(Unit::Days) => "d",
            Some(Unit::Hours) => "h",
            Some(Unit::Minutes) => "m",
            Some(Unit::Seconds) => "s",
            None => "",
        };
        write!(f, "{}{unit}", self.amount)
    }
}

/// `r=`: how an active time repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// From one beginning to the next; never 0.
    pub interval: Duration,
    /// How long each lasts.
    pub duration: Duration,
    /// When each begins, counted from the start of the `t=` line; at least one.
    pub offsets: Vec<Duration>,
}

impl FromStr for Repeat {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "r=, an interval, a duration and at least one offset, such as r=7d 1h 0 25h";
        let mut fields = words(text).map(|word| word.parse::<Duration>().map_err(|_| Expected(EXPECTED)));
        let interval = fields.next().ok_or(Expected(EXPECTED))??;
        let duration = fields.next().ok_or(Expected(EXPECTED))??;
        let offsets = fields.collect::<Result<Vec<_>, _>>()?;
        if interval.amount == 0 || offsets.is_empty() {
            return Err(Expected(EXPECTED));
        }
        Ok(Self { interval, duration, offsets })
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.interval, self.duration)?;
        join(f, &self.offsets, " ")
    }
}

/// One adjustment of `z=`: from `at` on, the clock is off by `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Seconds since 1900-01-01 UTC.
    pub at: u64,
    /// Whether the clock goes back.
    pub back: bool,
    /// By how much.
    pub offset: Duration,
}

/// `z=`: changes of the clock (daylight saving) that the repetitions before it cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones(
    /// At least one adjustment, in order of time.
    pub Vec<Adjustment>,
);

impl FromStr for Zones {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "z=, pairs of a time and an offset, such as z=3730928400 -1h 3749680800 0";
        let mut fields = words(text);
        let mut all = Vec::new();
        while let Some(at) = fields.next() {
            let offset = fields.next().ok_or(Expected(EXPECTED))?;
            let (back, offset) = match offset.strip_prefix('-') {
                Some(offset) => (true, offset),
                None => (false, offset),
            };
            let offset = offset.parse().map_err(|_| Expected(EXPECTED))?;
            all.push(Adjustment { at: time(at, EXPECTED)?, back, offset });
        }
        if all.is_empty() { Err(Expected(EXPECTED)) } else { Ok(Self(all)) }
    }
}

impl fmt::Display for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|one| format!("{} {}{}", one.at, if one.back { "-" } else { "" }, one.offset));
        join(f, pairs, " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_of_the_rfc() {
        for text in ["0 0", "3724394400 3724398000", "3724484400 0"] {
            assert_eq!(text.parse::<Active>().unwrap().to_string(), text);
        }
        for not in ["", "0", "0 0 0", "1 2", "0372439440 0", "x 0", "0 99999999999999999999999"] {
            assert!(not.parse::<Active>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_the_repetitions_of_the_rfc() {
        let short: Repeat = "7d 1h 0 25h".parse().unwrap();
        let long: Repeat = "604800 3600 0 90000".parse().unwrap();
        let seconds = |r: &Repeat| {
            (r.interval.seconds(), r.duration.seconds(), r.offsets.iter().map(|o| o.seconds()).sum::<u64>())
        };
        assert_eq!(seconds(&short), seconds(&long));
        assert_eq!((short.to_string(), long.to_string()), ("7d 1h 0 25h".into(), "604800 3600 0 90000".into()));
        for not in ["", "7d", "7d 1h", "0 1h 0", "7w 1h 0", "7dd 1h 0", "d 1h 0", "7d 1h -1"] {
            assert!(not.parse::<Repeat>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_the_zones_of_the_rfc() {
        let zones: Zones = "3730928400 -1h 3749680800 0".parse().unwrap();
        assert_eq!(zones.to_string(), "3730928400 -1h 3749680800 0");
        for not in ["", "3730928400", "3730928400 --1h", "1 0", "3730928400 -"] {
            assert!(not.parse::<Zones>().is_err(), "{not:?}");
        }
    }
}
