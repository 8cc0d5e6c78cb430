//! A status as the facts it stands for. Reading trusts nothing: whatever a status says that the
//! operator could not have written is as if it were not there. Writing derives all the rest, so
//! that an edited text heals.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::challenge::{Challenge, FORMS, Token};
use super::message::{self, Words};
use super::name::DomainName;
use super::schedule::{self, WRITTEN_FROM};
use super::settings::Settings;
use crate::api::conditions::{
    self, ConditionStatus, READY, RECONCILING, RECORD_PRESENT, STALLED, VERIFIED, Wanted,
};
use crate::api::organization_domain::{
    ChallengeRecord, ChallengeStatus, CheckVerdict, LastCheck, OrganizationDomainStatus,
    RecordMissing, State, Strategy,
};
use crate::api::reason::Reason;

/// What is known of an organization domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub state: State,
    pub reason: Reason,
    pub challenge: Option<Issued>,
    pub last_check: Option<LastCheck>,
    pub pace: Option<Pace>,
    pub verified: Option<Timestamp>,
    pub last_proven: Option<Timestamp>,
    pub record_missing: Option<RecordMissing>,
    pub paused: Option<Timestamp>,
    pub last_handled: Option<String>,
}

/// A token and its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub token: Token,
    pub time: Timestamp,
    /// None once verified.
    pub expiry: Option<Timestamp>,
}

/// What the status says about the next check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Every(SignedDuration),
    At(Timestamp),
}

impl Facts {
    /// An object nobody has seen before.
    #[must_use]
    pub fn new(last_handled: Option<String>) -> Self {
        Self {
            state: State::Pending,
            reason: Reason::ChallengeIssued,
            challenge: None,
            last_check: None,
            pace: None,
            verified: None,
            last_proven: None,
            record_missing: None,
            paused: None,
            last_handled,
        }
    }

    #[must_use]
    pub fn read(status: &OrganizationDomainStatus) -> Self {
        let Some(state) = status.state else {
            return Self::new(status.last_handled_request.clone());
        };
        let reason = conditions::find(&status.conditions, READY)
            .and_then(|ready| ready.reason.parse().ok())
            .unwrap_or(match state {
                State::Pending => Reason::ChallengeIssued,
                State::Verified => Reason::Verified,
                State::Failed => Reason::WindowExpired,
            });
        Self {
            state,
            reason,
            challenge: status.challenge.as_ref().and_then(|challenge| {
                Some(Issued {
                    token: Token::parse(&challenge.token)?,
                    time: challenge.issued_time.0,
                    expiry: challenge.expiry_time.as_ref().map(|time| time.0),
                })
            }),
            last_check: status.last_check.clone(),
            pace: status
                .check_period_seconds
                .map(|seconds| Pace::Every(SignedDuration::from_secs(seconds)))
                .or(status.next_check_time.as_ref().map(|time| Pace::At(time.0))),
            verified: status.verified_time.as_ref().map(|time| time.0),
            last_proven: status.last_proven_time.as_ref().map(|time| time.0),
            record_missing: status.record_missing.clone(),
            paused: status.paused_time.as_ref().map(|time| time.0),
            last_handled: status.last_handled_request.clone(),
        }
    }

    /// How far apart checks are now.
    #[must_use]
    pub fn period(&self, now: Timestamp, settings: &Settings) -> SignedDuration {
        match (self.state, &self.record_missing) {
            (State::Verified, None) => settings.recheck_period,
            (State::Verified, Some(_)) => settings.grace_check_period,
            (State::Pending | State::Failed, _) => {
                // A window that stood still, or was opened again, is younger than its token.
                let opened = self
                    .challenge
                    .as_ref()
                    .and_then(|issued| issued.expiry)
                    .map_or(now, |expiry| schedule::add(expiry, -settings.window));
                settings.ladder.period(now.duration_since(opened))
            }
        }
    }

    /// Says in the status when the next check comes.
    pub fn set_pace(&mut self, period: SignedDuration, next: Timestamp) {
        self.pace = Some(if period < WRITTEN_FROM {
            Pace::Every(period)
        } else {
            Pace::At(whole_second(next))
        });
    }

    /// The status that stands for these facts.
    #[must_use]
    pub fn write(
        &self,
        before: &[Condition],
        generation: i64,
        now: Timestamp,
        words: &Words<'_>,
    ) -> OrganizationDomainStatus {
        let (check_period_seconds, next_check_time) = match self.pace {
            Some(Pace::Every(period)) => (Some(period.as_secs()), None),
            Some(Pace::At(time)) => (None, Some(Time(time))),
            None => (None, None),
        };
        OrganizationDomainStatus {
            observed_generation: Some(generation),
            canonical_name: words.name.map(ToString::to_string),
            unicode_name: words.name.and_then(DomainName::unicode_name),
            mixed_scripts: words.name.is_some_and(DomainName::mixes_scripts),
            state: Some(self.state),
            strategy: self.challenge.is_some().then_some(Strategy::Dns),
            challenge: self.write_challenge(words),
            last_check: self.last_check.clone(),
            check_period_seconds,
            next_check_time,
            verified_time: self.verified.map(Time),
            last_proven_time: self.last_proven.map(Time),
            record_missing: self.record_missing.clone(),
            paused_time: self.paused.map(Time),
            last_handled_request: self.last_handled.clone(),
            conditions: conditions::transition(before, self.conditions(words), generation, now),
        }
    }

    fn write_challenge(&self, words: &Words<'_>) -> Option<ChallengeStatus> {
        let issued = self.challenge.as_ref()?;
        let challenge = issued.challenge(words)?;
        Some(ChallengeStatus {
            token: issued.token.to_string(),
            records: FORMS
                .into_iter()
                .map(|form| ChallengeRecord {
                    name: challenge.owner(form),
                    record_type: "TXT".to_owned(),
                    value: challenge.value(form),
                })
                .collect(),
            issued_time: Time(issued.time),
            expiry_time: issued.expiry.map(Time),
        })
    }

    /// The condition matrix.
    fn conditions(&self, words: &Words<'_>) -> Vec<Wanted> {
        use ConditionStatus::{False, True, Unknown};
        let want = |kind, status, reason, message: &str| Wanted {
            kind,
            status,
            reason,
            message: message.to_owned(),
        };
        let text = message::of(self, words);
        let mut conditions = match self.state {
            State::Pending => vec![
                want(READY, False, self.reason, &text),
                want(VERIFIED, False, self.reason, &text),
                want(RECONCILING, True, self.reason, &text),
            ],
            State::Failed => vec![
                want(READY, False, self.reason, &text),
                want(VERIFIED, False, self.reason, &text),
                want(STALLED, True, self.reason, &text),
            ],
            State::Verified => {
                let (ready, verified) = match self.reason {
                    Reason::ProofStale => (False, (Unknown, Reason::ProofStale)),
                    Reason::OrganizationMissing => (False, (True, Reason::Verified)),
                    _ => (True, (True, Reason::Verified)),
                };
                vec![
                    want(READY, ready, self.reason, &text),
                    want(VERIFIED, verified.0, verified.1, &text),
                ]
            }
        };
        if self.state == State::Verified {
            if self.record_missing.is_some() {
                let reason = match self.last_check.as_ref().map(|check| check.verdict) {
                    Some(CheckVerdict::Mismatch) => Reason::RecordMismatch,
                    _ => Reason::RecordAbsent,
                };
                conditions.push(want(RECORD_PRESENT, False, reason, &text));
            } else if self.reason != Reason::ProofStale {
                conditions.push(want(
                    RECORD_PRESENT,
                    True,
                    Reason::RecordFound,
                    &message::record_found(words),
                ));
            }
        }
        conditions
    }
}

impl Issued {
    /// The challenge that this token makes for the object's name.
    #[must_use]
    pub fn challenge(&self, words: &Words<'_>) -> Option<Challenge> {
        Some(Challenge {
            name: words.name?.clone(),
            service: words.settings.service.clone(),
            token: self.token.clone(),
        })
    }
}

/// Statuses carry whole seconds; a finer time would differ from itself after a read.
#[must_use]
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
