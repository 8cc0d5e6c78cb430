//! The engine that gathers evidence, against a private DNS in which servers fail and lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends there"
)]

mod aliases;
mod delegations;
mod dnssec;
mod egress;
mod layouts;
mod one_bad_server;
mod outcomes;
mod real_servers;
mod recursive;
mod shell;
mod spoofing;
mod support;
mod values;
mod yardstick;
