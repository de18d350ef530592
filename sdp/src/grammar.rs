//! The small rules that the others share (RFC 8866, section 9, "generic sub-rules").

use std::{fmt, str::FromStr};

use crate::Expected;

/// `token-char`: visible ASCII without the separators.
pub(crate) fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c)
}

/// `token = 1*(token-char)`
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// `non-ws-string`: visible characters, of any script.
pub(crate) fn is_non_ws(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || !c.is_ascii())
}

/// `byte-string`: whatever can stand in a line, at least one of it.
pub(crate) fn is_byte_string(text: &str) -> bool {
    !text.is_empty() && !text.contains(['\0', '\r', '\n'])
}

/// A token, owned.
pub(crate) fn token(text: &str, expected: &'static str) -> Result<String, Expected> {
    if is_token(text) { Ok(text.to_owned()) } else { Err(Expected(expected)) }
}

/// A string without white space, owned.
pub(crate) fn non_ws(text: &str, expected: &'static str) -> Result<String, Expected> {
    if is_non_ws(text) { Ok(text.to_owned()) } else { Err(Expected(expected)) }
}

/// Decimal digits and nothing else: `str::parse` alone would take a plus sign.
pub(crate) fn digits<T: FromStr>(text: &str, expected: &'static str) -> Result<T, Expected> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Expected(expected));
    }
    text.parse().map_err(|_| Expected(expected))
}

/// The words of a list. The grammar has exactly one space between two; more, or one at the end, is common enough
/// to be read.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// Cuts at the first space: the word before it, and what follows if anything does.
pub(crate) fn cut(text: &str) -> (&str, Option<&str>) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, Some(rest)),
        None => (text, None),
    }
}

/// Writes items with a separator between them.
pub(crate) fn join<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    separator: &str,
) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_visible_ascii_without_separators() {
        assert!(is_token("webrtc-datachannel") && is_token("{4ab61aec}") && is_token("0"));
        for not in ["", "a b", "a/b", "a:b", "a;b", "a=b", "(a)", "\"a\"", "ä", "a\t"] {
            assert!(!is_token(not), "{not:?}");
        }
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(digits::<u16>("65535", "a port"), Ok(65535));
        assert_eq!(digits::<u16>("0012", "a port"), Ok(12));
        for not in ["", "+1", "-1", " 1", "1 ", "65536", "0x1", "١"] {
            assert_eq!(digits::<u16>(not, "a port"), Err(Expected("a port")), "{not:?}");
        }
    }
}
