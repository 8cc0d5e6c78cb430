//! An organization domain as the store keeps it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::core::ObjectMeta;

use super::version::version;
use crate::api::REQUESTED_AT;
use crate::api::conditions::{self, ConditionStatus, READY, VERIFIED};
use crate::api::organization_domain::{
    CheckVerdict, OrganizationDomain, OrganizationDomainStatus, State, Strategy,
};
use crate::api::reason::Reason;
use crate::cluster::decode::Decoded;
use crate::cluster::intern::intern;
use crate::cluster::key::Key;
use crate::model::approval::Candidate;
use crate::model::challenge::Token;
use crate::model::lifecycle::{self, HeldBy, Identity, Settled, Snapshot};
use crate::model::name::DomainName;
use crate::model::settings::Settings;
use crate::model::uid::Uid;

/// What is kept of an organization domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    pub key: Key,
    pub uid: Uid,
    pub version: u64,
    pub generation: i64,
    pub created: Timestamp,
    /// An object with a deletionTimestamp counts as deleted, whatever finalizers it has.
    pub deleting: bool,
    /// The stated domain, as typed.
    pub stated: Arc<str>,
    pub canonical: Option<Arc<str>>,
    pub organization: Key,
    pub requested: Option<Box<str>>,
    pub status: StatusView,
}

/// What the store keeps of a status: of a settled domain, which nearly all are, only a few fields.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusView {
    Whole(Box<OrganizationDomainStatus>),
    Settled(Settled),
}

impl Domain {
    #[must_use]
    pub fn project(object: OrganizationDomain) -> Self {
        let organization = &object.spec.organization_ref.name;
        let status = object.status.unwrap_or_default();
        Self::of(&object.metadata, &object.spec.domain, organization, status)
    }

    /// As `project`. Of an object that cannot be read, what it stated when it could, which never changes,
    /// stands in place of what cannot be read: what is owed to others goes on without the rest.
    #[must_use]
    pub fn project_with(
        object: Decoded<OrganizationDomain>,
        stated: &str,
        organization: &str,
    ) -> Self {
        let invalid = match object.0 {
            Ok(object) => return Self::project(object),
            Err(invalid) => invalid,
        };
        let domain = invalid.text(&["spec", "domain"]);
        let reference = invalid.text(&["spec", "organizationRef", "name"]);
        Self::of(
            &invalid.metadata,
            domain.as_deref().unwrap_or(stated),
            reference.as_deref().unwrap_or(organization),
            invalid.status(),
        )
    }

    fn of(
        metadata: &ObjectMeta,
        stated: &str,
        organization: &str,
        status: OrganizationDomainStatus,
    ) -> Self {
        let key = Key::of_metadata(metadata).interned();
        let organization = Key::new(key.namespace(), organization).interned();
        let annotations = metadata.annotations.as_ref();
        let requested = annotations.and_then(|annotations| annotations.get(REQUESTED_AT));
        Self {
            key,
            version: version(metadata),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            created: metadata
                .creation_timestamp
                .as_ref()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: metadata.deletion_timestamp.is_some(),
            canonical: DomainName::parse(stated)
                .ok()
                .map(|name| intern(name.as_str())),
            stated: intern(stated),
            organization,
            requested: requested.map(|text| lifecycle::bounded(text).into()),
            status: StatusView::Whole(Box::new(status)),
        }
    }

    /// Whether it states this canonical name.
    #[must_use]
    pub fn states(&self, canonical: &str) -> bool {
        self.canonical.as_deref() == Some(canonical)
    }

    /// What an approval must be given for to approve this one.
    #[must_use]
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            organization: self.organization.name(),
            canonical: self.canonical.as_deref(),
            uid: &self.uid,
        }
    }

    /// With no more of its status than the store needs.
    #[must_use]
    pub fn lean(mut self, now: Timestamp, settings: &Settings) -> Self {
        if let Some(status) = self.whole()
            && !self.deleting
            && let Some(settled) = Settled::of(now, settings, &self.snapshot(status))
        {
            self.status = StatusView::Settled(settled);
        }
        self
    }

    /// What a decision is made from, as far as the object itself says it.
    #[must_use]
    pub fn snapshot<'a>(&'a self, status: &'a OrganizationDomainStatus) -> Snapshot<'a> {
        Snapshot {
            identity: self.identity(),
            generation: self.generation,
            domain: &self.stated,
            organization_exists: true,
            deleting: self.deleting,
            suspended: false,
            over_quota: false,
            approved_until: None,
            requested: self.requested.as_deref(),
            status,
            held_by: HeldBy::Nobody,
        }
    }

    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: self.key.namespace(),
            name: self.key.name(),
            uid: &self.uid,
            organization: self.organization.name(),
        }
    }

    /// The status; none where only a few fields of it are kept.
    #[must_use]
    pub fn whole(&self) -> Option<&OrganizationDomainStatus> {
        match &self.status {
            StatusView::Whole(status) => Some(status),
            StatusView::Settled(_) => None,
        }
    }

    /// The token of its challenge, if it is one.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match &self.status {
            StatusView::Whole(status) => Token::parse(&status.challenge.as_ref()?.token),
            StatusView::Settled(settled) => Some(settled.token.clone()),
        }
    }

    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.whole()
            .map_or(Some(State::Verified), |status| status.state)
    }

    /// How it is verified, or will be.
    #[must_use]
    pub fn strategy(&self) -> Option<Strategy> {
        self.whole()
            .map_or(Some(Strategy::Dns), |status| status.strategy)
    }

    /// The summary's reason.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let Some(status) = self.whole() else {
            return Some(Reason::Verified);
        };
        let ready = conditions::find(&status.conditions, READY)?;
        ready.reason.parse().ok()
    }

    /// Whether it takes part in a hand-over as the contender.
    #[must_use]
    pub fn is_taking_over(&self) -> bool {
        self.whole()
            .is_some_and(|status| status.hand_over.is_some())
    }

    /// Whether no decision was made of it yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.state().is_none()
    }

    /// Whether servers of its zone answered a check before.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        self.whole().is_none_or(|status| {
            let check = status.last_check.as_ref();
            status.last_proven_time.is_some()
                || check.is_some_and(|check| check.verdict != CheckVerdict::Inconclusive)
        })
    }

    /// Whether anything new may rely on it.
    #[must_use]
    pub fn is_relied_on(&self) -> bool {
        let is_verified = self.whole().is_none_or(|status| {
            status.state == Some(State::Verified)
                && conditions::find(&status.conditions, VERIFIED)
                    .is_some_and(|verified| verified.status == ConditionStatus::True.as_str())
        });
        is_verified && !self.deleting
    }

    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.deleting && matches!(self.state(), None | Some(State::Pending))
    }

    #[must_use]
    pub fn waits_for_quota(&self) -> bool {
        self.reason() == Some(Reason::QuotaExceeded)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::Strategy;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::decode::{Extent, decode};

    fn decoded(object: &serde_json::Value) -> Decoded<OrganizationDomain> {
        let text = object.to_string();
        decode(serde_json::from_str(&text).unwrap(), Extent::Needed)
    }

    #[test]
    fn of_a_large_object_little_is_kept() {
        let object = json!({
            "metadata": {
                "name": "main",
                "namespace": "acme",
                "annotations": { REQUESTED_AT: "ü".repeat(125_000), "other": "x".repeat(5_000) },
            },
            "spec": { "organizationRef": { "name": "acme" }, "domain": "acme.example" },
        });
        let domain = Domain::project(decoded(&object).0.unwrap());
        assert_eq!(domain.requested.as_deref(), Some(&*"ü".repeat(256)));
    }

    #[test]
    fn what_an_object_stated_stands_where_it_cannot_be_read_any_more() {
        let token = "a".repeat(32);
        let object = json!({
            "metadata": {
                "name": "main",
                "namespace": "acme",
                "uid": "1",
                "resourceVersion": "7",
                "deletionTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": { "organizationRef": ["acme"], "domain": { "name": "x" } },
            "status": {
                "state": "Verified",
                "challenge": {
                    "token": token,
                    "issuedTime": "2026-01-01T00:00:00Z",
                    "issuedFor": "1",
                    "records": [],
                },
            },
        });
        let domain = Domain::project_with(decoded(&object), "Acme.example", "acme");
        assert_eq!(domain.canonical.as_deref(), Some("acme.example"));
        assert_eq!(domain.organization, Key::new("acme", "acme"));
        assert_eq!((&domain.uid, domain.version), (&"1".into(), 7));
        assert!(domain.deleting);
        assert_eq!(domain.state(), Some(State::Verified));
        assert_eq!(domain.token(), Token::parse(&token));
        assert!(domain.token().is_some());
        // What it states otherwise by now is not passed over.
        let mut other = object;
        other["spec"]["domain"] = "other.example".into();
        let domain = Domain::project_with(decoded(&other), "acme.example", "acme");
        assert_eq!(domain.canonical.as_deref(), Some("other.example"));
    }

    /// In place of a text.
    fn odd() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            Just(json!(7)),
            Just(json!([7])),
            Just(json!({ "other": "x" })),
        ]
    }

    proptest! {
        #[test]
        fn an_object_that_cannot_be_read_any_more_is_what_it_was(
            requested in prop_oneof!["[a-z]{0,9}", "[a\u{e4}\u{1f600}]{250,260}"],
            (deleting, generation, version) in (any::<bool>(), 1_i64..9, 1_u64..99),
            state in prop::sample::select(vec!["Pending", "Verified", "Failed", "Other"]),
            token in "[a-z2-7]{31,32}",
            handled in ".{0,9}",
            field in prop::sample::select(vec!["/spec", "/spec/domain", "/spec/organizationRef", "/spec/organizationRef/name"]),
            odd in odd(),
        ) {
            let mut object = json!({
                "metadata": {
                    "name": "main",
                    "namespace": "acme",
                    "uid": "1",
                    "generation": generation,
                    "resourceVersion": version.to_string(),
                    "annotations": { REQUESTED_AT: requested },
                },
                "spec": { "organizationRef": { "name": "acme" }, "domain": "Acme.example" },
                "status": {
                    "state": state,
                    "challenge": {
                        "token": token,
                        "issuedTime": "2026-01-01T00:00:00Z",
                        "issuedFor": "acme/main/acme",
                        "records": [],
                    },
                    "lastHandledRequest": handled,
                },
            });
            if deleting {
                object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            }
            let before = Domain::project(decoded(&object).0.unwrap());
            let kept = before.requested.as_deref().unwrap();
            prop_assert!(requested.starts_with(kept));
            prop_assert_eq!(kept.chars().count(), requested.chars().count().min(256));
            prop_assert_eq!(before.token(), Token::parse(&token));
            // With what it stated, whatever that is of one that can be read.
            let again = Domain::project_with(decoded(&object), "other.example", "other");
            prop_assert_eq!(&again, &before);
            *object.pointer_mut(field).unwrap() = odd;
            let invalid = decoded(&object);
            prop_assert!(invalid.0.is_err());
            let after = Domain::project_with(invalid, &before.stated, before.organization.name());
            prop_assert_eq!(after, before);
        }
    }
}
