//! The DNS, asked on threads of its own.

use std::panic::resume_unwind;

use tokio::runtime::Handle;

use crate::dns::{Asker, Gatherer};
use crate::model::challenge::Challenge;
use crate::model::evidence::Evidence;

/// A gatherer whose work is done elsewhere: however many answers are read and signatures verified,
/// decisions have processor time.
#[derive(Clone, Debug)]
pub struct ThreadedGatherer {
    pub gatherer: Gatherer,
    pub threads: Handle,
}

impl ThreadedGatherer {
    /// Asks for all records of the challenge, as [`Gatherer::gather`] does.
    pub async fn gather(&self, challenge: &Challenge, asker: Asker) -> Evidence {
        let (gatherer, challenge) = (self.gatherer.clone(), challenge.clone());
        let gathering = self
            .threads
            .spawn(async move { gatherer.gather(&challenge, &asker).await });
        // The threads outlive whoever waits for them, so nothing but a panic ends it early.
        gathering
            .await
            .unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }
}
