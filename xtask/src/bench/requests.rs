//! What the API server itself counted.

use anyhow::{Context, Result};
use kube::Client;

use super::kinds;

/// Requests by kind, sub-resource and verb, and the processor time that all took.
#[derive(Debug, Clone)]
pub struct Requests {
    counts: Vec<(String, u64)>,
    seconds: f64,
}

impl Requests {
    pub async fn read(client: &Client) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let page = client.request_text(request).await?;
        let seconds = page
            .lines()
            .find_map(|line| line.strip_prefix("process_cpu_seconds_total "))
            .context("the API server does not tell its processor time")?
            .parse()?;
        let counts = page
            .lines()
            .filter_map(|line| line.strip_prefix("apiserver_request_total{"))
            .filter_map(|line| line.split_once("} "))
            .map(|(labels, value)| {
                // From a million on it is printed with an exponent.
                let count = value
                    .parse()
                    .with_context(|| format!("counting requests: {value}"))?;
                Ok((labels.to_owned(), count))
            })
            .collect::<Result<_>>()?;
        Ok(Self { counts, seconds })
    }

    /// Seconds of the API server's processor time since another reading.
    pub fn cpu_since(&self, before: &Self) -> f64 {
        self.seconds - before.seconds
    }

    /// Reads of single objects of the watched kinds since another reading.
    pub fn reads_since(&self, before: &Self) -> u64 {
        kinds::watched()
            .iter()
            .map(|kind| self.reads_of(&kind.plural, before))
            .sum()
    }

    /// Reads of single objects of one kind, by its plural.
    pub fn reads_of(&self, plural: &str, before: &Self) -> u64 {
        let reads = |of: &Self| of.with(&[("verb", "GET"), ("resource", plural)]);
        reads(self) - reads(before)
    }

    /// The sum of the counters that have all these labels.
    pub fn with(&self, labels: &[(&str, &str)]) -> u64 {
        let wanted: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        self.counts
            .iter()
            .filter(|(labels, _)| wanted.iter().all(|wanted| labels.contains(wanted)))
            .map(|(_, count)| count)
            .sum()
    }
}

/// Writes to Freehold's kinds and Events between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    pub statuses: u64,
    pub holdings: u64,
    pub events: u64,
    pub organizations: u64,
}

impl Writes {
    pub fn between(before: &Requests, after: &Requests) -> Self {
        let grown = |labels: &[(&str, &str)]| after.with(labels) - before.with(labels);
        let status = |kind| grown(&[("resource", kind), ("subresource", "status")]);
        Self {
            statuses: status("organizationdomains"),
            holdings: ["POST", "PUT", "PATCH", "DELETE"]
                .iter()
                .map(|verb| grown(&[("resource", "verifieddomains"), ("verb", verb)]))
                .sum(),
            events: ["POST", "PUT", "PATCH"]
                .iter()
                .map(|verb| grown(&[("resource", "events"), ("verb", verb)]))
                .sum(),
            organizations: status("organizations"),
        }
    }

    pub fn all(self) -> u64 {
        self.statuses + self.holdings + self.events + self.organizations
    }
}
