//! Whether an approval is in force, and what its author should know where it is not.

use jiff::Timestamp;
use strum::IntoStaticStr;

use crate::api::conditions::{ConditionStatus, READY, RECONCILING, STALLED, Wanted};
use crate::api::organization_domain::{State, Strategy};
use crate::api::reason::Reason;
use crate::api::spec_time::SpecTime;
use crate::model::uid::Uid;

/// What an approval is given for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// None where the approval says none, as before it was required.
    pub organization: Option<&'a str>,
    /// The domain in canonical form; none where it is no domain name.
    pub canonical: Option<&'a str>,
    /// None where any object of the name will do.
    pub uid: Option<&'a Uid>,
}

/// An organization domain, as far as an approval is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub organization: &'a str,
    pub canonical: Option<&'a str>,
    pub uid: &'a Uid,
}

/// In what an approval and the organization domain that it names differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum Difference {
    #[strum(
        to_string = "The approval names no organization, so it approves nothing. Add spec.organization, the name of the Organization."
    )]
    OrganizationNotGiven,
    #[strum(
        to_string = "The OrganizationDomain belongs to a different organization than the approval names. If that organization is right, create a new approval that names it."
    )]
    Organization,
    #[strum(
        to_string = "The OrganizationDomain states a different domain than the approval names. Create a new approval that names the right one."
    )]
    Domain,
    #[strum(
        to_string = "The OrganizationDomain was created again and has a different uid than the approval names. If it is the right one, create a new approval with its uid."
    )]
    Uid,
}

impl Subject<'_> {
    /// The first difference; none where the approval is for this very organization domain.
    #[must_use]
    pub fn difference(&self, candidate: &Candidate<'_>) -> Option<Difference> {
        let Some(organization) = self.organization else {
            return Some(Difference::OrganizationNotGiven);
        };
        if organization != candidate.organization {
            Some(Difference::Organization)
        } else if self.canonical.is_none() || self.canonical != candidate.canonical {
            Some(Difference::Domain)
        } else if self.uid.is_some_and(|uid| uid != candidate.uid) {
            Some(Difference::Uid)
        } else {
            None
        }
    }
}

impl Difference {
    fn message(self) -> &'static str {
        self.into()
    }
}

/// When an approval ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Never,
    At(Timestamp),
    /// At a time that cannot be represented here. It counts as over.
    Unsupported,
}

impl Expiry {
    #[must_use]
    pub fn of(time: Option<&SpecTime>) -> Self {
        match time {
            None => Self::Never,
            Some(SpecTime::At(time)) => Self::At(*time),
            Some(SpecTime::Unsupported(_)) => Self::Unsupported,
        }
    }

    /// Until when the approval stands; none where that is over.
    #[must_use]
    pub fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => Some(Timestamp::MAX),
            Self::At(time) => Some(time).filter(|&time| time > now),
            Self::Unsupported => None,
        }
    }
}

/// What an approval is judged from.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub subject: Subject<'a>,
    pub expiry: Expiry,
    /// The organization domain that it names, if there is one.
    pub target: Option<Target<'a>>,
}

/// An organization domain, as far as an approval depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub candidate: Candidate<'a>,
    pub state: Option<State>,
    pub strategy: Option<Strategy>,
    /// The reason of its condition Ready.
    pub reason: Option<Reason>,
}

#[must_use]
pub fn conditions(now: Timestamp, seen: &Seen<'_>) -> Vec<Wanted> {
    let (reason, message) = judge(now, seen);
    let want = |kind, status| Wanted {
        kind,
        status,
        reason,
        message: message.to_owned(),
    };
    let beside = match reason {
        Reason::Approved => return vec![want(READY, ConditionStatus::True)],
        // Only another approval, or another organization domain, can help.
        Reason::ApprovalExpired | Reason::DomainDiffers | Reason::NameRefused => STALLED,
        _ => RECONCILING,
    };
    let not_ready = want(READY, ConditionStatus::False);
    vec![not_ready, want(beside, ConditionStatus::True)]
}

fn judge(now: Timestamp, seen: &Seen<'_>) -> (Reason, &'static str) {
    if seen.expiry == Expiry::Unsupported {
        return (
            Reason::ApprovalExpired,
            "spec.expiryTime is not a supported time, so the approval is treated as expired. Set a time in the years 1970 to 9998, such as 2030-12-31T00:00:00Z, or remove it.",
        );
    }
    if seen.expiry.until(now).is_none() {
        return (
            Reason::ApprovalExpired,
            "The approval has expired. Create a new one to continue it.",
        );
    }
    let Some(target) = seen.target else {
        return (
            Reason::TargetMissing,
            "The OrganizationDomain that the approval names does not exist in this namespace. Create it, or create another approval with the right name.",
        );
    };
    if let Some(difference) = seen.subject.difference(&target.candidate) {
        return (Reason::DomainDiffers, difference.message());
    }
    match (target.state, target.strategy, target.reason) {
        (Some(State::Verified), Some(Strategy::Manual), _) => {
            (Reason::Approved, "The domain is verified by this approval.")
        }
        (_, _, Some(Reason::NameRefused)) => (
            Reason::NameRefused,
            "The domain is refused, and no approval overrides that. See the conditions of the OrganizationDomain.",
        ),
        (_, _, Some(Reason::HeldByAnother)) => (
            Reason::HeldByAnother,
            "Another OrganizationDomain holds the domain. The approval takes effect when that one no longer holds it.",
        ),
        (_, _, Some(reason @ (Reason::OrganizationMissing | Reason::NamespaceSuspended))) => (
            reason,
            "The OrganizationDomain is not processed now. See its conditions for what to do.",
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
        let uid = Uid::from("1");
        let target = Target {
            candidate: Candidate {
                organization: "acme",
                canonical: Some("acme.com"),
                uid: &uid,
            },
            state: Some(State::Verified),
            strategy: Some(Strategy::Manual),
            reason: Some(Reason::Approved),
        };
        let subject = Subject {
            organization: Some("acme"),
            canonical: Some("acme.com"),
            uid: Some(&uid),
        };
        let seen = Seen {
            subject,
            expiry: Expiry::Never,
            target: Some(target),
        };
        let pending = |reason| Target {
            state: Some(State::Pending),
            strategy: Some(Strategy::Dns),
            reason: Some(reason),
            ..target
        };
        let expires = |expiry| Seen { expiry, ..seen };
        let of = |reason| Seen {
            target: Some(pending(reason)),
            ..seen
        };
        let missing = Seen {
            target: None,
            ..seen
        };
        let other = Seen {
            subject: Subject {
                canonical: Some("acme.org"),
                ..subject
            },
            ..seen
        };
        for (seen, reason, stalled) in [
            (seen, Reason::Approved, false),
            (expires(Expiry::At(now)), Reason::ApprovalExpired, true),
            (expires(Expiry::Unsupported), Reason::ApprovalExpired, true),
            (missing, Reason::TargetMissing, false),
            (other, Reason::DomainDiffers, true),
            (of(Reason::NameRefused), Reason::NameRefused, true),
            (of(Reason::HeldByAnother), Reason::HeldByAnother, false),
            (
                of(Reason::NamespaceSuspended),
                Reason::NamespaceSuspended,
                false,
            ),
            (of(Reason::RecordAbsent), Reason::Reconciled, false),
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

    #[test]
    fn a_time_that_cannot_be_represented_counts_as_over() {
        let now = Timestamp::UNIX_EPOCH;
        let far = SpecTime::from("9999-12-31T23:59:59Z".to_owned());
        for (time, until) in [
            (None, Some(Timestamp::MAX)),
            (Some(&SpecTime::At(Timestamp::MAX)), Some(Timestamp::MAX)),
            (Some(&SpecTime::At(now)), None),
            (Some(&far), None),
        ] {
            assert_eq!(Expiry::of(time).until(now), until, "{time:?}");
        }
        let seen = Seen {
            subject: Subject::default(),
            expiry: Expiry::of(Some(&far)),
            target: None,
        };
        let said = &conditions(now, &seen)[0].message;
        assert!(said.contains("in the years 1970 to 9998"), "{said}");
    }

    #[test]
    fn what_differs_is_named() {
        let (uid, other) = (Uid::from("1"), Uid::from("2"));
        let acme = Candidate {
            organization: "acme",
            canonical: Some("acme.com"),
            uid: &uid,
        };
        let right = Subject {
            organization: Some("acme"),
            canonical: Some("acme.com"),
            uid: Some(&uid),
        };
        let any_object = Subject { uid: None, ..right };
        assert_eq!(right.difference(&acme), None);
        assert_eq!(any_object.difference(&acme), None);
        for (wrong, message) in [
            (
                Subject {
                    organization: None,
                    ..right
                },
                "Add spec.organization",
            ),
            (
                Subject {
                    organization: Some("evil"),
                    ..right
                },
                "a different organization",
            ),
            (
                Subject {
                    canonical: Some("acme.org"),
                    ..right
                },
                "a different domain",
            ),
            (
                Subject {
                    canonical: None,
                    ..right
                },
                "a different domain",
            ),
            (
                Subject {
                    uid: Some(&other),
                    ..right
                },
                "a different uid",
            ),
        ] {
            let difference = wrong.difference(&acme);
            let said = difference.unwrap().message();
            assert!(said.contains(message), "{said}");
        }
        // What is no domain name is not the same as another such text.
        let (nameless, unnamed) = (
            Candidate {
                canonical: None,
                ..acme
            },
            Subject {
                canonical: None,
                ..right
            },
        );
        assert_eq!(unnamed.difference(&nameless), Some(Difference::Domain));
    }
}
