//! Gathers evidence. The only part that sends DNS packets.

mod addresses;
mod allowance;
pub mod anchors;
pub mod answer;
pub mod authoritative;
mod budget;
mod cache;
mod chain;
mod delegation;
mod descent;
mod dnssec;
mod exchange;
mod flights;
pub mod guard;
mod hosts;
mod limits;
mod lookup;
mod path;
mod places;
pub mod recursive;
mod roots;
mod silence;
pub mod trust;
mod walk;
mod zone;

use crate::model::challenge::Challenge;
use crate::model::evidence::Evidence;

pub use authoritative::{Authoritative, AuthoritativeSettings};
pub use guard::Guard;
pub use hickory_resolver::net::proto::dnssec::TrustAnchors;
pub use limits::Asker;
pub use recursive::{Recursive, RecursiveServer, RecursiveSettings};

/// Where evidence comes from.
#[derive(Clone, Debug)]
pub enum Gatherer {
    /// The servers of the domain's own zone.
    Authoritative(Authoritative),
    /// Configured recursive servers.
    Recursive(Recursive),
}

impl Gatherer {
    /// Asks for all records of the challenge. Never fails: what could not be asked is part of the
    /// evidence.
    pub async fn gather(&self, challenge: &Challenge, asker: &Asker) -> Evidence {
        match self {
            Self::Authoritative(authoritative) => authoritative.gather(challenge, asker).await,
            Self::Recursive(recursive) => recursive.gather(challenge, asker).await,
        }
    }
}
