//! Bounds-checked reading and appending of big-endian fields.
//!
//! Every codec of this workspace reads the network through [`Reader`], which cannot go out of bounds and cannot
//! panic, and writes by appending to a `Vec<u8>` through [`Put`], which cannot fail. It knows no protocol.
//!
//! ```
//! use wire::{Malformed, Put, Reader};
//! # use visavis_wire as wire;
//!
//! /// A type, then a value with a length of two bytes in front.
//! struct Field<'a> {
//!     kind: u16,
//!     value: &'a [u8],
//! }
//!
//! impl<'a> Field<'a> {
//!     fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
//!         let kind = reader.u16("kind")?;
//!         let length = reader.u16("length")?;
//!         let value = reader.bytes(usize::from(length), "value")?;
//!         Ok(Self { kind, value })
//!     }
//!
//!     fn encode(&self, buf: &mut Vec<u8>) {
//!         buf.put_u16(self.kind);
//!         buf.put_prefixed_u16(|buf| buf.put_bytes(self.value));
//!     }
//! }
//!
//! let mut buf = Vec::new();
//! Field { kind: 7, value: b"seven" }.encode(&mut buf);
//! let mut reader = Reader::new(&buf);
//! let field = Field::decode(&mut reader)?;
//! reader.finish("field")?;
//! assert_eq!((field.kind, field.value), (7, &b"seven"[..]));
//! # Ok::<(), Malformed>(())
//! ```

mod put;
mod reader;

pub use put::Put;
pub use reader::{Malformed, Reader};
