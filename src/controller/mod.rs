//! The loops: watches fill the stores, queues say what to look at, reconcilers read the stores and
//! write to the API server.

mod access;
mod calls;
mod checks;
mod clock;
mod domain_approval;
mod events;
mod fair;
mod gap;
mod gatherer;
mod holding;
mod lease;
mod limits;
mod live_reads;
mod namespace;
mod operator;
mod organization;
mod organization_domain;
mod queue;
mod shard;
mod status;
mod store;
mod unreadable;
mod verified_domain;
mod watch;

pub use gatherer::ThreadedGatherer;
pub use lease::Candidate;
pub use operator::{Config, Operator, OperatorError};
pub use shard::{Shard, ShardError};
