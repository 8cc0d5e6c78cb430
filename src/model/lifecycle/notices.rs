//! What a person should hear of, once for each time it becomes so.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::decision::{About, Notice};
use super::snapshot::HeldBy;
use super::transition::Transition;
use crate::api::conditions::{self, READY, VERIFIED};
use crate::api::organization_domain::{CountedChecks, OrganizationDomainStatus, State};
use crate::api::reason::Reason;
use crate::model::facts::Facts;
use crate::model::message;

/// A process that ended between a status and its Event was started again by then.
pub const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// The object has no room for the status that was decided. The fact is the outcome without its times, so
/// that one which is decided again and again is one Event.
#[must_use]
pub fn no_room(decided: &OrganizationDomainStatus) -> Notice {
    let mut fact = decided
        .challenge
        .as_ref()
        .map_or_else(String::new, |challenge| challenge.token.clone());
    for condition in &decided.conditions {
        let (kind, status, reason) = (&condition.type_, &condition.status, &condition.reason);
        // Nothing can go wrong in memory.
        let _ = write!(fact, "\n{kind} {status} {reason}");
    }
    let outcome = conditions::find(&decided.conditions, READY).map_or_else(String::new, |ready| {
        format!(" The new status is {}: {}", ready.reason, ready.message)
    });
    Notice {
        about: About::OrganizationDomain,
        reason: Reason::ObjectTooLarge,
        warning: true,
        message: format!(
            "The object has reached the API server's size limit. Its status cannot be written and is out of date. Remove labels, annotations or other metadata; the status is then written.{outcome}"
        ),
        fact,
        becomes_verified: false,
    }
}

/// What became so a moment ago, as the status says.
pub(super) fn recent(transition: &Transition<'_>) -> Vec<Notice> {
    let facts = &transition.facts;
    let is_recent = |time| transition.now.duration_since(time) <= RECENT;
    let mut changes = Vec::new();
    if let Some(issued) = &facts.challenge
        && facts.state != State::Failed
        && is_recent(issued.time)
    {
        let then = Facts {
            challenge: facts.challenge.clone(),
            ..Facts::new(None)
        };
        changes.push((then, Facts::new(None)));
    }
    if facts.verified.is_some_and(is_recent) && is_held(transition) {
        let before = Facts {
            state: State::Pending,
            reason: Reason::ChallengeIssued,
            ..facts.clone()
        };
        changes.push((facts.clone(), before));
    }
    let begun = |since: &Option<CountedChecks>| {
        since
            .as_ref()
            .is_some_and(|counted| is_recent(counted.since_time.0))
    };
    if begun(&facts.record_missing) {
        let before = Facts {
            record_missing: None,
            ..facts.clone()
        };
        changes.push((facts.clone(), before));
    }
    if begun(&facts.hand_over) {
        let before = Facts {
            hand_over: None,
            ..facts.clone()
        };
        changes.push((facts.clone(), before));
    }
    changes
        .iter()
        .flat_map(|(facts, before)| of(transition, facts, before))
        .collect()
}

/// What became so since these were the facts.
pub(super) fn unannounced(transition: &Transition<'_>, announced: &Facts) -> Vec<Notice> {
    let facts = &transition.facts;
    let token_is_lost = facts.challenge.is_none() && announced.challenge.is_some();
    let is_edited = match facts.state {
        State::Verified => token_is_lost || !is_held(transition),
        State::Pending => token_is_lost,
        State::Failed => is_held(transition) && facts.reason != Reason::RecordLost,
    };
    if is_edited {
        // No operator left it so; what becomes of it is decided next.
        return Vec::new();
    }
    let had_nothing = announced.state == State::Pending && announced.challenge.is_none();
    if had_nothing && !is_a_beginning(facts.reason) {
        // Imported with all that it says, most of it old.
        return recent(transition);
    }
    of(transition, facts, announced)
}

/// Whether one decision can lead there from nothing.
fn is_a_beginning(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ChallengeIssued
            | Reason::Approved
            | Reason::NameRefused
            | Reason::OrganizationMissing
            | Reason::NamespaceSuspended
            | Reason::QuotaExceeded
    )
}

/// Whether the holding says so too: a status can be edited.
fn is_held(transition: &Transition<'_>) -> bool {
    matches!(transition.snapshot.held_by, HeldBy::Us { .. })
}

pub(super) fn of(transition: &Transition<'_>, facts: &Facts, before: &Facts) -> Vec<Notice> {
    let text = message::of(facts, &transition.context);
    let mut notices = Vec::new();
    let verifies = facts.state == State::Verified && before.state != State::Verified;
    let mut notify = |reason, warning, message: &str, fact: String| {
        notices.push(Notice {
            about: About::OrganizationDomain,
            reason,
            warning,
            message: message.to_owned(),
            fact,
            becomes_verified: verifies && matches!(reason, Reason::Verified | Reason::Approved),
        });
    };
    if facts.state != State::Failed
        && token(facts) != token(before)
        && facts.reason != Reason::Approved
    {
        notify(Reason::ChallengeIssued, false, &text, token(facts));
    } else if (facts.state, facts.reason) != (before.state, before.reason) {
        let moment = moment(transition, facts).to_string();
        match facts.reason {
            Reason::Verified if verifies => {
                notify(
                    Reason::Verified,
                    false,
                    &text,
                    format!("{} {}", token(facts), became_verified(transition)),
                );
            }
            Reason::Approved => notify(facts.reason, false, &text, moment),
            Reason::HeldByAnother
            | Reason::RecordMismatch
            | Reason::RecordExpired
            | Reason::WindowExpired
            | Reason::RecordLost
            | Reason::HandedOver => notify(facts.reason, true, &text, token(before)),
            Reason::NameRefused => notify(facts.reason, true, &text, String::new()),
            Reason::OrganizationMissing
            | Reason::NamespaceSuspended
            | Reason::QuotaExceeded
            | Reason::HoldingLost
            | Reason::ApprovalEnded
            | Reason::ProofStale => notify(facts.reason, true, &text, moment),
            _ => {}
        }
    }
    if facts.state == State::Verified && before.state == State::Verified {
        match (&before.record_missing, &facts.record_missing) {
            (None, Some(missing)) => {
                let since = missing.since_time.0.to_string();
                notify(facts.missing_reason(), true, &text, since);
            }
            (Some(missing), None) => {
                let found = message::record_found(facts, &transition.context);
                notify(
                    Reason::RecordFound,
                    false,
                    &found,
                    missing.since_time.0.to_string(),
                );
            }
            _ => {}
        }
    }
    match (&before.hand_over, &facts.hand_over) {
        (None, Some(begun)) => {
            notify(
                Reason::HandOverStarted,
                false,
                &text,
                begun.since_time.0.to_string(),
            );
        }
        (Some(begun), None) if facts.state == State::Pending => {
            notify(
                Reason::HandOverCancelled,
                true,
                &text,
                begun.since_time.0.to_string(),
            );
        }
        _ => {}
    }
    let meets_approval = matches!(
        transition.snapshot.held_by,
        HeldBy::Another { manual: true, .. }
    ) && facts.reason == Reason::HeldByAnother
        && before.reason != Reason::HeldByAnother
        && transition.snapshot.approved_until.is_none();
    if meets_approval {
        notices.push(Notice {
            about: About::VerifiedDomain,
            reason: Reason::HeldByApproval,
            warning: true,
            message: message::held_by_approval(&transition.context),
            fact: token(facts),
            becomes_verified: false,
        });
    }
    notices
}

/// When it came to the reason, as far as the status says so: whoever announces it names the same Event.
fn moment(transition: &Transition<'_>, facts: &Facts) -> Timestamp {
    let said = match facts.reason {
        Reason::ProofStale => facts.last_proven,
        // Back to waiting: the window opened anew.
        Reason::HoldingLost | Reason::ApprovalEnded => {
            let issued = facts.challenge.as_ref();
            issued.and_then(|issued| issued.opened)
        }
        _ => facts.paused,
    };
    said.or(facts.verified).unwrap_or(transition.now)
}

/// Since when the condition has been true. Of a domain that was verified by a clock that was ahead it
/// stays the same, while `verifiedTime` is corrected.
fn became_verified(transition: &Transition<'_>) -> Timestamp {
    let conditions = &transition.snapshot.status.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == VERIFIED && condition.status == "True")
        .map_or(transition.now, |condition| condition.last_transition_time.0)
}

fn token(facts: &Facts) -> String {
    facts
        .challenge
        .as_ref()
        .map_or_else(String::new, |issued| issued.token.to_string())
}
