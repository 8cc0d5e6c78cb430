//! What a decision is, and what a check brings to it.

use jiff::Timestamp;

use crate::api::organization_domain::{DnsProvider, LastCheck, OrganizationDomainStatus};
use crate::api::reason::Reason;
use crate::api::verified_domain::VerifiedDomainSpec;
use crate::model::agreement::Weight;
use crate::model::challenge::Token;
use crate::model::verdict::Verdict;

/// A check that was made: its verdict and what the status says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub weight: Weight,
    /// The token that was checked; a verdict about another one says nothing.
    pub token: Token,
    /// The same evidence judged for the holder, where another holds the name by DNS.
    pub holder: Option<JudgedHolder>,
    pub dns_provider: Option<DnsProvider>,
    pub report: LastCheck,
}

/// How the holder stands, by evidence that was gathered for somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedHolder {
    pub verdict: Verdict,
    pub weight: Weight,
    /// When a check of its own last found its record.
    pub last_proven: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub status: OrganizationDomainStatus,
    pub holding: HoldingAction,
    /// Whether the holder should be checked at once: its record is missing.
    pub check_holder: bool,
    /// When the next check is due; none while no check makes sense.
    pub next_check: Option<Timestamp>,
    /// When to decide again without any event.
    pub wake: Option<Timestamp>,
}

/// What happens to the `VerifiedDomain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldingAction {
    Keep,
    /// Create it before the status says so.
    Take(VerifiedDomainSpec),
    /// Replace our own, or that of our earlier uid, before the status says so.
    Rewrite(VerifiedDomainSpec),
    /// Replace that of the holder, after a live read of it, before the status says so.
    HandOver(VerifiedDomainSpec),
    /// Delete it after the status says so.
    Release,
    /// Delete the one of an earlier object of this name, after a live read, and decide again.
    ReleasePredecessor,
}

/// An Event to publish. Equal `fact`s are one Event, whoever publishes them however often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub about: About,
    pub reason: Reason,
    pub warning: bool,
    pub message: String,
    pub fact: String,
}

/// Which object an Event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    OrganizationDomain,
    /// The holding of its name, where administrators look.
    VerifiedDomain,
    /// The organization domain of another organization that holds the nearest name above.
    HolderAbove,
}
