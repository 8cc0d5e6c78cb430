//! The one list of reasons: of conditions, of Events and of metrics.

use std::fmt;
use std::str::FromStr;

/// Why something is as it is, in the `CamelCase` that the API conventions ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A challenge was issued and no check has found anything out yet.
    ChallengeIssued,
    RecordAbsent,
    RecordMismatch,
    RecordExpired,
    CheckInconclusive,
    HeldByAnother,
    OrganizationMissing,
    NamespaceSuspended,
    QuotaExceeded,
    /// The object is being deleted.
    Deleting,
    /// Some servers did not answer; the verdict acts once it is repeated.
    EvidenceIncomplete,
    HandedOver,
    HandOverStarted,
    HandOverCancelled,
    /// A proof met a holder by approval, to whom it does not yield.
    HeldByApproval,
    Approved,
    ApprovalEnded,
    ApprovalExpired,
    /// An approval names no organization domain.
    TargetMissing,
    /// An approval names another domain than its organization domain states.
    DomainDiffers,
    NameRefused,
    WindowExpired,
    RecordLost,
    ObjectUnreadable,
    /// An object has no room for its status.
    ObjectTooLarge,
    RecordFound,
    Verified,
    ProofStale,
    HoldingLost,
    SubdomainVerified,
    /// An organization's summary is up to date.
    Reconciled,
}

impl Reason {
    const ALL: [Self; 31] = [
        Self::NamespaceSuspended,
        Self::QuotaExceeded,
        Self::Deleting,
        Self::EvidenceIncomplete,
        Self::HandedOver,
        Self::HandOverStarted,
        Self::HandOverCancelled,
        Self::HeldByApproval,
        Self::Approved,
        Self::ApprovalEnded,
        Self::ApprovalExpired,
        Self::TargetMissing,
        Self::DomainDiffers,
        Self::ChallengeIssued,
        Self::RecordAbsent,
        Self::RecordMismatch,
        Self::RecordExpired,
        Self::CheckInconclusive,
        Self::HeldByAnother,
        Self::OrganizationMissing,
        Self::NameRefused,
        Self::WindowExpired,
        Self::RecordLost,
        Self::ObjectUnreadable,
        Self::ObjectTooLarge,
        Self::RecordFound,
        Self::Verified,
        Self::ProofStale,
        Self::HoldingLost,
        Self::SubdomainVerified,
        Self::Reconciled,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChallengeIssued => "ChallengeIssued",
            Self::RecordAbsent => "RecordAbsent",
            Self::RecordMismatch => "RecordMismatch",
            Self::RecordExpired => "RecordExpired",
            Self::CheckInconclusive => "CheckInconclusive",
            Self::HeldByAnother => "HeldByAnother",
            Self::OrganizationMissing => "OrganizationMissing",
            Self::NamespaceSuspended => "NamespaceSuspended",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::Deleting => "Deleting",
            Self::EvidenceIncomplete => "EvidenceIncomplete",
            Self::HandedOver => "HandedOver",
            Self::HandOverStarted => "HandOverStarted",
            Self::HandOverCancelled => "HandOverCancelled",
            Self::HeldByApproval => "HeldByApproval",
            Self::Approved => "Approved",
            Self::ApprovalEnded => "ApprovalEnded",
            Self::ApprovalExpired => "ApprovalExpired",
            Self::TargetMissing => "TargetMissing",
            Self::DomainDiffers => "DomainDiffers",
            Self::NameRefused => "NameRefused",
            Self::WindowExpired => "WindowExpired",
            Self::RecordLost => "RecordLost",
            Self::ObjectUnreadable => "ObjectUnreadable",
            Self::ObjectTooLarge => "ObjectTooLarge",
            Self::RecordFound => "RecordFound",
            Self::Verified => "Verified",
            Self::ProofStale => "ProofStale",
            Self::HoldingLost => "HoldingLost",
            Self::SubdomainVerified => "SubdomainVerified",
            Self::Reconciled => "Reconciled",
        }
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or(UnknownReason)
    }
}

/// A word that no version of this operator wrote, or that another version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownReason;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_to_operators() {
        let page = include_str!("../../docs/operations.md");
        for reason in Reason::ALL {
            assert!(page.contains(&format!("`{reason}`")), "{reason}");
        }
    }
}
