//! Whether an approval is in force, and what its author should know where it is not.

use jiff::Timestamp;

use crate::api::conditions::{ConditionStatus, READY, RECONCILING, STALLED, Wanted};
use crate::api::organization_domain::{State, Strategy};
use crate::api::reason::Reason;

/// What an approval is judged from.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The approved domain in canonical form; none where it is no domain name.
    pub canonical: Option<&'a str>,
    pub expiry: Option<Timestamp>,
    /// The organization domain that it names, if there is one.
    pub target: Option<Target<'a>>,
}

/// An organization domain, as far as an approval looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub canonical: Option<&'a str>,
    pub state: Option<State>,
    pub strategy: Option<Strategy>,
    /// The reason of its condition Ready.
    pub reason: Option<Reason>,
}

/// The conditions of an approval.
#[must_use]
pub fn conditions(now: Timestamp, seen: &Seen<'_>) -> Vec<Wanted> {
    let (reason, message) = judge(now, seen);
    let want = |kind, status| Wanted {
        kind,
        status,
        reason,
        message: message.to_owned(),
    };
    match reason {
        Reason::Approved => vec![want(READY, ConditionStatus::True)],
        // Only another approval, or another organization domain, can help.
        Reason::ApprovalExpired | Reason::DomainDiffers | Reason::NameRefused => {
            vec![
                want(READY, ConditionStatus::False),
                want(STALLED, ConditionStatus::True),
            ]
        }
        _ => vec![
            want(READY, ConditionStatus::False),
            want(RECONCILING, ConditionStatus::True),
        ],
    }
}

fn judge(now: Timestamp, seen: &Seen<'_>) -> (Reason, &'static str) {
    if seen.expiry.is_some_and(|expiry| expiry <= now) {
        return (
            Reason::ApprovalExpired,
            "The approval has expired. Create another one if it should go on.",
        );
    }
    let Some(target) = seen.target else {
        return (
            Reason::TargetMissing,
            "The organization domain that is named does not exist in this namespace; create it.",
        );
    };
    if target.canonical.is_none() || target.canonical != seen.canonical {
        return (
            Reason::DomainDiffers,
            "The organization domain that is named states another domain. Name the right one in a new approval.",
        );
    }
    match (target.state, target.strategy, target.reason) {
        (Some(State::Verified), Some(Strategy::Manual), _) => {
            (Reason::Approved, "The domain is verified by this approval.")
        }
        (_, _, Some(Reason::NameRefused)) => (
            Reason::NameRefused,
            "The name is refused here, which no approval overrides; see the organization domain.",
        ),
        (_, _, Some(Reason::HeldByAnother)) => (
            Reason::HeldByAnother,
            "Another organization holds the domain. The approval takes effect once it is given up.",
        ),
        (_, _, Some(reason @ (Reason::OrganizationMissing | Reason::NamespaceSuspended))) => (
            reason,
            "The organization domain is not worked on; see its conditions for what to do.",
        ),
        _ => (Reason::Reconciled, "The approval is about to take effect."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_obstacle_has_its_reason() {
        let now = Timestamp::from_second(1000).unwrap();
        let target = Target {
            canonical: Some("acme.com"),
            state: Some(State::Verified),
            strategy: Some(Strategy::Manual),
            reason: Some(Reason::Approved),
        };
        let seen = Seen {
            canonical: Some("acme.com"),
            expiry: None,
            target: Some(target),
        };
        let pending = |reason| Target {
            state: Some(State::Pending),
            strategy: Some(Strategy::Dns),
            reason: Some(reason),
            ..target
        };
        for (seen, reason, stalled) in [
            (seen, Reason::Approved, false),
            (
                Seen {
                    expiry: Some(now),
                    ..seen
                },
                Reason::ApprovalExpired,
                true,
            ),
            (
                Seen {
                    target: None,
                    ..seen
                },
                Reason::TargetMissing,
                false,
            ),
            (
                Seen {
                    canonical: Some("acme.org"),
                    ..seen
                },
                Reason::DomainDiffers,
                true,
            ),
            (
                Seen {
                    canonical: None,
                    ..seen
                },
                Reason::DomainDiffers,
                true,
            ),
            (
                Seen {
                    target: Some(pending(Reason::NameRefused)),
                    ..seen
                },
                Reason::NameRefused,
                true,
            ),
            (
                Seen {
                    target: Some(pending(Reason::HeldByAnother)),
                    ..seen
                },
                Reason::HeldByAnother,
                false,
            ),
            (
                Seen {
                    target: Some(pending(Reason::NamespaceSuspended)),
                    ..seen
                },
                Reason::NamespaceSuspended,
                false,
            ),
            (
                Seen {
                    target: Some(pending(Reason::RecordAbsent)),
                    ..seen
                },
                Reason::Reconciled,
                false,
            ),
        ] {
            let conditions = conditions(now, &seen);
            assert_eq!(conditions[0].reason, reason);
            let ready = reason == Reason::Approved;
            assert_eq!(conditions[0].status == ConditionStatus::True, ready);
            assert_eq!(
                conditions.iter().any(|c| c.kind == STALLED),
                stalled,
                "{reason}"
            );
        }
    }
}
