//! What can fail around the operator fails while it verifies domains; afterwards nothing is lost,
//! forged or done twice. `cargo xtask faults` runs this with many more domains.

mod campaign;
mod clock;
mod control_plane;
mod dns;
mod operators;
mod shards;
mod watcher;

use std::env;
use std::time::Duration;

pub const DOMAINS_VARIABLE: &str = "FREEHOLD_FAULTS_DOMAINS";
const SHORT_FORM: u32 = 60;

/// How much is thrown at the operator.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub domains: u32,
}

impl Size {
    pub fn of_this_run() -> Self {
        let domains = env::var(DOMAINS_VARIABLE).map_or(SHORT_FORM, |text| {
            text.parse().expect("a number of domains")
        });
        Self { domains }
    }

    /// How many domains without a record one namespace has beside others (`fairness.rs`).
    pub fn backlog(self) -> usize {
        (10 * self.domains as usize).max(5_000)
    }

    /// How many namespaces with slow domains there are beside others (`fairness.rs`).
    pub fn slow_namespaces(self) -> usize {
        (self.domains / 2).clamp(16, 512) as usize
    }

    /// How many create and delete objects without end beside others (`fairness.rs`).
    pub fn storm(self) -> usize {
        (self.domains / 32).clamp(2, 16) as usize
    }

    /// Over how long the domains are stated: the fault acts among them.
    pub fn spread(self) -> Duration {
        Duration::from_secs(4) + Duration::from_millis(12) * self.domains
    }

    /// How long one outage lasts.
    pub fn outage(self) -> Duration {
        Duration::from_secs(2) + Duration::from_millis(10) * self.domains
    }

    /// As often as an operator with little optimization can check so many.
    pub fn check_period(self) -> String {
        format!("{}s", (self.domains / 200).max(1))
    }

    pub fn recheck_period(self) -> String {
        format!("{}s", (self.domains / 20).max(3))
    }
}
