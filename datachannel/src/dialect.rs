//! Which messages open channels in-band.
//!
//! Besides those of RFC 8832 there are those of its first draft (of 2012), which usrsctp's example program `rtcweb`
//! still speaks: a request, a response that names the stream of the request, and an acknowledgement. In the draft the
//! two directions of a channel may be different streams; here they never are, as in the RFC.

use crate::dcep::{Dcep, Open};
use crate::{Dialect, Priority};
use sctp::Reliability;
use std::time::Duration;
use wire::{Malformed, Put, Reader};

/// What a message of either dialect means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control<'a> {
    /// Opens a channel: `DATA_CHANNEL_OPEN`, or the draft's `OPEN_REQUEST`.
    Open(Open<'a>),
    /// The channel is open: `DATA_CHANNEL_ACK`, or the draft's `OPEN_RESPONSE`.
    Accept,
    /// The draft's third message, its `ACK`: who asked has seen the response.
    Complete,
}

impl Dialect {
    /// Reads the message that came on `stream`.
    pub(crate) fn decode(self, stream: u16, bytes: &[u8]) -> Result<Control<'_>, Malformed> {
        match self {
            Self::Rfc8832 => Dcep::decode(bytes).map(|message| match message {
                Dcep::Open(open) => Control::Open(open),
                Dcep::Ack => Control::Accept,
            }),
            Self::Draft2012 => draft::decode(stream, bytes),
        }
    }

    /// The bytes of a message that goes out on `stream`.
    pub(crate) fn encode(self, stream: u16, control: &Control<'_>) -> Vec<u8> {
        let mut buf = Vec::new();
        match (self, control) {
            (Self::Rfc8832, Control::Open(open)) => Dcep::Open(open.clone()).encode(&mut buf),
            // The RFC has no third message, so the second says all there is to say.
            (Self::Rfc8832, Control::Accept | Control::Complete) => Dcep::Ack.encode(&mut buf),
            (Self::Draft2012, _) => draft::encode(stream, control, &mut buf),
        }
        buf
    }

    /// Whether what can be read of `bytes`, if anything, is written and then read as the same. For fuzzing only: what the
    /// draft's messages say concerns nobody outside of this crate.
    #[cfg(fuzzing)]
    pub fn reads_alike(self, stream: u16, bytes: &[u8]) -> bool {
        let Ok(control) = self.decode(stream, bytes) else { return true };
        self.decode(stream, &self.encode(stream, &control)) == Ok(control)
    }

    /// Whether a channel that was accepted has to be acknowledged once more.
    pub(crate) const fn has_third_message(self) -> bool {
        match self {
            Self::Rfc8832 => false,
            Self::Draft2012 => true,
        }
    }
}

/// The draft's messages.
mod draft {
    use super::{Control, Duration, Malformed, Open, Priority, Put, Reader, Reliability};

    const OPEN_REQUEST: u8 = 0;
    const OPEN_RESPONSE: u8 = 1;
    const ACK: u8 = 2;

    const RELIABLE: u8 = 0;
    const RELIABLE_STREAM: u8 = 1;
    const UNRELIABLE: u8 = 2;
    const PARTIAL_RELIABLE_REXMIT: u8 = 3;
    const PARTIAL_RELIABLE_TIMED: u8 = 4;

    const OUT_OF_ORDER_ALLOWED: u16 = 1;

    pub(super) fn decode(stream: u16, bytes: &[u8]) -> Result<Control<'_>, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.u8("message type")? {
            OPEN_REQUEST => decode_request(&mut reader).map(Control::Open),
            OPEN_RESPONSE => {
                let error = reader.u8("error")?;
                let _flags = reader.u16("flags")?;
                if error != 0 || reader.u16("reverse stream")? != stream {
                    return Err(Malformed::new("reverse stream"));
                }
                Ok(Control::Accept)
            }
            ACK => Ok(Control::Complete),
            _ => Err(Malformed::new("message type")),
        }
    }

    fn decode_request<'a>(reader: &mut Reader<'a>) -> Result<Open<'a>, Malformed> {
        let channel_type = reader.u8("channel type")?;
        let flags = reader.u16("flags")?;
        let parameter = reader.u16("reliability parameter")?;
        let priority = Priority(reader.u16("priority")?);
        let label = std::str::from_utf8(reader.rest()).map_err(|_| Malformed::new("label"))?;
        let reliability = match channel_type {
            RELIABLE | RELIABLE_STREAM => Reliability::Reliable,
            PARTIAL_RELIABLE_REXMIT => Reliability::MaxRetransmits(parameter),
            UNRELIABLE | PARTIAL_RELIABLE_TIMED => {
                Reliability::MaxLifetime(Duration::from_millis(u64::from(parameter)))
            }
            _ => return Err(Malformed::new("channel type")),
        };
        Ok(Open { ordered: flags & OUT_OF_ORDER_ALLOWED == 0, reliability, priority, label, protocol: "" })
    }

    pub(super) fn encode(stream: u16, control: &Control<'_>, buf: &mut Vec<u8>) {
        match control {
            Control::Open(open) => {
                let (kind, parameter) = match open.reliability {
                    Reliability::Reliable => (RELIABLE, 0),
                    Reliability::MaxRetransmits(count) => (PARTIAL_RELIABLE_REXMIT, count),
                    Reliability::MaxLifetime(lifetime) => {
                        (PARTIAL_RELIABLE_TIMED, u16::try_from(lifetime.as_millis()).unwrap_or(u16::MAX))
                    }
                };
                buf.put_u8(OPEN_REQUEST);
                buf.put_u8(kind);
                buf.put_u16(if open.ordered { 0 } else { OUT_OF_ORDER_ALLOWED });
                buf.put_u16(parameter);
                buf.put_u16(open.priority.0);
                buf.put_bytes(open.label.as_bytes());
            }
            Control::Accept => {
                buf.put_u8(OPEN_RESPONSE);
                buf.put_u8(0);
                buf.put_u16(0);
                buf.put_u16(stream);
            }
            Control::Complete => buf.put_u8(ACK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_draft_come_back() {
        for reliability in [
            Reliability::Reliable,
            Reliability::MaxRetransmits(7),
            Reliability::MaxLifetime(Duration::from_millis(1500)),
        ] {
            for ordered in [true, false] {
                let open = Open { ordered, reliability, priority: Priority(3), label: "draft", protocol: "" };
                let open = Control::Open(open);
                let bytes = Dialect::Draft2012.encode(5, &open);
                assert_eq!(Dialect::Draft2012.decode(5, &bytes), Ok(open));
            }
        }
        for control in [Control::Accept, Control::Complete] {
            let bytes = Dialect::Draft2012.encode(5, &control);
            assert_eq!(Dialect::Draft2012.decode(5, &bytes), Ok(control));
        }
    }

    #[test]
    fn a_response_for_another_stream_is_refused() {
        let bytes = Dialect::Draft2012.encode(5, &Control::Accept);
        assert_eq!(bytes, [1, 0, 0, 0, 0, 5]);
        assert_eq!(Dialect::Draft2012.decode(6, &bytes), Err(Malformed::new("reverse stream")));
        for cut in 0..bytes.len() {
            assert!(Dialect::Draft2012.decode(5, &bytes[..cut]).is_err());
        }
    }

    #[test]
    fn a_request_of_rtcweb_is_read() {
        // Its command `open 1 2 3`: unordered, three retransmissions.
        let Ok(Control::Open(open)) = Dialect::Draft2012.decode(1, &[0, 3, 0, 1, 0, 3, 0, 0]) else {
            panic!("a request")
        };
        assert_eq!((open.ordered, open.reliability), (false, Reliability::MaxRetransmits(3)));
        assert_eq!(Dialect::Draft2012.decode(1, &[0, 9, 0, 1, 0, 3, 0, 0]), Err(Malformed::new("channel type")));
        assert_eq!(Dialect::Draft2012.decode(1, &[3]), Err(Malformed::new("message type")));
    }
}
