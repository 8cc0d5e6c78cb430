//! The life of an organization domain: what is written next, and when to look again.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::challenge::{Challenge, Token};
use super::facts::{Facts, Issued, whole_second};
use super::message::{self, Words};
use super::name::DomainName;
use super::schedule;
use super::settings::Settings;
use super::verdict::{MismatchKind, Verdict};
use crate::api::organization_domain::{LastCheck, OrganizationDomainStatus, RecordMissing, State};
use crate::api::reason::Reason;
use crate::api::verified_domain::Holder;

/// Everything a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    pub identity: Identity<'a>,
    pub generation: i64,
    /// The stated domain, as typed.
    pub domain: &'a str,
    pub organization: &'a str,
    pub organization_exists: bool,
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
    pub uid: &'a str,
}

/// Who holds the name, seen from one organization domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    Nobody,
    Us {
        since: Timestamp,
    },
    /// An object of our own namespace and name with another uid, so one that is gone.
    Predecessor,
    Another,
}

impl HeldBy {
    #[must_use]
    pub fn of(holder: &Holder, since: Timestamp, us: Identity<'_>) -> Self {
        if holder.uid == us.uid && holder.namespace == us.namespace {
            Self::Us { since }
        } else if holder.namespace == us.namespace && holder.name == us.name {
            Self::Predecessor
        } else {
            Self::Another
        }
    }
}

/// A check that was made: its verdict and what the status tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// The token that was looked for; a verdict about another one says nothing.
    pub token: Token,
    pub report: LastCheck,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub status: OrganizationDomainStatus,
    pub holding: Holding,
    pub notices: Vec<Notice>,
    /// When the next check is due; none while no check makes sense.
    pub next_check: Option<Timestamp>,
    /// When to decide again without any event.
    pub wake: Option<Timestamp>,
}

/// What happens to the `VerifiedDomain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    Keep,
    /// Create it before the status says so.
    Take(Holder),
    /// Delete it after the status says so.
    Release,
    /// Delete the one of an earlier object of this name, after a live look, and decide again.
    ReleasePredecessor,
}

/// An Event to publish. Equal `fact`s are one Event, whoever publishes them however often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub reason: Reason,
    pub warning: bool,
    pub message: String,
    pub fact: String,
}

/// The canonical name, or why there is none that is verified here.
pub fn accept(domain: &str, settings: &Settings) -> Result<DomainName, String> {
    settings.names.accept(domain, &settings.service)
}

/// What to look for now, or nothing: a check is due when its time has come, when somebody asked for
/// it, and when the obstacle to an earlier proof has gone.
#[must_use]
pub fn due(
    now: Timestamp,
    settings: &Settings,
    snapshot: &Snapshot<'_>,
    next_check: Option<Timestamp>,
) -> Option<Challenge> {
    if !snapshot.organization_exists {
        return None;
    }
    let name = accept(snapshot.domain, settings).ok()?;
    let facts = Facts::read(snapshot.status);
    let issued = facts.challenge.as_ref()?;
    let reached = |time: Option<Timestamp>| time.is_some_and(|time| time <= now);
    let ours = matches!(snapshot.held_by, HeldBy::Us { .. });
    let asked = is_new_request(snapshot, &facts) || reached(next_check);
    let due = match facts.state {
        State::Failed => false,
        // The holding was made and its status was not: nothing is left to ask.
        State::Pending if ours => false,
        State::Pending => {
            asked
                || reached(issued.expiry)
                || (facts.reason == Reason::HeldByAnother && snapshot.held_by == HeldBy::Nobody)
        }
        State::Verified => ours && asked,
    };
    due.then(|| Challenge {
        name,
        service: settings.service.clone(),
        token: issued.token.clone(),
    })
}

/// Decides. `next_check` is the time that the schedule set before; `fresh_token` is called where a
/// new challenge is issued.
pub fn decide(
    now: Timestamp,
    settings: &Settings,
    snapshot: &Snapshot<'_>,
    next_check: Option<Timestamp>,
    judgement: Option<&Judgement>,
    fresh_token: impl FnOnce() -> Token,
) -> Decision {
    let accepted = accept(snapshot.domain, settings);
    let words = Words {
        settings,
        name: accepted.as_ref().ok(),
        organization: snapshot.organization,
        refusal: accepted.as_ref().err().map(String::as_str),
    };
    let facts = Facts::read(snapshot.status);
    let mut step = Step {
        now: whole_second(now),
        settings,
        snapshot,
        words,
        asked: is_new_request(snapshot, &facts),
        holding: Holding::Keep,
        restarted: false,
        facts,
    };
    let before = step.facts.clone();
    step.run(judgement, fresh_token);
    step.conclude(&before, next_check, judgement)
}

fn is_new_request(snapshot: &Snapshot<'_>, facts: &Facts) -> bool {
    snapshot.requested.is_some_and(|asked| {
        !asked.is_empty() && facts.last_handled.as_deref() != Some(bounded(asked))
    })
}

/// The longest prefix of a request that the status can echo.
fn bounded(request: &str) -> &str {
    match request.char_indices().nth(256) {
        Some((end, _)) => &request[..end],
        None => request,
    }
}

/// One decision in the making.
struct Step<'a> {
    now: Timestamp,
    settings: &'a Settings,
    snapshot: &'a Snapshot<'a>,
    words: Words<'a>,
    asked: bool,
    facts: Facts,
    holding: Holding,
    /// Whether checks begin anew, at once.
    restarted: bool,
}

impl Step<'_> {
    fn run(&mut self, judgement: Option<&Judgement>, fresh_token: impl FnOnce() -> Token) {
        let ours = match self.snapshot.held_by {
            HeldBy::Us { since } => Some(since),
            _ => None,
        };
        let judgement = judgement.filter(|judgement| {
            self.facts
                .challenge
                .as_ref()
                .is_some_and(|issued| issued.token == judgement.token)
        });
        let Some(name) = self.words.name else {
            return self.refuse(ours.is_some());
        };
        if self.facts.reason == Reason::NameRefused {
            // The settings allow the name by now.
            self.facts = Facts::new(self.facts.last_handled.take());
        }
        if !self.snapshot.organization_exists {
            return self.pause(ours);
        }
        self.resume(ours);
        match ours {
            Some(_)
                if self.facts.state == State::Failed && self.facts.reason == Reason::RecordLost =>
            {
                // The loss was written and its release was not.
                self.holding = Holding::Release;
            }
            Some(since) => self.verified(since, judgement, fresh_token),
            None => self.unverified(name, judgement, fresh_token),
        }
    }

    /// A name that is refused. A holder keeps what it proved before the settings refused it.
    fn refuse(&mut self, ours: bool) {
        self.handle_request();
        if !ours {
            self.facts = Facts {
                state: State::Failed,
                reason: Reason::NameRefused,
                ..Facts::new(self.facts.last_handled.take())
            };
        }
    }

    /// Without its organization nothing is checked; a holding is given up after the grace.
    fn pause(&mut self, ours: Option<Timestamp>) {
        self.handle_request();
        let since = *self.facts.paused.get_or_insert(self.now);
        match (ours, self.facts.state) {
            (Some(_), State::Verified) if self.now >= schedule::add(since, self.settings.grace) => {
                self.become_pending(Reason::OrganizationMissing);
                self.holding = Holding::Release;
            }
            (Some(_), State::Pending) if self.facts.reason == Reason::OrganizationMissing => {
                self.holding = Holding::Release;
            }
            (Some(_), State::Verified) | (None, State::Pending) => {
                self.facts.reason = Reason::OrganizationMissing;
            }
            (None, State::Verified) => self.become_pending(Reason::OrganizationMissing),
            (Some(_), State::Pending | State::Failed) | (None, State::Failed) => {}
        }
    }

    /// The organization is there (again): the window goes on where it stood still.
    fn resume(&mut self, ours: Option<Timestamp>) {
        if let Some(since) = self.facts.paused.take() {
            let stood = self.now.duration_since(since);
            if let Some(expiry) = self
                .facts
                .challenge
                .as_mut()
                .and_then(|issued| issued.expiry.as_mut())
            {
                *expiry = schedule::add(*expiry, stood);
            }
        }
        if self.facts.reason == Reason::OrganizationMissing {
            self.facts.reason = if ours.is_some() {
                Reason::Verified
            } else {
                Reason::ChallengeIssued
            };
            self.restarted = true;
        }
    }

    fn unverified(
        &mut self,
        name: &DomainName,
        judgement: Option<&Judgement>,
        fresh_token: impl FnOnce() -> Token,
    ) {
        match self.facts.state {
            State::Failed if self.asked => self.issue(fresh_token()),
            State::Failed => {}
            // Never believed without a holding of one's own; the token may prove it again.
            State::Verified => self.become_pending(Reason::HoldingLost),
            State::Pending if self.facts.challenge.is_none() => self.issue(fresh_token()),
            State::Pending => {
                if let Some(judgement) = judgement {
                    self.judged_pending(name, judgement);
                }
                if self.snapshot.held_by == HeldBy::Predecessor {
                    self.holding = Holding::ReleasePredecessor;
                }
            }
        }
    }

    fn judged_pending(&mut self, name: &DomainName, judgement: &Judgement) {
        self.handle_request();
        self.facts.last_check = Some(judgement.report.clone());
        self.facts.reason = match judgement.verdict {
            Verdict::Proven => match self.snapshot.held_by {
                HeldBy::Nobody => return self.take(name),
                HeldBy::Us { .. } | HeldBy::Predecessor | HeldBy::Another => Reason::HeldByAnother,
            },
            Verdict::Absent => Reason::RecordAbsent,
            Verdict::Mismatch(MismatchKind::OtherValue) => Reason::RecordMismatch,
            Verdict::Mismatch(MismatchKind::Expired) => Reason::RecordExpired,
            Verdict::Inconclusive(_) | Verdict::Disagreement => Reason::CheckInconclusive,
        };
        let over = self
            .facts
            .challenge
            .as_ref()
            .is_some_and(|issued| issued.expiry.is_some_and(|expiry| expiry <= self.now));
        if over {
            let reason = match self.facts.reason {
                Reason::HeldByAnother => Reason::HeldByAnother,
                _ => Reason::WindowExpired,
            };
            self.fail(reason);
        }
    }

    fn take(&mut self, name: &DomainName) {
        let Some(issued) = &self.facts.challenge else {
            return;
        };
        let Identity {
            namespace,
            name: object,
            uid,
        } = self.snapshot.identity;
        tracing::debug!(%name, namespace, object, "proven and free");
        self.holding = Holding::Take(Holder {
            namespace: namespace.to_owned(),
            name: object.to_owned(),
            uid: uid.to_owned(),
            organization: self.snapshot.organization.to_owned(),
            token_hash: issued.token.hash(),
        });
        self.become_verified(self.now);
    }

    fn verified(
        &mut self,
        since: Timestamp,
        judgement: Option<&Judgement>,
        fresh_token: impl FnOnce() -> Token,
    ) {
        if self.facts.state != State::Verified {
            self.become_verified(since);
        }
        if self.facts.challenge.is_none() {
            // Somebody removed it from the status. The holding stands, the record must change.
            self.facts.challenge = Some(Issued {
                token: fresh_token(),
                time: self.now,
                expiry: None,
            });
        }
        if let Some(judgement) = judgement {
            self.judged_verified(judgement);
        }
        self.judge_age(since);
    }

    fn judged_verified(&mut self, judgement: &Judgement) {
        self.handle_request();
        self.facts.last_check = Some(judgement.report.clone());
        if judgement.verdict == Verdict::Proven {
            self.facts.record_missing = None;
            self.facts.last_proven = Some(self.now);
            self.facts.reason = Reason::Verified;
        } else if judgement.verdict.is_negative() {
            self.count_missing();
        }
    }

    /// A loss takes a definite negative in each third of the grace, so that no single outage or
    /// mistake costs a name.
    fn count_missing(&mut self) {
        let now = Time(self.now);
        let Some(missing) = &mut self.facts.record_missing else {
            self.facts.record_missing = Some(RecordMissing {
                since_time: now.clone(),
                definite_checks: 1,
                last_time: now,
            });
            return;
        };
        let third = |time: Timestamp| {
            let third = (self.settings.grace.as_secs() / 3).max(1);
            time.duration_since(missing.since_time.0).as_secs() / third
        };
        if missing.definite_checks < 3 && third(self.now) > third(missing.last_time.0) {
            missing.definite_checks += 1;
            missing.last_time = now;
        }
        if missing.definite_checks >= 3
            && self.now >= schedule::add(missing.since_time.0, self.settings.grace)
        {
            self.fail(Reason::RecordLost);
            self.holding = Holding::Release;
        }
    }

    fn judge_age(&mut self, since: Timestamp) {
        if self.facts.state != State::Verified || self.facts.record_missing.is_some() {
            return;
        }
        let proven = self.facts.last_proven.unwrap_or(since);
        if self.now > schedule::add(proven, self.settings.max_proof_age) {
            self.facts.reason = Reason::ProofStale;
        }
    }

    fn issue(&mut self, token: Token) {
        self.handle_request();
        self.facts = Facts {
            challenge: Some(Issued {
                token,
                time: self.now,
                expiry: Some(schedule::add(self.now, self.settings.window)),
            }),
            ..Facts::new(self.facts.last_handled.take())
        };
    }

    fn become_verified(&mut self, since: Timestamp) {
        let since = whole_second(since);
        self.facts.state = State::Verified;
        self.facts.reason = Reason::Verified;
        self.facts.verified = Some(since);
        self.facts.last_proven = Some(since);
        self.facts.record_missing = None;
        if let Some(issued) = &mut self.facts.challenge {
            issued.expiry = None;
        }
    }

    /// Back to waiting, with the same token and a window that opens now.
    fn become_pending(&mut self, reason: Reason) {
        self.facts.state = State::Pending;
        self.facts.reason = reason;
        self.facts.verified = None;
        self.facts.last_proven = None;
        self.facts.record_missing = None;
        if let Some(issued) = &mut self.facts.challenge {
            issued.expiry = Some(schedule::add(self.now, self.settings.window));
        }
        self.restarted = true;
    }

    fn fail(&mut self, reason: Reason) {
        self.facts = Facts {
            state: State::Failed,
            reason,
            last_check: self.facts.last_check.take(),
            ..Facts::new(self.facts.last_handled.take())
        };
    }

    fn handle_request(&mut self) {
        if self.asked {
            self.facts.last_handled = self
                .snapshot
                .requested
                .map(|asked| bounded(asked).to_owned());
        }
    }

    fn conclude(
        mut self,
        before: &Facts,
        next_check: Option<Timestamp>,
        judgement: Option<&Judgement>,
    ) -> Decision {
        let next_check = self.next_check(before, next_check, judgement.is_some());
        let status = self.facts.write(
            &self.snapshot.status.conditions,
            self.snapshot.generation,
            self.now,
            &self.words,
        );
        let grace_end = self
            .facts
            .paused
            .filter(|_| self.facts.state == State::Verified)
            .map(|since| schedule::add(since, self.settings.grace));
        let window_end = self
            .facts
            .challenge
            .as_ref()
            .and_then(|issued| issued.expiry)
            .filter(|_| next_check.is_some());
        Decision {
            notices: self.notices(before),
            holding: self.holding,
            wake: [next_check, grace_end, window_end]
                .into_iter()
                .flatten()
                .min(),
            next_check,
            status,
        }
    }

    fn next_check(
        &mut self,
        before: &Facts,
        set: Option<Timestamp>,
        checked: bool,
    ) -> Option<Timestamp> {
        let waits = self.facts.challenge.is_some()
            && self.facts.state != State::Failed
            && self.facts.paused.is_none()
            && self.words.name.is_some();
        if !waits {
            self.facts.pace = None;
            return None;
        }
        let period = self.facts.period(self.now, self.settings);
        let same = self.facts.state == before.state && self.facts.challenge == before.challenge;
        let next = match set {
            _ if self.restarted => self.now,
            Some(set) if same && !checked => set,
            _ => schedule::tick_after(self.now, period, self.snapshot.identity.uid),
        };
        if checked || !same || self.facts.pace.is_none() {
            self.facts.set_pace(period, next);
            let written = period >= schedule::WRITTEN_FROM;
            if let Some(check) = self.facts.last_check.as_mut().filter(|_| checked) {
                check.time = written.then_some(Time(self.now));
            }
        }
        Some(next)
    }

    /// What a person should hear of, once for each time it becomes so.
    fn notices(&self, before: &Facts) -> Vec<Notice> {
        let (facts, text) = (&self.facts, message::of(&self.facts, &self.words));
        let token = |facts: &Facts| {
            facts
                .challenge
                .as_ref()
                .map_or_else(String::new, |issued| issued.token.to_string())
        };
        let mut notices = Vec::new();
        let mut notice = |reason, warning, message: &str, fact: String| {
            notices.push(Notice {
                reason,
                warning,
                message: message.to_owned(),
                fact,
            });
        };
        if facts.state == State::Pending && token(facts) != token(before) {
            notice(Reason::ChallengeIssued, false, &text, token(facts));
        } else if (facts.state, facts.reason) != (before.state, before.reason) {
            let moment = facts.paused.or(facts.verified).unwrap_or(self.now);
            match facts.reason {
                Reason::Verified if before.state != State::Verified => {
                    notice(Reason::Verified, false, &text, token(facts));
                }
                Reason::HeldByAnother
                | Reason::RecordMismatch
                | Reason::RecordExpired
                | Reason::WindowExpired
                | Reason::RecordLost => {
                    notice(facts.reason, true, &text, token(before));
                }
                Reason::NameRefused => notice(facts.reason, true, &text, String::new()),
                Reason::OrganizationMissing | Reason::HoldingLost | Reason::ProofStale => {
                    notice(facts.reason, true, &text, moment.to_string());
                }
                _ => {}
            }
        }
        if facts.state == State::Verified && before.state == State::Verified {
            match (&before.record_missing, &facts.record_missing) {
                (None, Some(missing)) => {
                    notice(
                        Reason::RecordAbsent,
                        true,
                        &text,
                        missing.since_time.0.to_string(),
                    );
                }
                (Some(missing), None) => {
                    notice(
                        Reason::RecordFound,
                        false,
                        &message::record_found(&self.words),
                        missing.since_time.0.to_string(),
                    );
                }
                _ => {}
            }
        }
        notices
    }
}
