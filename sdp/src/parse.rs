//! Reading a whole description: lines, their order, and what must not be missing (RFC 8866, section 9).

use std::str::FromStr;

use crate::{Description, Error, Expected, Field, Line, LineEnd, Media, line::rank};

/// How much is read before a description is refused. Descriptions come from the network; what they cost must be
/// bounded before it is known who sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text; 1 MiB unless changed.
    pub size: usize,
    /// Lines of the whole text; 16,384 unless changed.
    pub lines: usize,
    /// Bytes of one line; 65,536 unless changed.
    pub line: usize,
    /// Media sections; 1,024 unless changed.
    pub media: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: 1 << 20, lines: 1 << 14, line: 1 << 16, media: 1 << 10 }
    }
}

impl FromStr for Description {
    type Err = Error;

    /// Reads a description within the default [`Limits`].
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, &Limits::default())
    }
}

impl Description {
    /// Reads a description of at most the given size. What was read is written back byte for byte.
    ///
    /// # Errors
    /// The first line that breaks the grammar of RFC 8866, stands out of order, exceeds a limit, or is missing.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Error> {
        if text.len() > limits.size {
            return Err(Error::new(1, text, "a description within the limit on its size"));
        }
        let (body, blank) = split_trailing_blank(text);
        let description = Self::empty(blank);
        let mut reader = Reader { description, limits, number: 0, stage: Stage::Version, last: None };
        for (line, end) in lines(body) {
            reader.number += 1;
            reader.line(line, end).map_err(|Expected(expected)| Error::new(reader.number, line, expected))?;
        }
        match reader.stage.missing() {
            Some(missing) => Err(Error::new(reader.number + 1, "", missing)),
            None => Ok(reader.description),
        }
    }

    /// Reads a description from bytes, which must be UTF-8 (JSEP has it so, whatever `a=charset` says).
    ///
    /// # Errors
    /// As [`Description::parse`]; also the first line that is no UTF-8.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        match str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, limits),
            Err(error) => {
                let (before, _) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                let text = String::from_utf8_lossy(before);
                Err(Error::new(line, text.rsplit('\n').next().unwrap_or_default(), "a text in UTF-8"))
            }
        }
    }
}

/// What must come next, for the lines that may not be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Version,
    Origin,
    Name,
    /// Before the first `t=`.
    Untimed,
    /// After it: nothing is missing any more.
    Complete,
}

impl Stage {
    /// What is missing still.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Version => Some("v=0 (the version)"),
            Self::Origin => Some("o= (the origin)"),
            Self::Name => Some("s= (the session's name)"),
            Self::Untimed => Some("t= (when the session is active)"),
            Self::Complete => None,
        }
    }

    /// The stage after this line, or the error that it comes too early.
    fn after(self, field: &Field) -> Result<Self, Expected> {
        match (self, field) {
            (Self::Version, Field::Version(_)) => Ok(Self::Origin),
            (Self::Origin, Field::Origin(_)) => Ok(Self::Name),
            (Self::Name, Field::Name(_)) => Ok(Self::Untimed),
            (Self::Untimed, Field::Active(_)) => Ok(Self::Complete),
            (Self::Untimed, field) if rank(field).is_none_or(|rank| (4..10).contains(&rank)) => Ok(self),
            (Self::Complete, _) => Ok(self),
            (stage, _) => Err(Expected(stage.missing().unwrap_or("nothing"))),
        }
    }
}

struct Reader<'l> {
    description: Description,
    limits: &'l Limits,
    /// Of the line that is being read, from 1.
    number: usize,
    stage: Stage,
    /// Where the last line that has a place in the order stands in its section. Kept, so that thousands of unknown
    /// lines are not walked again and again.
    last: Option<usize>,
}

impl Reader<'_> {
    fn line(&mut self, text: &str, end: LineEnd) -> Result<(), Expected> {
        if self.number > self.limits.lines {
            return Err(Expected("a description within the limit on its lines"));
        }
        if text.len() > self.limits.line {
            return Err(Expected("a line within the limit on its length"));
        }
        let line = Line::read(text, end)?;
        self.stage = self.stage.after(line.field())?;
        if let Field::Media(head) = line.field() {
            if self.description.media.len() >= self.limits.media {
                return Err(Expected("a description within the limit on its media sections"));
            }
            self.description.media.push(Media::opened_by(head.clone(), line));
            self.last = Some(0);
            return Ok(());
        }
        let in_media = !self.description.media.is_empty();
        let lines = match self.description.media.last_mut() {
            Some(media) => media.lines_mut(),
            None => self.description.lines_mut(),
        };
        let last = self.last.and_then(|last| lines.get(last)).map(Line::field);
        if rank(line.field()).is_some() {
            in_order(last, line.field(), in_media)?;
            self.last = Some(lines.len());
        }
        lines.push(line);
        Ok(())
    }
}

/// Whether the line may follow the last one of its section. The fixed order is part of the grammar, and JSEP
/// wants it checked (RFC 8829, section 5.8).
fn in_order(last: Option<&Field>, field: &Field, in_media: bool) -> Result<(), Expected> {
    let Some(own) = rank(field) else { return Ok(()) };
    if in_media && matches!(own, 0..=2 | 5..=7 | 10) {
        return Err(Expected("a line that media sections have: i=, c=, b=, k=, a= or the next m="));
    }
    let before = last.and_then(rank).unwrap_or_default();
    if own < before {
        return Err(Expected("lines in the order v o s i u e p c b t r z k a, and in media sections m i c b k a"));
    }
    if matches!(field, Field::Repeat(_)) && !matches!(last, Some(Field::Active(_) | Field::Repeat(_))) {
        return Err(Expected("r= after t= or another r="));
    }
    if matches!(field, Field::Zones(_)) && !matches!(last, Some(Field::Repeat(_))) {
        return Err(Expected("z= after r="));
    }
    // v, o, s, i, u, c and k stand once; only media sections may have several c=.
    let once = matches!(own, 0..=2 | 4 | 5 | 11) || own == 8 && !in_media;
    if once && last.is_some() && own == before {
        return Err(Expected("only one line of this kind"));
    }
    Ok(())
}

/// Splits off blank lines at the end, which come with copying and pasting. They are kept, but are no lines.
fn split_trailing_blank(text: &str) -> (&str, &str) {
    let mut body = text;
    while let Some(rest) = body.strip_suffix("\r\n").or_else(|| body.strip_suffix('\n')) {
        // What is left must still end a line, or be nothing: else this was the end of the last line.
        if !rest.is_empty() && !rest.ends_with('\n') {
            break;
        }
        body = rest;
    }
    text.split_at_checked(body.len()).unwrap_or((text, ""))
}

/// The lines with their ends. A CR that no LF follows stays in the line, where the grammar refuses it.
fn lines(text: &str) -> impl Iterator<Item = (&str, LineEnd)> {
    text.split_inclusive('\n').map(|line| match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
        (Some(line), _) => (line, LineEnd::CrLf),
        (None, Some(line)) => (line, LineEnd::Lf),
        (None, None) => (line, LineEnd::None),
    })
}
