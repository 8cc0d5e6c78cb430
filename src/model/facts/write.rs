//! The status that stands for facts.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Facts, Issued, Pace};
use crate::api::conditions::{
    self, ConditionStatus, READY, RECONCILING, RECORD_PRESENT, STALLED, VERIFIED, Wanted,
};
use crate::api::organization_domain::{
    ChallengeRecord, ChallengeStatus, OrganizationDomainStatus, State, Strategy,
};
use crate::api::reason::Reason;
use crate::model::challenge::{Challenge, FORMS};
use crate::model::message::{self, MessageContext};
use crate::model::name::DomainName;
use crate::model::report;

impl Facts {
    #[must_use]
    pub fn write(
        &self,
        before: &[Condition],
        generation: i64,
        now: Timestamp,
        context: &MessageContext<'_>,
    ) -> OrganizationDomainStatus {
        let (check_period_seconds, next_check_time) = match self.pace {
            Some(Pace::Every(period)) => (Some(period.as_secs()), None),
            Some(Pace::At(time)) => (None, Some(Time(time))),
            None => (None, None),
        };
        // Whatever an earlier version of us or somebody else wrote there.
        let internal = context.is_internal();
        OrganizationDomainStatus {
            observed_generation: Some(generation),
            canonical_name: context.name.map(ToString::to_string),
            unicode_name: context.name.and_then(DomainName::unicode_name),
            mixed_scripts: context.name.is_some_and(DomainName::mixes_scripts),
            state: Some(self.state),
            strategy: self.challenge.is_some().then_some(self.strategy),
            challenge: self.write_challenge(context),
            dns_provider: self.dns_provider.clone().filter(|_| !internal),
            last_check: match &self.last_check {
                Some(check) if internal => {
                    Some(report::verdict_alone(check.verdict, check.time.clone()))
                }
                check => check.clone(),
            },
            check_period_seconds,
            next_check_time,
            verified_time: self.verified.map(Time),
            last_proven_time: self.last_proven.map(Time),
            record_missing: self.record_missing.clone(),
            hand_over: self.hand_over.clone(),
            unconfirmed: self.unconfirmed.clone(),
            paused_time: self.paused.map(Time),
            last_handled_request: self.last_handled.clone(),
            // They are no facts of the state; whoever decides writes them.
            history: Vec::new(),
            published_sequence: None,
            conditions: conditions::transition(before, self.conditions(context), generation, now),
        }
    }

    fn write_challenge(&self, context: &MessageContext<'_>) -> Option<ChallengeStatus> {
        let issued = self.challenge.as_ref()?;
        let record = |challenge: &Challenge, form| ChallengeRecord {
            name: challenge.owner(form),
            record_type: "TXT".to_owned(),
            value: challenge.value(form),
        };
        // The token outlasts a refusal of the name, which may be taken back.
        let records = issued
            .challenge(context)
            .map(|challenge| FORMS.map(|form| record(&challenge, form)).to_vec())
            .unwrap_or_default();
        Some(ChallengeStatus {
            token: issued.token.to_string(),
            records,
            issued_for: issued.issued_for.clone(),
            issued_time: Time(issued.time),
            window_start_time: issued.opened.map(Time),
            expiry_time: issued.expiry(context.settings).map(Time),
        })
    }

    /// The condition matrix.
    fn conditions(&self, context: &MessageContext<'_>) -> Vec<Wanted> {
        use ConditionStatus::{False, True, Unknown};
        let want = |kind, status, reason, message: &str| Wanted {
            kind,
            status,
            reason,
            message: message.to_owned(),
        };
        // The summary says what to do next, once.
        let ready = message::of(self, context);
        let text = message::verified(self);
        let mut conditions = match self.state {
            State::Pending => vec![
                want(READY, False, self.reason, &ready),
                want(VERIFIED, False, self.reason, text),
                want(RECONCILING, True, self.reason, message::reconciling(self)),
            ],
            State::Failed => vec![
                want(READY, False, self.reason, &ready),
                want(VERIFIED, False, self.reason, text),
                want(STALLED, True, self.reason, message::STALLED),
            ],
            State::Verified => {
                let (is_ready, verified) = match self.reason {
                    Reason::ProofStale => (False, (Unknown, Reason::ProofStale)),
                    Reason::OrganizationMissing => (False, (True, Reason::Verified)),
                    Reason::Approved => (True, (True, Reason::Approved)),
                    _ => (True, (True, Reason::Verified)),
                };
                vec![
                    want(READY, is_ready, self.reason, &ready),
                    want(VERIFIED, verified.0, verified.1, text),
                ]
            }
        };
        if self.state == State::Verified && self.strategy == Strategy::Dns {
            let present = |status, reason, text| want(RECORD_PRESENT, status, reason, text);
            if self.record_missing.is_some() {
                conditions.push(present(
                    False,
                    self.missing_reason(),
                    message::RECORD_MISSING,
                ));
            } else if self.reason != Reason::ProofStale {
                conditions.push(present(True, Reason::RecordFound, message::RECORD_FOUND));
            }
        }
        conditions
    }
}

impl Issued {
    /// The challenge that this token makes for the object's name.
    #[must_use]
    pub fn challenge(&self, context: &MessageContext<'_>) -> Option<Challenge> {
        Some(Challenge {
            name: context.name?.clone(),
            service: self
                .service
                .clone()
                .unwrap_or_else(|| context.settings.service.clone()),
            token: self.token.clone(),
        })
    }
}
