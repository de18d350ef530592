use super::Parameters;
use crate::serial::Tsn;
use wire::{Malformed, Put, Reader};

/// INIT and INIT ACK, which look alike (RFC 9260, sections 3.3.2 and 3.3.3).
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |  Type = 1, 2  |  Chunk Flags  |         Chunk Length          |
/// +---------------+---------------+-------------------------------+
/// |                         Initiate Tag                          |
/// +---------------------------------------------------------------+
/// |          Advertised Receiver Window Credit (a_rwnd)           |
/// +-------------------------------+-------------------------------+
/// |  Number of Outbound Streams   |   Number of Inbound Streams   |
/// +-------------------------------+-------------------------------+
/// |                          Initial TSN                          |
/// +---------------------------------------------------------------+
/// /              Optional/Variable-Length Parameters              /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init<'a> {
    /// The verification tag that the receiver of this chunk has to use; never 0.
    pub initiate_tag: u32,
    /// The size of the sender's receive buffer in bytes.
    pub a_rwnd: u32,
    /// Streams that the sender wants to send on; never 0.
    pub outbound_streams: u16,
    /// Streams that the sender can receive on; never 0.
    pub inbound_streams: u16,
    /// The TSN of the sender's first DATA chunk.
    pub initial_tsn: Tsn,
    /// What follows.
    pub parameters: Parameters<'a>,
}

impl<'a> Init<'a> {
    pub(super) fn decode(mut value: Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            initiate_tag: value.u32("initiate tag")?,
            a_rwnd: value.u32("a_rwnd")?,
            outbound_streams: value.u16("outbound streams")?,
            inbound_streams: value.u16("inbound streams")?,
            initial_tsn: Tsn(value.u32("initial TSN")?),
            parameters: Parameters::new(value.rest()),
        })
    }

    pub(super) fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u32(self.initiate_tag);
        buf.put_u32(self.a_rwnd);
        buf.put_u16(self.outbound_streams);
        buf.put_u16(self.inbound_streams);
        buf.put_u32(self.initial_tsn.0);
        buf.put_bytes(self.parameters.as_bytes());
    }
}
