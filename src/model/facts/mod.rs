//! A status as the facts it stands for. Reading trusts nothing: whatever a status says that the
//! operator could not have written is as if it were not there. Writing derives all the rest, so
//! that an edited text heals.

mod write;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::challenge::Token;
use super::schedule::{self, WRITTEN_FROM};
use super::service::ServiceName;
use super::settings::Settings;
use crate::api::conditions::{self, READY};
use crate::api::organization_domain::{
    ChallengeRecord, ChallengeStatus, CheckVerdict, CountedChecks, DnsProvider, LastCheck,
    OrganizationDomainStatus, State, Strategy, UnconfirmedVerdict,
};
use crate::api::reason::Reason;

/// What is known of an organization domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub state: State,
    /// How it is verified, or will be.
    pub strategy: Strategy,
    pub reason: Reason,
    pub challenge: Option<Issued>,
    pub dns_provider: Option<DnsProvider>,
    pub last_check: Option<LastCheck>,
    pub pace: Option<Pace>,
    pub verified: Option<Timestamp>,
    pub last_proven: Option<Timestamp>,
    pub record_missing: Option<CountedChecks>,
    pub hand_over: Option<CountedChecks>,
    pub unconfirmed: Option<UnconfirmedVerdict>,
    pub paused: Option<Timestamp>,
    pub last_handled: Option<String>,
}

/// A token and its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub token: Token,
    /// The word in its records, which later settings do not change: somebody has published them.
    pub service: Option<ServiceName>,
    /// The object and organization that it was issued for.
    pub issued_for: String,
    pub time: Timestamp,
    /// When the window opened: with the token, later where it stood still or opened anew. None once
    /// verified.
    pub opened: Option<Timestamp>,
}

/// What the status says about the next check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Every(SignedDuration),
    At(Timestamp),
}

impl Pace {
    /// What a status says of a check that comes a period later.
    #[must_use]
    pub fn of(period: SignedDuration, next: Timestamp) -> Self {
        if period < WRITTEN_FROM {
            Self::Every(period)
        } else {
            Self::At(whole_second(next))
        }
    }
}

impl Facts {
    /// An object nobody has seen before.
    #[must_use]
    pub fn new(last_handled: Option<String>) -> Self {
        Self {
            state: State::Pending,
            strategy: Strategy::Dns,
            reason: Reason::ChallengeIssued,
            challenge: None,
            dns_provider: None,
            last_check: None,
            pace: None,
            verified: None,
            last_proven: None,
            record_missing: None,
            hand_over: None,
            unconfirmed: None,
            paused: None,
            last_handled,
        }
    }

    /// Reads a status. A time that is still to come is no fact; what was proved, and what was
    /// counted, by a clock that was ahead counts as of now.
    #[must_use]
    pub fn read(status: &OrganizationDomainStatus, now: Timestamp) -> Self {
        let whole = |time: &Option<Time>| time.as_ref().map(|time| whole_second(time.0));
        let past = |time: &Option<Time>| whole(time).filter(|&time| time <= now);
        let counted = |counted: &Option<CountedChecks>| {
            let sound = counted
                .clone()
                .filter(|c| (1..=3).contains(&c.definite_checks) && c.since_time <= c.last_time)?;
            if sound.last_time.0 <= now {
                return Some(sound);
            }
            let now = Time(whole_second(now));
            Some(CountedChecks {
                since_time: now.clone(),
                definite_checks: 1,
                last_time: now,
            })
        };
        let unconfirmed = status.unconfirmed.clone().filter(|u| {
            (1..=3).contains(&u.checks) && u.since_time <= u.last_time && u.last_time.0 <= now
        });
        let state = status.state.unwrap_or(State::Pending);
        let new = Self::new(status.last_handled_request.clone());
        let read = Self {
            state,
            reason: read_reason(state, &status.conditions, status.last_check.is_some()),
            dns_provider: status.dns_provider.clone(),
            last_check: status.last_check.clone(),
            ..new
        };
        let challenge = status.challenge.as_ref().and_then(|challenge| {
            let time = whole_second(challenge.issued_time.0.min(now));
            let opened = past(&challenge.window_start_time).unwrap_or(time);
            Some(Issued {
                token: Token::parse(&challenge.token)?,
                service: issued_service(challenge),
                issued_for: challenge.issued_for.clone(),
                time,
                opened: (state == State::Pending).then_some(opened),
            })
        });
        let pace = status
            .check_period_seconds
            .map(|seconds| Pace::Every(SignedDuration::from_secs(seconds)))
            .or_else(|| whole(&status.next_check_time).map(Pace::At));
        let paused = past(&status.paused_time);
        match state {
            State::Pending => Self {
                challenge,
                pace,
                paused,
                hand_over: counted(&status.hand_over),
                unconfirmed,
                ..read
            },
            State::Verified => Self {
                strategy: status.strategy.unwrap_or(Strategy::Dns),
                challenge,
                pace,
                paused,
                verified: past(&status.verified_time),
                last_proven: whole(&status.last_proven_time)
                    .map(|time| time.min(whole_second(now))),
                record_missing: counted(&status.record_missing),
                unconfirmed,
                ..read
            },
            State::Failed => Self {
                challenge: challenge.filter(|_| read.reason == Reason::NameRefused),
                ..read
            },
        }
    }

    /// Until when a pending domain waits for the record.
    #[must_use]
    pub fn window_end(&self, settings: &Settings) -> Option<Timestamp> {
        self.challenge.as_ref()?.expiry(settings)
    }

    /// How far apart checks are now.
    #[must_use]
    pub fn period(&self, now: Timestamp, settings: &Settings) -> SignedDuration {
        match (self.state, &self.record_missing) {
            (State::Verified, None) => settings.recheck_period,
            (State::Verified, Some(_)) => settings.grace_check_period,
            (State::Pending | State::Failed, _) => {
                let opened = self.challenge.as_ref().and_then(|issued| issued.opened);
                let age = now.duration_since(opened.unwrap_or(now));
                settings.ladder.period(age)
            }
        }
    }

    /// In which way the record of a verified domain is missing.
    #[must_use]
    pub fn missing_reason(&self) -> Reason {
        match self.last_check.as_ref().map(|check| check.verdict) {
            Some(CheckVerdict::Mismatch) => Reason::RecordMismatch,
            _ => Reason::RecordAbsent,
        }
    }
}

/// The word that a challenge was issued with, as its records have it.
#[must_use]
pub fn issued_service(challenge: &ChallengeStatus) -> Option<ServiceName> {
    let of_record = |record: &ChallengeRecord| {
        let (word, _) = record.name.strip_prefix('_')?.split_once("-challenge.")?;
        word.parse().ok()
    };
    challenge.records.iter().find_map(of_record)
}

impl Issued {
    /// Until when a pending domain waits for the record.
    #[must_use]
    pub fn expiry(&self, settings: &Settings) -> Option<Timestamp> {
        Some(schedule::add(self.opened?, settings.window))
    }
}

/// The summary's reason, as far as it is one of the state's own.
fn read_reason(state: State, conditions: &[Condition], checked: bool) -> Reason {
    use Reason as R;
    let is_own = |&reason: &Reason| match (state, reason) {
        (State::Pending, R::HeldByAnother | R::HoldingLost | R::ApprovalEnded)
        | (State::Verified, R::Approved | R::ProofStale | R::OrganizationMissing | R::Deleting)
        | (State::Failed, R::NameRefused | R::HeldByAnother | R::RecordLost | R::HandedOver) => {
            true
        }
        (State::Pending, reason) => is_pause(reason) || checked && is_of_a_check(reason),
        (State::Verified | State::Failed, _) => false,
    };
    conditions::find(conditions, READY)
        .and_then(|ready| ready.reason.parse().ok())
        .filter(is_own)
        .unwrap_or(match state {
            State::Pending => R::ChallengeIssued,
            State::Verified => R::Verified,
            State::Failed => R::WindowExpired,
        })
}

/// Whether only a check can have said so.
fn is_of_a_check(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::RecordAbsent
            | Reason::RecordMismatch
            | Reason::RecordExpired
            | Reason::CheckInconclusive
            | Reason::EvidenceIncomplete
    )
}

/// Whether nothing is checked for this reason.
#[must_use]
pub fn is_pause(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::OrganizationMissing
            | Reason::NamespaceSuspended
            | Reason::QuotaExceeded
            | Reason::Deleting
    )
}

/// Statuses carry whole seconds; a finer time would differ from itself after a read.
#[must_use]
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
