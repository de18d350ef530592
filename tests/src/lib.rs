//! End-to-end tests: sessions over a simulated network, peers over loopback, browsers and other stacks.
//!
//! The library holds what those tests share; the tests are in `tests/tests/`. Plain `cargo test` needs no network, no
//! browser and no root. The feature `interop` adds the target `browsers`, which drives headless Chromium and Firefox
//! through W3C WebDriver, every test in a network namespace of its own.

#[cfg(feature = "interop")]
pub mod browser;
#[cfg(feature = "interop")]
pub mod isolation;
#[cfg(feature = "interop")]
pub mod page;
pub mod pattern;
pub mod statistics;

/// What a test helper fails with: anything that can be printed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The code of the README, which compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
