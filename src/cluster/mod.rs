//! Talks to an API server and decides nothing.

pub mod access_monitor;
pub mod client;
pub mod clock;
pub mod config;
pub mod decode;
pub mod error;
pub mod events;
#[cfg(test)]
pub(crate) mod fake_api;
mod gap;
mod intern;
mod interruptions;
mod invalid;
mod items;
pub mod key;
pub mod leader_election;
pub mod leadership;
pub mod names;
pub mod objects;
pub mod pages;
pub mod scope;
pub mod shard;
pub mod store;
pub mod watch;
mod watcher;

use self::client::Client;
use self::clock::Clock;
use self::scope::Scope;
use self::store::Stores;

/// What a process knows of a cluster, and how it asks for more.
pub struct Cluster {
    pub client: Client,
    pub stores: Stores,
    pub clock: Clock,
    pub scope: Scope,
}
