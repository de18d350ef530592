//! End-to-end tests: sessions over a simulated network, peers over loopback, browsers and other stacks.
