//! The visavis program.
fn main() {}
