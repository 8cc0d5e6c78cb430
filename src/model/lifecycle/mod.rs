//! The life of an organization domain: what is written next, and when to decide again.

mod counting;
mod decision;
mod history;
pub mod notices;
mod overdue;
mod settled;
pub mod snapshot;
mod transition;

use jiff::Timestamp;

pub use self::decision::{About, Decision, HoldingAction, JudgedHolder, Judgement, Notice};
pub use self::overdue::left_alone_from;
pub use self::settled::{Settled, same_but_for_texts};
use self::snapshot::pause;
pub use self::snapshot::{HeldBy, Identity, Snapshot, bounded};
use self::transition::Transition;
use super::challenge::{Challenge, Token};
use super::facts::{Facts, issued_service, whole_second};
use super::message::MessageContext;
use super::name::DomainName;
use super::policy::Refusal;
use super::settings::Settings;
use crate::api::organization_domain::{State, Strategy};
use crate::api::reason::Reason;
use crate::api::verified_domain::Holder;

/// The canonical name, or why there is none that is verified here. What is held stays held: the
/// install's rules decide on what is new.
fn accept(snapshot: &Snapshot<'_>, settings: &Settings) -> Result<DomainName, String> {
    let name = DomainName::parse(snapshot.domain).map_err(|error| error.to_string())?;
    let ours = matches!(snapshot.held_by, HeldBy::Us { .. });
    let issued = snapshot.status.challenge.as_ref().and_then(issued_service);
    let service = issued.as_ref().unwrap_or(&settings.service);
    match settings.names.check(&name, service) {
        // Without room for the record's label even a holder cannot be checked.
        Err(refusal) if !ours || matches!(refusal, Refusal::NoRoom { .. }) => {
            Err(refusal.to_string())
        }
        Ok(()) | Err(_) => Ok(name),
    }
}

/// What to check now, or nothing: a check is due when its time has come, when somebody asked for
/// it, and when the obstacle to an earlier proof has gone.
#[must_use]
pub fn due(
    now: Timestamp,
    settings: &Settings,
    snapshot: &Snapshot<'_>,
    next_check: Option<Timestamp>,
) -> Option<Challenge> {
    let name = accept(snapshot, settings).ok()?;
    let facts = read(now, snapshot);
    let issued = facts.challenge.as_ref()?;
    if stops_checks(snapshot) {
        return None;
    }
    let reached = |time: Option<Timestamp>| time.is_some_and(|time| time <= now);
    let by_dns = snapshot.held_by.our_strategy() == Some(Strategy::Dns);
    let asked = is_new_request(snapshot, &facts) || reached(next_check);
    let due = match (facts.state, snapshot.held_by) {
        // Of those held, nothing is left to ask: the status follows the holding.
        (State::Failed, _) | (State::Pending, HeldBy::Us { .. } | HeldBy::Restored { .. }) => false,
        (State::Pending, held_by) => {
            asked
                || reached(issued.expiry(settings))
                || (facts.reason == Reason::HeldByAnother && held_by == HeldBy::Nobody)
        }
        (State::Verified, _) => by_dns && asked,
    };
    due.then(|| Challenge {
        name,
        service: issued
            .service
            .clone()
            .unwrap_or_else(|| settings.service.clone()),
        token: issued.token.clone(),
    })
}

/// The name at which to check for the token of a holder by DNS whose status lost it, before it is given
/// another one. The holding must be that of this very object, organization and name.
#[must_use]
pub fn lost_token(
    settings: &Settings,
    snapshot: &Snapshot<'_>,
    held_name: &str,
    holder: &Holder,
) -> Option<DomainName> {
    let name = accept(snapshot, settings).ok()?;
    let us = snapshot.identity;
    let ours = held_name == name.as_str()
        && *us.uid == *holder.uid
        && us.namespace == holder.namespace
        && us.name == holder.name
        && us.organization == holder.organization;
    let lost = matches!(
        snapshot.held_by,
        HeldBy::Us {
            strategy: Strategy::Dns,
            token_known: false,
            ..
        }
    );
    let waits = pause(snapshot).is_none() && snapshot.approved_until.is_none();
    // One that failed is about to be released.
    let failed = snapshot.status.state == Some(State::Failed);
    (ours && lost && waits && !failed).then_some(name)
}

/// Whether a decision now would issue a new challenge.
#[must_use]
pub fn issues_challenge(now: Timestamp, settings: &Settings, snapshot: &Snapshot<'_>) -> bool {
    if pause(snapshot).is_some() || accept(snapshot, settings).is_err() {
        return false;
    }
    let facts = read(now, snapshot);
    match facts.state {
        State::Failed => {
            let begins = facts.reason == Reason::NameRefused && facts.challenge.is_none();
            begins || is_new_request(snapshot, &facts)
        }
        State::Pending | State::Verified => facts.challenge.is_none(),
    }
}

/// Whether the annotation asks for something that no decision has answered.
#[must_use]
pub fn has_new_request(now: Timestamp, snapshot: &Snapshot<'_>) -> bool {
    is_new_request(snapshot, &read(now, snapshot))
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
    let accepted = accept(snapshot, settings);
    let before = read(now, snapshot);
    let mut transition = Transition {
        clock: now,
        now: whole_second(now),
        settings,
        snapshot,
        context: context(settings, snapshot, &accepted),
        asked: is_new_request(snapshot, &before),
        holding: HoldingAction::Keep,
        check_holder: false,
        restarted: false,
        repeat: None,
        checked: false,
        facts: before.clone(),
    };
    transition.run(judgement, fresh_token);
    transition.conclude(&before, next_check)
}

fn context<'a>(
    settings: &'a Settings,
    snapshot: &Snapshot<'a>,
    accepted: &'a Result<DomainName, String>,
) -> MessageContext<'a> {
    MessageContext {
        settings,
        name: accepted.as_ref().ok(),
        identity: snapshot.identity,
        approved_until: snapshot.approved_until,
        held_by_approval: matches!(snapshot.held_by, HeldBy::Another { manual: true, .. }),
        refusal: accepted.as_ref().err().map(String::as_str),
    }
}

/// Reads the facts of the status, without a token that was issued for another object.
#[must_use]
pub fn read(now: Timestamp, snapshot: &Snapshot<'_>) -> Facts {
    let mut facts = Facts::read(snapshot.status, now);
    let theirs = facts
        .challenge
        .as_ref()
        .is_some_and(|issued| issued.issued_for != snapshot.identity.issued_for());
    let believed = match snapshot.held_by {
        // The holding says which token was proved.
        HeldBy::Us { token_known, .. } => token_known,
        HeldBy::Restored { .. } => true,
        _ => !theirs,
    };
    if !believed {
        facts.challenge = None;
        facts.last_check = None;
        facts.dns_provider = None;
        // How often another token was missed or found says nothing of the one to come.
        facts.record_missing = None;
        facts.unconfirmed = None;
        facts.hand_over = None;
    }
    facts
}

/// Whether nothing is asked for now: a pause, but for what is held, whose re-checks nothing stops that
/// a tenant can write; or an approval that can act.
fn stops_checks(snapshot: &Snapshot<'_>) -> bool {
    let by_dns = snapshot.held_by.our_strategy() == Some(Strategy::Dns);
    match pause(snapshot) {
        Some(Reason::OrganizationMissing) if by_dns => false,
        Some(_) => true,
        None => {
            snapshot.approved_until.is_some() && !matches!(snapshot.held_by, HeldBy::Another { .. })
        }
    }
}

fn is_new_request(snapshot: &Snapshot<'_>, facts: &Facts) -> bool {
    snapshot.requested.is_some_and(|asked| {
        !asked.is_empty() && facts.last_handled.as_deref() != Some(bounded(asked))
    })
}

#[cfg(test)]
mod tests;
