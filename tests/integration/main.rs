//! The operator on a real API server, with a DNS server that does as it is told. Every test has
//! namespaces, domain names, a DNS server and operators of its own.

// Clippy's leave for tests does not reach what the tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The tests are a client like any other.
#![expect(clippy::disallowed_types)]

mod support;

mod approval;
mod backup;
mod bad_input;
mod busy_object;
mod challenge;
mod chart;
mod crash;
mod crds;
mod demo;
mod documentation;
mod fairness;
mod faults;
mod filled;
mod gitops;
mod holdings;
mod image;
mod leader;
mod lifecycle;
mod logs;
mod lost_answer;
mod matching;
mod namespaces;
mod organization;
mod outage;
mod outbox;
mod overlap;
mod plugin;
mod poisoned;
mod process;
mod proof_age;
mod quiet;
mod quota;
mod reach;
mod recreate;
mod release;
mod restore;
mod shards;
mod taking;
mod two_operators;
mod uniqueness;
mod verify;
mod workflow;
