//! Gathers evidence. The only part that sends DNS packets.

pub mod answer;
pub mod exchange;
pub mod recursive;

use crate::model::challenge::Challenge;
use crate::model::evidence::Evidence;

pub use recursive::Recursive;

/// Where evidence comes from.
#[derive(Clone, Debug)]
pub enum Gatherer {
    /// Configured recursive servers.
    Recursive(Recursive),
}

impl Gatherer {
    /// Asks for all records of the challenge. Never fails: what could not be asked is part of the
    /// evidence.
    pub async fn gather(&self, challenge: &Challenge) -> Evidence {
        match self {
            Self::Recursive(recursive) => recursive.gather(challenge).await,
        }
    }
}
