//! The loops: watches fill the stores, queues say what to look at, reconcilers read the stores and
//! write to the API server.

mod checks;
mod domain_approval;
mod gatherer;
mod holding;
mod live_reads;
mod namespace;
mod operator;
mod organization;
mod organization_domain;
mod status;
mod verified_domain;

pub use gatherer::ThreadedGatherer;
pub use operator::{Config, Operator, OperatorError};
