#![no_main]
//! Reads fields of arbitrary lengths from arbitrary bytes: nothing panics, nothing is read twice or made up.

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use wire::Reader;

#[derive(Arbitrary, Debug)]
enum Step {
    U8,
    U16,
    U24,
    U32,
    U48,
    U64,
    Array,
    Bytes(u16),
    Sub(u16),
    SubU8,
    SubU16,
    SubU24,
}

fuzz_target!(|input: (Vec<Step>, &[u8])| {
    let (steps, bytes) = input;
    let mut reader = Reader::new(bytes);
    let mut consumed = 0;
    for step in steps {
        let read = match step {
            Step::U8 => reader.u8("u8").map(|_| 1),
            Step::U16 => reader.u16("u16").map(|_| 2),
            Step::U24 => reader.u24("u24").map(|_| 3),
            Step::U32 => reader.u32("u32").map(|_| 4),
            Step::U48 => reader.u48("u48").map(|_| 6),
            Step::U64 => reader.u64("u64").map(|_| 8),
            Step::Array => reader.array::<5>("array").map(|array| array.len()),
            Step::Bytes(length) => reader.bytes(usize::from(length), "bytes").map(<[u8]>::len),
            Step::Sub(length) => reader.sub(usize::from(length), "sub").map(|sub| sub.remaining()),
            Step::SubU8 => reader.sub_u8("sub").map(|sub| 1 + sub.remaining()),
            Step::SubU16 => reader.sub_u16("sub").map(|sub| 2 + sub.remaining()),
            Step::SubU24 => reader.sub_u24("sub").map(|sub| 3 + sub.remaining()),
        };
        match read {
            Ok(length) => consumed += length,
            // What a failed read leaves behind is its own business, but it has not gone past the end.
            Err(_) => return,
        }
        assert_eq!(consumed + reader.remaining(), bytes.len());
    }
});
