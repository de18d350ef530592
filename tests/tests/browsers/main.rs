//! Real browsers: each other first, which tests the harness itself, then peers in Rust.
//!
//! One file per theme; every test runs once per browser, in a network namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what a test did not expect ends it, and says where; its helpers are no different"
)]

mod bulk;
mod calls;
mod channels;
mod closing;
mod codecs;
mod demo;
mod duo;
mod forward;
mod freezes;
mod harness;
mod media;
mod messages;
mod negotiation;
mod pictures;
mod profiles;
mod rate;
mod renegotiation;
mod restart;
mod roles;
mod stats;
mod tones;

/// Makes `name::chromium` and `name::firefox` of an `async fn name(kind: Kind)`, each in a namespace of its own.
macro_rules! in_both_browsers {
    ($(#[$meta:meta])* async fn $name:ident($kind:ident: Kind) $body:block) => {
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($kind: visavis_tests::browser::Kind) $body

            #[test]
            fn chromium() {
                let name = concat!(module_path!(), "::chromium");
                visavis_tests::isolation::isolated(name, crate::DEADLINE, || run(visavis_tests::browser::Kind::Chromium));
            }

            #[test]
            fn firefox() {
                let name = concat!(module_path!(), "::firefox");
                visavis_tests::isolation::isolated(name, crate::DEADLINE, || run(visavis_tests::browser::Kind::Firefox));
            }
        }
    };
}
use in_both_browsers;

/// No test here needs as long; one that hangs ends.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(400);
