//! The one list of reasons: of conditions, of Events and of metrics.

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// Why something is as it is, in the `CamelCase` that the API conventions ask for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[cfg_attr(test, derive(strum::VariantArray))]
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
    /// An organization was created, or its spec was changed.
    Created,
    Updated,
}

impl Reason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn every_reason_is_explained_to_operators() {
        let page = include_str!("../../docs/troubleshooting.md");
        for reason in Reason::VARIANTS {
            assert!(page.contains(&format!("`{reason}`")), "{reason}");
        }
    }
}
