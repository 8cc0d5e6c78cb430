//! An organization domain as the store keeps it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Key, shared, version};
use crate::api::REQUESTED_AT;
use crate::api::conditions::{self, ConditionStatus, READY, VERIFIED};
use crate::api::organization_domain::{
    CheckVerdict, OrganizationDomain, OrganizationDomainStatus, State, Strategy,
};
use crate::api::reason::Reason;
use crate::model::challenge::Token;
use crate::model::lifecycle::{HeldBy, Identity, Rest, Snapshot};
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
    pub kept: Kept,
}

/// What is kept of a status: of the many at rest, as little as will do.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    Whole(Box<OrganizationDomainStatus>),
    AtRest(Rest),
}

impl Domain {
    #[must_use]
    pub fn project(object: OrganizationDomain) -> Self {
        let key = Key::of(&object).shared();
        let organization = Key::new(key.namespace(), &object.spec.organization_ref.name).shared();
        let version = version(&object);
        let requested = object
            .annotations()
            .get(REQUESTED_AT)
            .map(|text| text.as_str().into());
        let OrganizationDomain {
            metadata,
            spec,
            status,
        } = object;
        Self {
            key,
            version,
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            created: metadata
                .creation_timestamp
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: metadata.deletion_timestamp.is_some(),
            canonical: DomainName::parse(&spec.domain)
                .ok()
                .map(|name| shared(name.as_str())),
            stated: shared(&spec.domain),
            organization,
            requested,
            kept: Kept::Whole(Box::new(status.unwrap_or_default())),
        }
    }

    /// With no more of its status than must be kept.
    #[must_use]
    pub fn lean(mut self, now: Timestamp, settings: &Settings) -> Self {
        if let Kept::Whole(status) = &self.kept
            && !self.deleting
            && let Some(rest) = Rest::of(now, settings, &self.snapshot(status))
        {
            self.kept = Kept::AtRest(rest);
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

    /// The token of its challenge, if it is one.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match &self.kept {
            Kept::Whole(status) => Token::parse(&status.challenge.as_ref()?.token),
            Kept::AtRest(rest) => Some(rest.token.clone()),
        }
    }

    #[must_use]
    pub fn state(&self) -> Option<State> {
        match &self.kept {
            Kept::Whole(status) => status.state,
            Kept::AtRest(_) => Some(State::Verified),
        }
    }

    /// How it is verified, or will be.
    #[must_use]
    pub fn strategy(&self) -> Option<Strategy> {
        match &self.kept {
            Kept::Whole(status) => status.strategy,
            Kept::AtRest(_) => Some(Strategy::Dns),
        }
    }

    /// The summary's reason.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match &self.kept {
            Kept::Whole(status) => conditions::find(&status.conditions, READY)?
                .reason
                .parse()
                .ok(),
            Kept::AtRest(_) => Some(Reason::Verified),
        }
    }

    /// Whether it takes part in a hand-over as the contender.
    #[must_use]
    pub fn is_taking_over(&self) -> bool {
        matches!(&self.kept, Kept::Whole(status) if status.hand_over.is_some())
    }

    /// Whether no decision was made of it yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.state().is_none()
    }

    /// Whether servers of its zone answered a check before.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        match &self.kept {
            Kept::Whole(status) => {
                let check = status.last_check.as_ref();
                status.last_proven_time.is_some()
                    || check.is_some_and(|check| check.verdict != CheckVerdict::Inconclusive)
            }
            Kept::AtRest(_) => true,
        }
    }

    /// Whether anything new may rely on it.
    pub fn is_relied_on(&self) -> bool {
        let verified = match &self.kept {
            Kept::Whole(status) => {
                status.state == Some(State::Verified)
                    && conditions::find(&status.conditions, VERIFIED)
                        .is_some_and(|verified| verified.status == ConditionStatus::True.as_str())
            }
            Kept::AtRest(_) => true,
        };
        verified && !self.deleting
    }

    pub fn is_pending(&self) -> bool {
        !self.deleting && matches!(self.state(), None | Some(State::Pending))
    }

    pub fn waits_for_quota(&self) -> bool {
        self.reason() == Some(Reason::QuotaExceeded)
    }
}
