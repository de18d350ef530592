//! WebRTC from scratch: peers that talk directly, between Rust programs and browsers.
