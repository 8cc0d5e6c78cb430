//! One decision in the making: each state's rows of the life table.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::counting;
use super::decision::{Decision, HoldingAction, Judgement};
use super::snapshot::{HeldBy, Snapshot, bounded, pause};
use crate::api::organization_domain::{
    CheckVerdict, LastCheck, OrganizationDomainStatus, State, Strategy,
};
use crate::api::reason::Reason;
use crate::api::verified_domain::{Holder, VerifiedDomainSpec};
use crate::model::agreement::Weight;
use crate::model::challenge::Token;
use crate::model::facts::{Facts, Issued, Pace, is_pause, whole_second};
use crate::model::history::History;
use crate::model::message::MessageContext;
use crate::model::schedule;
use crate::model::settings::Settings;
use crate::model::verdict::{MismatchKind, Verdict};

/// How long after its window a challenge waits for a check that says something.
const OUTAGE_ALLOWANCE: SignedDuration = SignedDuration::from_hours(24);

// Each is a fact of its own; together they make no state.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Transition<'a> {
    /// The time, and what a status says of it.
    pub clock: Timestamp,
    pub now: Timestamp,
    pub settings: &'a Settings,
    pub snapshot: &'a Snapshot<'a>,
    pub context: MessageContext<'a>,
    /// Whether a request waits for its answer.
    pub asked: bool,
    pub facts: Facts,
    pub holding: HoldingAction,
    pub check_holder: bool,
    /// Whether checks begin anew, at once.
    pub restarted: bool,
    /// Why the check of a verified domain is repeated before the next one is due.
    pub repeat: Option<Repeat>,
    /// Whether a check of this very token was made.
    pub checked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It decided nothing.
    Undecided,
    /// Its evidence was incomplete, and acts once it is repeated.
    Unconfirmed,
}

impl Transition<'_> {
    pub fn run(&mut self, judgement: Option<&Judgement>, fresh_token: impl FnOnce() -> Token) {
        let held_by = self.snapshot.held_by;
        let made = judgement;
        let judgement = self.select_judgement(made);
        if self.context.name.is_none() && !matches!(held_by, HeldBy::Us { .. }) {
            return self.refuse();
        }
        if self.facts.reason == Reason::NameRefused && !self.asked {
            self.accept_again();
        }
        let pause = pause(self.snapshot);
        match (pause, held_by) {
            // Bound again first: its duties follow the holding.
            (Some(reason), HeldBy::Restored { .. }) if reason != Reason::Deleting => {}
            (Some(reason), _) => return self.pause(reason, judgement),
            (None, _) => self.resume(),
        }
        match held_by {
            HeldBy::Us {
                since, strategy, ..
            } => {
                let approved = self.snapshot.approved_until.is_some();
                if strategy == Strategy::Dns && self.lost_and_not_released() && !approved {
                    self.holding = HoldingAction::Release;
                    return;
                }
                let mut judgement = judgement;
                // The status of a holder has lost the token that was proved, and no record shows it:
                // the holding stands under a new one, and the record must change.
                if self.facts.challenge.is_none() {
                    self.facts.challenge = Some(self.issued(fresh_token()));
                    self.holding = HoldingAction::Rewrite(self.holding_of(strategy));
                    // The check that did not find the old token asked for this one too.
                    judgement = self.select_judgement(made);
                }
                self.verified(since, strategy, judgement);
            }
            HeldBy::Restored { since, strategy } => {
                let proven = self.facts.last_proven;
                self.become_verified(since, strategy);
                // The back-up knows of later proofs, and the next one is not waited for.
                if strategy == Strategy::Dns {
                    self.facts.last_proven = self.facts.last_proven.max(proven);
                    self.restarted = true;
                }
                self.holding = HoldingAction::Rewrite(self.holding_of(strategy));
            }
            HeldBy::Nobody if self.snapshot.approved_until.is_some() => {
                if self.facts.challenge.is_none() {
                    self.facts.challenge = Some(self.issued(fresh_token()));
                }
                self.handle_request();
                self.become_verified(self.now, Strategy::Manual);
                self.holding = HoldingAction::Take(self.holding_of(Strategy::Manual));
            }
            HeldBy::Nobody | HeldBy::Predecessor | HeldBy::Another { .. } => {
                self.unverified(judgement, fresh_token);
            }
        }
    }

    /// A verdict about another token says nothing.
    fn select_judgement<'j>(&mut self, made: Option<&'j Judgement>) -> Option<&'j Judgement> {
        let issued = self.facts.challenge.as_ref();
        let selected = made.filter(|made| issued.is_some_and(|issued| issued.token == made.token));
        self.checked = selected.is_some();
        selected
    }

    /// The loss was written and its release was not.
    fn lost_and_not_released(&self) -> bool {
        self.facts.state == State::Failed && self.facts.reason == Reason::RecordLost
    }

    /// The token is kept: settings change back, and two operators may differ in theirs. Whoever
    /// asks meanwhile starts again, as anywhere in Failed.
    fn refuse(&mut self) {
        self.handle_request();
        let restart = self.asked && self.facts.state == State::Failed;
        self.set_window(None);
        self.facts = Facts {
            state: State::Failed,
            reason: Reason::NameRefused,
            challenge: self.facts.challenge.take().filter(|_| !restart),
            ..Facts::new(self.facts.last_handled.take())
        };
    }

    /// The settings allow the name by now: the same token, and a window that opens now.
    fn accept_again(&mut self) {
        self.set_window(Some(self.now));
        self.facts = Facts {
            challenge: self.facts.challenge.take(),
            ..Facts::new(self.facts.last_handled.take())
        };
    }

    /// Nothing is checked; the window stands still, and a hand-over begins anew. A holding without
    /// its organization is given up after the grace.
    fn pause(&mut self, reason: Reason, judgement: Option<&Judgement>) {
        if let HeldBy::Us {
            since, strategy, ..
        } = self.snapshot.held_by
        {
            return self.pause_holder(reason, since, strategy, judgement);
        }
        self.facts.hand_over = None;
        if self.facts.state == State::Failed && self.asked && reason != Reason::Deleting {
            // The restart; its challenge comes when the obstacle is gone.
            self.facts = Facts::new(None);
        }
        match self.facts.state {
            State::Failed => return,
            State::Verified => self.become_pending(reason),
            State::Pending => self.facts.reason = reason,
        }
        self.facts.paused.get_or_insert(self.now);
        self.handle_request();
    }

    /// Without its organization a holding is given up after the grace, and checked until then.
    fn pause_holder(
        &mut self,
        reason: Reason,
        since: Timestamp,
        strategy: Strategy,
        judgement: Option<&Judgement>,
    ) {
        if self.lost_and_not_released() {
            self.holding = HoldingAction::Release;
            return;
        }
        if reason == Reason::Deleting {
            // Released after a live read, by whoever looks for orphans.
            return;
        }
        self.handle_request();
        let paused = *self.facts.paused.get_or_insert(self.now);
        let over = self.now >= schedule::add(paused, self.settings.grace);
        let given_up = self.facts.state == State::Pending && self.facts.reason == reason;
        if over && given_up {
            self.holding = HoldingAction::Release;
            return;
        }
        if self.facts.state != State::Verified {
            self.become_verified(since, strategy);
        }
        // What the status says of it was perhaps edited.
        self.facts.strategy = strategy;
        self.facts.verified.get_or_insert(whole_second(since));
        if let Some(judgement) = judgement.filter(|_| strategy == Strategy::Dns) {
            self.judged_verified(judgement);
        }
        if self.facts.state != State::Verified {
            return;
        }
        self.facts.reason = reason;
        if over {
            self.become_pending(reason);
            self.holding = HoldingAction::Release;
        } else if strategy == Strategy::Dns {
            self.judge_age(since);
        }
    }

    /// The window goes on where it stood still.
    fn resume(&mut self) {
        if let Some(since) = self.facts.paused.take() {
            let stood = self.now.duration_since(since);
            let issued = self.facts.challenge.as_mut();
            if let Some(opened) = issued.and_then(|issued| issued.opened.as_mut()) {
                *opened = schedule::add(*opened, stood).min(self.now);
            }
        }
        if is_pause(self.facts.reason) {
            self.facts.reason = match self.facts.state {
                State::Verified => Reason::Verified,
                State::Pending | State::Failed => Reason::ChallengeIssued,
            };
            self.restarted = true;
        }
    }

    fn unverified(&mut self, judgement: Option<&Judgement>, fresh_token: impl FnOnce() -> Token) {
        match (self.facts.state, self.snapshot.held_by) {
            (State::Failed, _) if self.asked => self.issue(fresh_token()),
            (State::Failed, _) => {}
            (State::Verified, HeldBy::Another { from_us: true, .. }) => {
                self.fail(Reason::HandedOver);
            }
            (State::Pending | State::Verified, _) if self.facts.challenge.is_none() => {
                self.issue(fresh_token());
            }
            // Never believed without a holding of one's own; the token may prove it again.
            (State::Verified, _) => self.become_pending(Reason::HoldingLost),
            (State::Pending, held_by) => {
                if let Some(judgement) = judgement {
                    self.judged_pending(judgement);
                }
                if self.snapshot.approved_until.is_some() && self.facts.state == State::Pending {
                    // An approval overrides no other holder.
                    self.facts.reason = Reason::HeldByAnother;
                }
                if held_by == HeldBy::Predecessor {
                    self.holding = HoldingAction::ReleasePredecessor;
                }
            }
        }
    }

    fn judged_pending(&mut self, judgement: &Judgement) {
        let before = (self.facts.reason, self.take_report(judgement));
        self.end_refuted_hand_over(judgement);
        let verdict = self.weigh(judgement);
        let passes_on = verdict == Some(Verdict::Proven) && self.passes_on(judgement);
        if verdict.is_some_and(Verdict::is_negative) {
            self.facts.hand_over = None;
        }
        self.facts.reason = match verdict {
            None => Reason::EvidenceIncomplete,
            Some(Verdict::Proven) if passes_on || self.snapshot.held_by == HeldBy::Nobody => {
                self.become_verified(self.now, Strategy::Dns);
                let action = if passes_on {
                    HoldingAction::HandOver
                } else {
                    HoldingAction::Take
                };
                self.holding = action(self.holding_of(Strategy::Dns));
                return;
            }
            Some(Verdict::Proven) => Reason::HeldByAnother,
            Some(Verdict::Absent) => Reason::RecordAbsent,
            Some(Verdict::Mismatch(MismatchKind::OtherValue)) => Reason::RecordMismatch,
            Some(Verdict::Mismatch(MismatchKind::Expired)) => Reason::RecordExpired,
            Some(Verdict::Inconclusive(_) | Verdict::Disagreement) => Reason::CheckInconclusive,
        };
        self.keep_report_of(before, judgement);
        self.end_window();
    }

    /// Writes down what was found, in place of the returned report of an earlier check.
    fn take_report(&mut self, judgement: &Judgement) -> Option<LastCheck> {
        self.handle_request();
        // A check that decides nothing may not have seen the zone.
        if !judgement.verdict.is_undecided() {
            self.facts.dns_provider.clone_from(&judgement.dns_provider);
        }
        self.facts.last_check.replace(judgement.report.clone())
    }

    /// Where checks are close together, answers that differ each time without saying anything else
    /// are not worth a write each time.
    fn keep_report_of(
        &mut self,
        (reason, report): (Reason, Option<LastCheck>),
        judgement: &Judgement,
    ) {
        let close = self.facts.period(self.now, self.settings) < schedule::WRITTEN_FROM;
        let Some(report) = report.filter(|_| close && reason == self.facts.reason && !self.asked)
        else {
            return;
        };
        if judgement.verdict.is_undecided() || !is_news(judgement, &report) {
            self.facts.last_check = Some(report);
        }
    }

    /// An outage at the end of the window costs nothing but a day.
    fn end_window(&mut self) {
        let Some(mut end) = self.facts.window_end(self.settings) else {
            return;
        };
        if let Reason::CheckInconclusive | Reason::EvidenceIncomplete = self.facts.reason {
            end = schedule::add(end, OUTAGE_ALLOWANCE);
        }
        let approved = self.snapshot.approved_until.is_some();
        if self.now >= end && self.facts.hand_over.is_none() && !approved {
            self.fail(match self.facts.reason {
                Reason::HeldByAnother => Reason::HeldByAnother,
                _ => Reason::WindowExpired,
            });
        }
    }

    /// Whether the name passes on: the same evidence, complete for both, proved us and denied the
    /// holder once in each third of the period.
    fn passes_on(&mut self, judgement: &Judgement) -> bool {
        if !matches!(self.snapshot.held_by, HeldBy::Another { manual: false, .. }) {
            self.facts.hand_over = None;
            return false;
        }
        let Some(holder) = judgement.holder else {
            return false;
        };
        let whole = (judgement.weight, holder.weight) == (Weight::Complete, Weight::Complete);
        if !holder.verdict.is_negative() || !whole {
            return false;
        }
        self.check_holder = self.facts.hand_over.is_none();
        let period = self.settings.hand_over_period;
        counting::count(&mut self.facts.hand_over, self.now, period)
    }

    /// A record of the holder that is back ends the count, whoever found it and whatever the check
    /// says of us.
    fn end_refuted_hand_over(&mut self, judgement: &Judgement) {
        let (Some(holder), Some(counted)) = (judgement.holder, &self.facts.hand_over) else {
            return;
        };
        let found_since = holder
            .last_proven
            .is_some_and(|time| time > counted.since_time.0);
        if holder.verdict == Verdict::Proven || found_since {
            self.facts.hand_over = None;
        }
    }

    /// What a check says once its weight is heeded: nothing while incomplete evidence waits to be
    /// repeated.
    fn weigh(&mut self, judgement: &Judgement) -> Option<Verdict> {
        let verdict = judgement.verdict;
        if verdict.is_undecided() {
            return Some(verdict);
        }
        if judgement.weight == Weight::Complete {
            self.facts.unconfirmed = None;
            return Some(verdict);
        }
        let unconfirmed = &mut self.facts.unconfirmed;
        let period = self.settings.confirmation_period;
        counting::confirm(unconfirmed, verdict.into(), self.now, period).then_some(verdict)
    }

    fn verified(&mut self, since: Timestamp, strategy: Strategy, judgement: Option<&Judgement>) {
        let approved = self.snapshot.approved_until.is_some();
        match (strategy, approved) {
            (Strategy::Manual, false) if self.facts.last_proven.is_some() => {
                // Proved before it was approved: the proof is checked again, at once.
                self.facts.strategy = Strategy::Dns;
                self.facts.reason = Reason::Verified;
                self.restarted = true;
                self.holding = HoldingAction::Rewrite(self.holding_of(Strategy::Dns));
            }
            (Strategy::Manual, false) => {
                self.become_pending(Reason::ApprovalEnded);
                self.holding = HoldingAction::Release;
                return;
            }
            (Strategy::Dns, true) => {
                let proven = self.facts.last_proven;
                self.become_verified(since, Strategy::Manual);
                self.facts.last_proven = proven;
                self.holding = HoldingAction::Rewrite(self.holding_of(Strategy::Manual));
            }
            (Strategy::Manual, true)
                if self.facts.state != State::Verified
                    || self.facts.strategy != Strategy::Manual =>
            {
                self.become_verified(since, Strategy::Manual);
            }
            (Strategy::Dns, false) if self.facts.state != State::Verified => {
                // What was handed over is as old as its first holder's proof.
                let passed_on = self.facts.hand_over.is_some();
                self.become_verified(if passed_on { self.now } else { since }, Strategy::Dns);
            }
            _ => {}
        }
        self.facts.verified.get_or_insert(whole_second(since));
        self.set_window(None);
        if approved {
            return self.handle_request();
        }
        self.facts.strategy = Strategy::Dns;
        if self.facts.reason == Reason::Approved {
            self.facts.reason = Reason::Verified;
        }
        if let Some(judgement) = judgement {
            self.judged_verified(judgement);
        }
        self.judge_age(since);
    }

    fn judged_verified(&mut self, judgement: &Judgement) {
        self.take_report(judgement);
        match self.weigh(judgement) {
            None => self.repeat = Some(Repeat::Unconfirmed),
            Some(Verdict::Proven) => {
                let was_missing = self.facts.record_missing.take().is_some();
                let is_news = self.asked
                    || was_missing
                    || self.facts.reason != Reason::Verified
                    || !self.is_recently_proven();
                if is_news {
                    self.facts.last_proven = Some(self.now);
                }
                self.facts.reason = Reason::Verified;
            }
            Some(verdict) if verdict.is_negative() => {
                let grace = self.settings.grace;
                let lost = counting::count(&mut self.facts.record_missing, self.now, grace);
                // A definite no is news, however old the last yes is.
                self.facts.reason = Reason::Verified;
                if lost {
                    self.fail(Reason::RecordLost);
                    self.holding = HoldingAction::Release;
                }
            }
            // While the record is missing, checks are close as it is.
            Some(_) => {
                let found = self.facts.record_missing.is_none();
                self.repeat = found.then_some(Repeat::Undecided);
            }
        }
    }

    /// A proof soon after another is not written.
    fn is_recently_proven(&self) -> bool {
        let soon = self.settings.proof_write_interval();
        let proven = self.facts.last_proven;
        proven.is_some_and(|proven| (proven..schedule::add(proven, soon)).contains(&self.now))
    }

    fn judge_age(&mut self, since: Timestamp) {
        if self.facts.state != State::Verified {
            return;
        }
        let proven = self.facts.last_proven.unwrap_or(since);
        if self.now > schedule::add(proven, self.settings.max_proof_age) {
            self.facts.reason = Reason::ProofStale;
        }
    }

    fn issued(&self, token: Token) -> Issued {
        Issued {
            token,
            service: Some(self.settings.service.clone()),
            issued_for: self.snapshot.identity.issued_for(),
            time: self.now,
            opened: Some(self.now),
        }
    }

    fn issue(&mut self, token: Token) {
        self.handle_request();
        self.facts = Facts {
            challenge: Some(self.issued(token)),
            ..Facts::new(self.facts.last_handled.take())
        };
    }

    /// When the window of the token opened; a token that is not waited for has none.
    fn set_window(&mut self, opened: Option<Timestamp>) {
        if let Some(issued) = &mut self.facts.challenge {
            issued.opened = opened;
        }
    }

    fn become_verified(&mut self, since: Timestamp, strategy: Strategy) {
        let since = whole_second(since);
        self.facts.state = State::Verified;
        self.facts.strategy = strategy;
        self.facts.reason = match strategy {
            Strategy::Dns => Reason::Verified,
            Strategy::Manual => Reason::Approved,
        };
        self.facts.verified = Some(since);
        self.facts.last_proven = (strategy == Strategy::Dns).then_some(since);
        self.facts.record_missing = None;
        self.facts.hand_over = None;
        self.facts.unconfirmed = None;
        if let Some(issued) = &mut self.facts.challenge {
            issued.opened = None;
            issued.issued_for = self.snapshot.identity.issued_for();
        }
    }

    /// Back to waiting, with the same token and a window that opens now.
    fn become_pending(&mut self, reason: Reason) {
        self.facts.state = State::Pending;
        self.facts.strategy = Strategy::Dns;
        self.facts.reason = reason;
        self.facts.verified = None;
        self.facts.last_proven = None;
        self.facts.record_missing = None;
        self.facts.unconfirmed = None;
        self.set_window(Some(self.now));
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
            let asked = self.snapshot.requested;
            self.facts.last_handled = asked.map(|asked| bounded(asked).to_owned());
        }
    }

    /// The holding that says that this object has the name.
    fn holding_of(&self, strategy: Strategy) -> VerifiedDomainSpec {
        let us = self.snapshot.identity;
        let issued = self.facts.challenge.as_ref();
        let token_hash = issued.map(|issued| issued.token.hash());
        VerifiedDomainSpec {
            holder: Holder {
                namespace: us.namespace.to_owned(),
                name: us.name.to_owned(),
                uid: us.uid.to_string(),
                organization: us.organization.to_owned(),
                token_hash: token_hash.unwrap_or_default(),
            },
            strategy,
            // Known to whoever replaces a holder's.
            handed_over_from: None,
            importing: false,
        }
    }

    pub fn conclude(mut self, before: &Facts, next_check: Option<Timestamp>) -> Decision {
        let next_check = self.next_check(before, next_check);
        let written = &self.snapshot.status;
        let mut history = History::read(&written.history);
        for reason in super::history::transitions(before, &self.facts, &history) {
            history.push(reason, self.now);
        }
        let (conditions, generation) = (&written.conditions, self.snapshot.generation);
        let facts = &self.facts;
        let status = OrganizationDomainStatus {
            history: history.write(),
            published_sequence: written.published_sequence,
            ..facts.write(conditions, generation, self.now, &self.context)
        };
        let paused = facts.paused.filter(|_| facts.state == State::Verified);
        let grace_end = paused.map(|since| schedule::add(since, self.settings.grace));
        let window_end = facts.window_end(self.settings);
        let window_end = window_end.filter(|&end| next_check.is_some() && end > self.clock);
        let approved = self.snapshot.approved_until;
        let approval_end = approved.filter(|&end| end < Timestamp::MAX);
        let times = [next_check, grace_end, window_end, approval_end];
        let wake = times.into_iter().flatten().min();
        Decision {
            check_holder: self.check_holder,
            holding: self.holding,
            wake,
            next_check,
            status,
        }
    }

    fn next_check(&mut self, before: &Facts, set: Option<Timestamp>) -> Option<Timestamp> {
        let checked = self.checked;
        let waits = self.facts.challenge.is_some()
            && self.facts.state != State::Failed
            && (self.facts.paused.is_none() || self.facts.state == State::Verified)
            && !super::stops_checks(self.snapshot)
            && self.context.name.is_some();
        let period = self.facts.period(self.now, self.settings);
        let same = self.facts.state == before.state && self.facts.challenge == before.challenge;
        let repeat = self.repeat_within(period);
        let repeat = repeat.filter(|_| waits && checked && same);
        if checked && repeat.is_some_and(|(next, _)| self.is_old_news(before, period, next)) {
            self.facts.last_check.clone_from(&before.last_check);
            return repeat.map(|(next, _)| next);
        }
        if let Some(check) = self.facts.last_check.as_mut().filter(|_| checked) {
            let written = !waits || period >= schedule::WRITTEN_FROM;
            check.time = written.then_some(Time(self.now));
        }
        if !waits {
            self.facts.pace = None;
            return None;
        }
        if let Some((next, pace)) = repeat {
            self.facts.pace = Some(pace);
            return Some(next);
        }
        let next = match set {
            _ if self.restarted => self.clock,
            Some(set) if same && !checked => set,
            _ => schedule::tick_after(self.clock, period, self.snapshot.identity.uid),
        };
        if checked || !same || self.facts.pace.is_none() {
            self.facts.pace = Some(Pace::of(period, next));
        }
        Some(next)
    }

    /// When the check is repeated, and what the status says of that, where it is repeated before the
    /// next one is due.
    fn repeat_within(&self, period: SignedDuration) -> Option<(Timestamp, Pace)> {
        let uid = self.snapshot.identity.uid;
        let repeat = self.repeat.filter(|_| !self.restarted)?;
        let (next, pace) = match repeat {
            Repeat::Undecided => {
                let proven = self.facts.last_proven.or(self.facts.verified)?;
                let due = schedule::tick_after(proven, period, uid);
                // A fresh proof needs no hurry, whoever asked for the check.
                if due > self.clock || period < schedule::WRITTEN_FROM {
                    return None;
                }
                let longest = self.settings.grace_check_period.min(period);
                let next = schedule::repeat_after(self.clock, due, longest, uid);
                (next, Pace::Every(longest))
            }
            Repeat::Unconfirmed => {
                let wait = self.settings.confirmation_period / 2;
                if wait >= period {
                    return None;
                }
                let next = schedule::confirm_after(self.clock, wait, uid);
                (next, Pace::of(wait, next))
            }
        };
        let tick = schedule::tick_after(self.clock, period, uid);
        Some((next.min(tick), pace))
    }

    /// Whether a repeated check found the outage that the status shows, and the next one comes
    /// before that has become a period old: an outage of many domains must not become writes, and
    /// whoever looks for domains that nobody checks must see that somebody does.
    fn is_old_news(&self, before: &Facts, period: SignedDuration, next: Timestamp) -> bool {
        let checked = before
            .last_check
            .as_ref()
            .filter(|check| check.verdict == CheckVerdict::Inconclusive)
            .and_then(|check| Some(check.time.as_ref()?.0));
        self.repeat == Some(Repeat::Undecided)
            && !self.asked
            && self.facts.reason == before.reason
            && matches!(before.pace, Some(Pace::Every(_)))
            && checked.is_some_and(|time| time <= self.now && next <= schedule::add(time, period))
    }
}

/// Whether a check found something that the report of an earlier one does not say. What only some
/// servers were heard to say, and say no more, is no news: a server that is seldom heard would have
/// it written again and again.
fn is_news(judgement: &Judgement, earlier: &LastCheck) -> bool {
    let report = &judgement.report;
    let has_more = |a: &LastCheck, b: &LastCheck| {
        let mut values = a.observed_values.iter();
        values.any(|value| !b.observed_values.contains(value))
    };
    if report.verdict != earlier.verdict || has_more(report, earlier) {
        true
    } else if has_more(earlier, report) {
        judgement.weight == Weight::Complete
    } else {
        report.hint.is_some() && report.hint != earlier.hint
    }
}
