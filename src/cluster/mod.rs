//! Talks to an API server and decides nothing.

pub mod access;
pub mod client;
pub mod clock;
pub mod decode;
pub mod error;
pub mod events;
mod gap;
mod invalid;
mod items;
pub mod leader_election;
pub mod leadership;
pub mod objects;
mod pages;
pub mod shard;
pub mod store;
pub mod watch;
mod watcher;
