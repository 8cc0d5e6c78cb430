//! The life of an organization domain, with the clock as an argument.

mod attacks;
mod clock;
mod held_by_another;
mod internal;
mod matrix;
mod notices;
mod overdue;
mod properties;
mod repeats;
mod requests;
mod simulation;
mod transitions;
mod world;

use jiff::SignedDuration;

use super::*;
use crate::api::conditions;
use crate::api::history::HistoryEntry;
use crate::api::organization_domain::{
    CheckVerdict, CountedChecks, DnsProvider, LastCheck, OrganizationDomainStatus,
};
use crate::api::verified_domain::VerifiedDomainSpec;
use crate::model::agreement::Weight;
use crate::model::challenge::TOKEN_OCTETS;
use crate::model::evidence::Failure;
use crate::model::schedule;
use crate::model::uid::Uid;
use crate::model::verdict::{MismatchKind, Verdict};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const INCONCLUSIVE: Verdict = Verdict::Inconclusive(Failure::ServFail);
const MISMATCH: Verdict = Verdict::Mismatch(MismatchKind::OtherValue);
const EXPIRED: Verdict = Verdict::Mismatch(MismatchKind::Expired);
const VERDICTS: [Verdict; 6] = [
    Verdict::Proven,
    Verdict::Absent,
    MISMATCH,
    EXPIRED,
    INCONCLUSIVE,
    Verdict::Disagreement,
];

fn start() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn days(days: i64) -> SignedDuration {
    hours(24 * days)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn token(number: u8) -> Token {
    Token::from_random([number; TOKEN_OCTETS])
}

fn report(verdict: Verdict) -> LastCheck {
    LastCheck {
        time: None,
        verdict: match verdict {
            Verdict::Proven => CheckVerdict::Proven,
            Verdict::Absent => CheckVerdict::Absent,
            Verdict::Mismatch(_) => CheckVerdict::Mismatch,
            Verdict::Inconclusive(_) | Verdict::Disagreement => CheckVerdict::Inconclusive,
        },
        dnssec: None,
        hint: None,
        servers: Vec::new(),
        observed_values: Vec::new(),
    }
}

/// Held by this object, whose status has the token.
fn us(since: Timestamp) -> HeldBy {
    HeldBy::Us {
        since,
        strategy: Strategy::Dns,
        token_known: true,
    }
}

/// Held by another object, by DNS.
const ANOTHER: HeldBy = HeldBy::Another {
    manual: false,
    from_us: false,
};

/// One organization domain and what surrounds it.
// As in the snapshot.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Debug)]
struct Subject {
    settings: Settings,
    now: Timestamp,
    generation: i64,
    domain: String,
    uid: Uid,
    organization: String,
    organization_exists: bool,
    deleting: bool,
    suspended: bool,
    over_quota: bool,
    approved_until: Option<Timestamp>,
    requested: Option<String>,
    status: OrganizationDomainStatus,
    held_by: HeldBy,
    next_check: Option<Timestamp>,
    /// How many tokens were issued.
    tokens: u8,
}

impl Subject {
    /// Nobody has seen it before.
    fn new() -> Self {
        Self {
            settings: Settings::default(),
            now: start(),
            generation: 3,
            domain: "acme.com".into(),
            uid: "uid-1".into(),
            organization: "acme".into(),
            organization_exists: true,
            deleting: false,
            suspended: false,
            over_quota: false,
            approved_until: None,
            requested: None,
            status: OrganizationDomainStatus::default(),
            held_by: HeldBy::Nobody,
            next_check: None,
            tokens: 0,
        }
    }

    /// Its challenge is issued.
    fn pending() -> Self {
        let mut subject = Self::new();
        subject.step(None);
        subject
    }

    /// Proven an hour after the start.
    fn verified() -> Self {
        let mut subject = Self::pending();
        subject.after(hours(1)).step(Some(Verdict::Proven));
        subject
    }

    /// Verified, and its record missing since a day later.
    fn in_grace() -> Self {
        let mut subject = Self::verified();
        subject.after(days(1)).step(Some(Verdict::Absent));
        subject
    }

    /// Verified, its record not looked up for longer than a proof holds.
    fn stale() -> Self {
        let mut subject = Self::verified();
        subject
            .after(days(30) + seconds(1))
            .step(Some(INCONCLUSIVE));
        subject
    }

    /// The window went by.
    fn failed() -> Self {
        let mut subject = Self::pending();
        subject.after(days(30)).step(Some(Verdict::Absent));
        subject
    }

    /// The record stayed away for the grace.
    fn lost() -> Self {
        let mut subject = Self::in_grace();
        for _ in 0..3 {
            subject.after(hours(56)).step(Some(Verdict::Absent));
        }
        subject
    }

    fn refused() -> Self {
        let mut subject = Self::new();
        subject.domain = "gmail.com".into();
        subject.step(None);
        subject
    }

    fn paused(mut self) -> Self {
        self.organization_exists = false;
        self.step(None);
        self
    }

    fn after(&mut self, time: SignedDuration) -> &mut Self {
        self.now = schedule::add(self.now, time);
        self
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            identity: Identity {
                namespace: "tenant",
                name: "acme-com",
                uid: &self.uid,
                organization: &self.organization,
            },
            generation: self.generation,
            domain: &self.domain,
            organization_exists: self.organization_exists,
            deleting: self.deleting,
            suspended: self.suspended,
            over_quota: self.over_quota,
            approved_until: self.approved_until,
            requested: self.requested.as_deref(),
            status: &self.status,
            held_by: self.held_by,
        }
    }

    fn due(&self) -> Option<Challenge> {
        due(self.now, &self.settings, &self.snapshot(), self.next_check)
    }

    fn judgement(&self, verdict: Verdict) -> Judgement {
        Judgement {
            verdict,
            weight: Weight::Complete,
            holder: None,
            dns_provider: None,
            token: self.token().unwrap_or_else(|| token(0)),
            report: report(verdict),
        }
    }

    fn decide(&self, verdict: Option<Verdict>) -> Decided {
        self.decide_on(verdict.map(|verdict| self.judgement(verdict)).as_ref())
    }

    fn decide_on(&self, judgement: Option<&Judgement>) -> Decided {
        let decision = decide(
            self.now,
            &self.settings,
            &self.snapshot(),
            self.next_check,
            judgement,
            || token(self.tokens + 1),
        );
        let before = latest(&self.status);
        let history = decision.status.history.iter();
        let news = history.filter(|entry| entry.sequence > before).cloned();
        Decided {
            news: news.collect(),
            decision,
        }
    }

    /// Decides and does it.
    fn step(&mut self, verdict: Option<Verdict>) -> Decided {
        let decided = self.decide(verdict);
        self.apply(&decided);
        decided
    }

    /// The Events of these transitions, published now.
    fn notices(&self, entries: &[HistoryEntry]) -> Vec<Notice> {
        let of = |entry| super::notices::of(self.now, &self.settings, &self.snapshot(), entry);
        entries.iter().flat_map(of).collect()
    }

    fn apply(&mut self, decision: &Decision) {
        let before = self.token();
        self.status = decision.status.clone();
        self.next_check = decision.next_check;
        if self.token().is_some_and(|token| Some(token) != before) {
            self.tokens += 1;
        }
        self.held_by = match decision.holding {
            HoldingAction::Keep => self.held_by,
            HoldingAction::Take(ref spec)
            | HoldingAction::Rewrite(ref spec)
            | HoldingAction::HandOver(ref spec) => HeldBy::Us {
                since: self.now,
                strategy: spec.strategy,
                token_known: true,
            },
            HoldingAction::Release | HoldingAction::ReleasePredecessor => HeldBy::Nobody,
        };
    }

    fn state(&self) -> State {
        self.status.state.unwrap()
    }

    fn reason(&self) -> Reason {
        reason(&self.status)
    }

    fn token(&self) -> Option<Token> {
        Token::parse(&self.status.challenge.as_ref()?.token)
    }

    fn expiry(&self) -> Option<Timestamp> {
        Some(self.status.challenge.as_ref()?.expiry_time.as_ref()?.0)
    }

    /// The condition's value, `-` where there is none.
    fn condition(&self, kind: &str) -> &str {
        condition(&self.status, kind)
    }
}

fn condition<'a>(status: &'a OrganizationDomainStatus, kind: &str) -> &'a str {
    conditions::find(&status.conditions, kind).map_or("-", |condition| &condition.status)
}

/// The summary's reason.
fn reason(status: &OrganizationDomainStatus) -> Reason {
    conditions::find(&status.conditions, conditions::READY)
        .unwrap()
        .reason
        .parse()
        .unwrap()
}

fn message(status: &OrganizationDomainStatus) -> &str {
    &conditions::find(&status.conditions, conditions::READY)
        .unwrap()
        .message
}

fn latest(status: &OrganizationDomainStatus) -> i64 {
    status.history.last().map_or(0, |entry| entry.sequence)
}

/// A decision, and the transitions that it adds to the history.
#[derive(Debug)]
struct Decided {
    decision: Decision,
    news: Vec<HistoryEntry>,
}

impl std::ops::Deref for Decided {
    type Target = Decision;

    fn deref(&self) -> &Decision {
        &self.decision
    }
}

fn reasons(decided: &Decided) -> Vec<Reason> {
    let reasons = decided.news.iter();
    reasons.map(|entry| entry.reason.parse().unwrap()).collect()
}
