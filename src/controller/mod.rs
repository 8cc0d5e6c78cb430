//! The loops: watches fill the stores, queues say what to reconcile, reconcilers read the stores and
//! write to the API server.

mod announcer;
mod checks;
mod domain_approval;
mod gatherer;
mod holding_writer;
mod live_reads;
mod manager;
mod mirror;
mod organization;
mod organization_domain;
mod orphan;
mod queues;

pub use gatherer::ThreadedGatherer;
pub use manager::{Config, Operator, OperatorError};
