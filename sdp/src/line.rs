//! One line: its text as it was read, and what it means.

use std::{fmt, str::FromStr};

use crate::{
    Active, Attribute, Bandwidth, Connection, Expected, Key, MediaLine, Origin, Repeat, Zones,
    fields::{checked, is_email, is_phone, is_uri},
    grammar::{digits, is_byte_string},
};

/// What a line means, by its type letter (RFC 8866, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `v=`: always 0.
    Version(u32),
    /// `o=`
    Origin(Origin),
    /// `s=`: the session's name; `-` or nothing if there is none.
    Name(String),
    /// `i=`: a text for people.
    Information(String),
    /// `u=`: where there is more to read.
    Uri(String),
    /// `e=`: whom to write to.
    Email(String),
    /// `p=`: whom to call.
    Phone(String),
    /// `c=`
    Connection(Connection),
    /// `b=`
    Bandwidth(Bandwidth),
    /// `t=`
    Active(Active),
    /// `r=`
    Repeat(Repeat),
    /// `z=`
    Zones(Zones),
    /// `k=`
    Key(Key),
    /// `a=`
    Attribute(Attribute),
    /// `m=`
    Media(MediaLine),
    /// A type letter that RFC 8866 does not know, with what follows the equals sign. The RFC would have the whole
    /// description refused; keeping the line costs nothing and loses nothing.
    Unknown(char, String),
}

impl Field {
    /// The letter before the equals sign.
    pub fn letter(&self) -> char {
        match self {
            Self::Version(_) => 'v',
            Self::Origin(_) => 'o',
            Self::Name(_) => 's',
            Self::Information(_) => 'i',
            Self::Uri(_) => 'u',
            Self::Email(_) => 'e',
            Self::Phone(_) => 'p',
            Self::Connection(_) => 'c',
            Self::Bandwidth(_) => 'b',
            Self::Active(_) => 't',
            Self::Repeat(_) => 'r',
            Self::Zones(_) => 'z',
            Self::Key(_) => 'k',
            Self::Attribute(_) => 'a',
            Self::Media(_) => 'm',
            Self::Unknown(letter, _) => *letter,
        }
    }
}

impl FromStr for Field {
    type Err = Expected;

    /// Reads a line without its end.
    fn from_str(line: &str) -> Result<Self, Expected> {
        let mut chars = line.chars();
        let (Some(letter), Some('=')) = (chars.next(), chars.next()) else {
            return Err(Expected("a letter and an equals sign"));
        };
        let value = chars.as_str();
        // The name of a session may not be empty by the grammar, yet RFC 4317 and old telephones write it so.
        if !value.is_empty() && !is_byte_string(value) {
            return Err(Expected("a line without control characters"));
        }
        match letter {
            'v' if value == "0" => digits(value, "v=0").map(Self::Version),
            'v' => Err(Expected("v=0 (the only version there is)")),
            'o' => value.parse().map(Self::Origin),
            's' => Ok(Self::Name(value.to_owned())),
            'i' => checked(value, is_byte_string, "i= with a text").map(Self::Information),
            'u' => checked(value, is_uri, "u= with a URI").map(Self::Uri),
            'e' => checked(value, is_email, "e= with an email address").map(Self::Email),
            'p' => checked(value, is_phone, "p= with a phone number").map(Self::Phone),
            'c' => value.parse().map(Self::Connection).map_err(|_| Expected("c=, then IN, IP4 or IP6, and an address")),
            'b' => value.parse().map(Self::Bandwidth),
            't' => value.parse().map(Self::Active),
            'r' => value.parse().map(Self::Repeat),
            'z' => value.parse().map(Self::Zones),
            'k' => value.parse().map(Self::Key),
            'a' => value.parse().map(Self::Attribute),
            'm' => value.parse().map(Self::Media),
            letter if letter.is_ascii_alphabetic() => Ok(Self::Unknown(letter, value.to_owned())),
            _ => Err(Expected("a letter and an equals sign")),
        }
    }
}

impl fmt::Display for Field {
    /// Writes a line without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.letter())?;
        match self {
            Self::Version(value) => value.fmt(f),
            Self::Origin(value) => value.fmt(f),
            Self::Name(value) | Self::Information(value) | Self::Uri(value) => f.write_str(value),
            Self::Email(value) | Self::Phone(value) | Self::Unknown(_, value) => f.write_str(value),
            Self::Connection(value) => value.fmt(f),
            Self::Bandwidth(value) => value.fmt(f),
            Self::Active(value) => value.fmt(f),
            Self::Repeat(value) => value.fmt(f),
            Self::Zones(value) => value.fmt(f),
            Self::Key(value) => value.fmt(f),
            Self::Attribute(value) => value.fmt(f),
            Self::Media(value) => value.fmt(f),
        }
    }
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LineEnd {
    /// Carriage return and line feed, as the grammar has it.
    #[default]
    CrLf,
    /// Line feed alone, which readers should accept too (RFC 8866, section 5).
    Lf,
    /// Nothing: the last line of a text that was cut short.
    None,
}

impl LineEnd {
    /// The characters.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CrLf => "\r\n",
            Self::Lf => "\n",
            Self::None => "",
        }
    }
}

/// One line: the text that is written, and what it means. The two cannot come apart, since a line does not change;
/// to change a description, replace the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    text: String,
    end: LineEnd,
    field: Field,
}

impl Line {
    /// A line of our own, which ends in CR LF. Characters that would end the line early (CR, LF, NUL) become
    /// spaces, so that no value, wherever it is from, can bring in lines of its own.
    pub fn new(field: Field) -> Self {
        let text = field.to_string().replace(['\r', '\n', '\0'], " ");
        Self { text, end: LineEnd::CrLf, field }
    }

    /// A line as it was read.
    pub(crate) fn read(text: &str, end: LineEnd) -> Result<Self, Expected> {
        Ok(Self { text: text.to_owned(), end, field: text.parse()? })
    }

    /// The line without its end, as it was read and will be written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How it ends.
    pub fn end(&self) -> LineEnd {
        self.end
    }

    /// What it means.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The attribute, if it is an `a=` line.
    pub fn attribute(&self) -> Option<&Attribute> {
        if let Field::Attribute(attribute) = &self.field { Some(attribute) } else { None }
    }
}

/// Where a line stands among the others of its section, by the order of the grammar; `None` for unknown lines,
/// which may stand anywhere. Media sections have the same order, without the lines about the session.
pub(crate) fn rank(field: &Field) -> Option<u8> {
    Some(match field {
        Field::Version(_) => 0,
        Field::Origin(_) => 1,
        Field::Name(_) => 2,
        Field::Media(_) => 3,
        Field::Information(_) => 4,
        Field::Uri(_) => 5,
        Field::Email(_) => 6,
        Field::Phone(_) => 7,
        Field::Connection(_) => 8,
        Field::Bandwidth(_) => 9,
        Field::Active(_) | Field::Repeat(_) | Field::Zones(_) => 10,
        Field::Key(_) => 11,
        Field::Attribute(_) => 12,
        Field::Unknown(..) => return None,
    })
}

/// Puts a line where the order of the grammar wants it: after the last of those that come before it and of its own
/// kind. Unknown lines go to the end.
pub(crate) fn insert(lines: &mut Vec<Line>, field: Field) {
    let before = |own| move |line: &Line| rank(&line.field).is_some_and(|rank| rank <= own);
    let at = match rank(&field) {
        Some(own) => lines.iter().rposition(before(own)).map_or(0, |last| last + 1),
        None => lines.len(),
    };
    lines.insert(at, Line::new(field));
}

/// Replaces the first line of the field's kind, or puts it where it belongs.
pub(crate) fn replace(lines: &mut Vec<Line>, field: Field) {
    let same = |line: &&mut Line| line.field.letter() == field.letter();
    match lines.iter_mut().find(same) {
        Some(line) => *line = Line::new(field),
        None => insert(lines, field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_bring_in_a_line_of_its_own() {
        let line = Line::new(Field::Attribute(Attribute::Mid("0\r\na=setup:active\0".into())));
        assert_eq!(line.text(), "a=mid:0  a=setup:active ");
    }

    #[test]
    fn lines_without_letter_and_equals_sign_are_refused() {
        for not in ["", "v", "0=1", "va=1", " v=0", "=", "a\u{301}=1"] {
            assert_eq!(not.parse::<Field>(), Err(Expected("a letter and an equals sign")), "{not:?}");
        }
        assert_eq!("x=y".parse(), Ok(Field::Unknown('x', "y".into())));
        assert!("v=1".parse::<Field>().is_err() && "s=a\rb".parse::<Field>().is_err());
    }

    #[test]
    fn a_new_line_goes_where_the_grammar_wants_it() {
        let mut lines = Vec::new();
        for text in ["a=mid:0", "c=IN IP4 0.0.0.0", "m=audio 9 RTP/AVP 0", "x=kept", "a=sendrecv", "b=AS:1"] {
            insert(&mut lines, text.parse().unwrap());
        }
        let letters: String = lines.iter().map(|line| line.field.letter()).collect();
        assert_eq!(letters, "mcbaax");
    }
}
