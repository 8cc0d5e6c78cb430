//! The Events about a transition.

use std::fmt::Write;

use jiff::Timestamp;

use super::decision::{About, Notice};
use super::snapshot::Snapshot;
use crate::api::conditions::{self, READY};
use crate::api::history::HistoryEntry;
use crate::api::organization_domain::{OrganizationDomainStatus, State};
use crate::api::reason::Reason;
use crate::model::facts::Facts;
use crate::model::message;
use crate::model::settings::Settings;

/// The Events about one transition. Their fact names the object and the transition, so that there is one of
/// each, whoever publishes it however often.
#[must_use]
pub fn of(
    now: Timestamp,
    settings: &Settings,
    snapshot: &Snapshot<'_>,
    entry: &HistoryEntry,
) -> Vec<Notice> {
    let Ok(reason) = entry.reason.parse() else {
        return Vec::new();
    };
    let accepted = super::accept(snapshot, settings);
    let context = super::context(settings, snapshot, &accepted);
    let facts = super::read(now, snapshot);
    let fact = format!(
        "{} {} {}",
        snapshot.identity.uid, entry.sequence, entry.time.0
    );
    let mut notices = Vec::new();
    let mut notify = |about, reason, message| {
        notices.push(Notice {
            about,
            reason,
            warning: is_warning(reason),
            message,
            fact: fact.clone(),
        });
    };
    if reason != Reason::ChallengeIssued || replaces_record(entry, &facts) {
        let message = if is_still_so(reason, &facts) {
            message::of(&facts, &context)
        } else {
            message::happened(reason).to_owned()
        };
        notify(About::OrganizationDomain, reason, message);
    }
    let is_approved = snapshot.approved_until.is_some();
    if reason == Reason::HeldByAnother && context.held_by_approval && !is_approved {
        let message = message::held_by_approval(&context);
        notify(About::VerifiedDomain, Reason::HeldByApproval, message);
    }
    if let Some(name) = context.name
        && becomes_verified(reason, entry, snapshot.status)
    {
        let message = message::subdomain_verified(name.as_str());
        notify(About::HolderAbove, Reason::SubdomainVerified, message);
    }
    notices
}

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
    }
}

fn is_warning(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Verified | Reason::Approved | Reason::RecordFound | Reason::HandOverStarted
    )
}

/// Whether the state is the one that the transition led to, so that its message tells what to do next.
fn is_still_so(reason: Reason, facts: &Facts) -> bool {
    let missing = facts.record_missing.is_some();
    match (reason, facts.state) {
        (Reason::RecordFound | Reason::HandOverCancelled, _) => false,
        (Reason::Verified, state) => {
            (state, facts.reason) == (State::Verified, Reason::Verified) && !missing
        }
        (
            Reason::RecordAbsent | Reason::RecordMismatch | Reason::ChallengeIssued,
            State::Verified,
        ) => missing,
        (Reason::HandOverStarted, state) => state == State::Pending && facts.hand_over.is_some(),
        _ => facts.reason == reason,
    }
}

/// Whether a verified domain needs another record than the one that was published. A first challenge is
/// no Event: whoever made the object reads it in the status.
fn replaces_record(entry: &HistoryEntry, facts: &Facts) -> bool {
    let issued = facts.challenge.as_ref();
    facts.state == State::Verified
        && facts.record_missing.is_some()
        && issued.is_some_and(|issued| issued.time == entry.time.0)
}

/// Whether the domain became Verified by this transition and was not before.
fn becomes_verified(
    reason: Reason,
    entry: &HistoryEntry,
    status: &OrganizationDomainStatus,
) -> bool {
    match reason {
        Reason::Verified => true,
        Reason::Approved => {
            let entries = status.history.iter().rev();
            let mut earlier = entries
                .filter(|earlier| earlier.sequence < entry.sequence)
                .filter_map(|earlier| earlier.reason.parse().ok());
            let was_verified = earlier.find_map(|reason| match reason {
                Reason::Verified | Reason::Approved => Some(true),
                Reason::ChallengeIssued
                | Reason::HoldingLost
                | Reason::ApprovalEnded
                | Reason::RecordLost
                | Reason::HandedOver => Some(false),
                _ => None,
            });
            was_verified != Some(true)
        }
        _ => false,
    }
}
