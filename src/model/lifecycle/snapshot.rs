//! What a decision is made from.

use jiff::Timestamp;

use crate::api::organization_domain::{OrganizationDomainStatus, Strategy};
use crate::api::reason::Reason;
use crate::api::verified_domain::VerifiedDomainSpec;
use crate::model::challenge::Token;
use crate::model::uid::Uid;

/// Everything a decision is made from.
// Each is a fact of its own; together they make no state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    pub identity: Identity<'a>,
    pub generation: i64,
    /// The stated domain, as typed.
    pub domain: &'a str,
    pub organization_exists: bool,
    /// An object with a deletionTimestamp counts as deleted, whatever finalizers it has.
    pub deleting: bool,
    /// Whether the namespace is suspended: nothing in it becomes Verified.
    pub suspended: bool,
    /// Whether the namespace has more pending domains than are checked.
    pub over_quota: bool,
    /// Until when a `DomainApproval` stands for this object and name.
    pub approved_until: Option<Timestamp>,
    /// The annotation [`crate::api::REQUESTED_AT`].
    pub requested: Option<&'a str>,
    pub status: &'a OrganizationDomainStatus,
    pub held_by: HeldBy,
}

/// Which object it is; one made again under the same name is another.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a Uid,
    pub organization: &'a str,
}

impl Identity<'_> {
    /// What a challenge is issued for, as its status says it.
    #[must_use]
    pub fn issued_for(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.name, self.organization)
    }
}

/// Who holds the name, seen from one organization domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    Nobody,
    Us {
        since: Timestamp,
        strategy: Strategy,
        /// Whether the status has the very token that was proved.
        token_known: bool,
    },
    /// We under an earlier uid: a back-up was restored, whose status carries the very token.
    Restored {
        since: Timestamp,
        strategy: Strategy,
    },
    /// An object of our own namespace and name with another uid, so one that is gone.
    Predecessor,
    Another {
        /// Held by approval, which yields to no proof.
        manual: bool,
        /// Whether it was handed over from us.
        from_us: bool,
    },
}

impl HeldBy {
    /// How the name is held, if we hold it.
    #[must_use]
    pub fn our_strategy(self) -> Option<Strategy> {
        match self {
            Self::Us { strategy, .. } => Some(strategy),
            _ => None,
        }
    }

    #[must_use]
    pub fn of(
        spec: &VerifiedDomainSpec,
        since: Timestamp,
        us: Identity<'_>,
        token: Option<&Token>,
    ) -> Self {
        let holder = &spec.holder;
        let strategy = spec.strategy;
        if holder.namespace != us.namespace || holder.name != us.name {
            return Self::Another {
                manual: strategy == Strategy::Manual,
                from_us: spec
                    .handed_over_from
                    .as_deref()
                    .is_some_and(|from| *us.uid == *from),
            };
        }
        let token_known = token.is_some_and(|token| token.hash() == holder.token_hash);
        if *us.uid == *holder.uid {
            Self::Us {
                since,
                strategy,
                token_known,
            }
        } else if token_known && holder.organization == us.organization {
            Self::Restored { since, strategy }
        } else {
            Self::Predecessor
        }
    }
}

/// Why nothing is checked for now, and a pending domain's window stands still.
#[must_use]
pub fn pause(snapshot: &Snapshot<'_>) -> Option<Reason> {
    let ours = matches!(snapshot.held_by, HeldBy::Us { .. });
    let pauses = [
        (snapshot.deleting, Reason::Deleting),
        (!snapshot.organization_exists, Reason::OrganizationMissing),
        (!ours && snapshot.suspended, Reason::NamespaceSuspended),
        (!ours && snapshot.over_quota, Reason::QuotaExceeded),
    ];
    let pause = pauses.into_iter().find(|(is_so, _)| *is_so);
    pause.map(|(_, reason)| reason)
}

/// The longest prefix of a request that the status can echo.
#[must_use]
pub fn bounded(request: &str) -> &str {
    match request.char_indices().nth(256) {
        Some((end, _)) => &request[..end],
        None => request,
    }
}
