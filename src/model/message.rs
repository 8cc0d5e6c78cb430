//! What conditions and Events say: why, and what to do next. Texts depend on facts alone, never on
//! the hour or on a server's mood, so that an unchanged state is never written again.

use jiff::{SignedDuration, Timestamp};

use super::challenge::RecordForm;
use super::facts::Facts;
use super::name::DomainName;
use super::schedule;
use super::settings::Settings;
use crate::api::REQUESTED_AT;
use crate::api::organization_domain::State;
use crate::api::reason::Reason;

/// What a text may speak of.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    pub settings: &'a Settings,
    /// None where the stated domain is no name that is verified here.
    pub name: Option<&'a DomainName>,
    /// The organization's object name.
    pub organization: &'a str,
    /// Why the name is refused, where it is.
    pub refusal: Option<&'a str>,
}

/// The message of an organization domain's summary.
#[must_use]
pub fn of(facts: &Facts, words: &Words<'_>) -> String {
    match facts.reason {
        Reason::NameRefused => {
            let why = words.refusal.unwrap_or("the name is not verified here");
            format!("The name is refused: {why}. Create an OrganizationDomain for another name instead.")
        }
        Reason::OrganizationMissing => organization_missing(facts, words),
        Reason::HeldByAnother if facts.state == State::Failed => format!(
            "The record was found, but another organization held the domain for the whole time. Once it gave the domain up, {}.",
            ask_for_restart()
        ),
        Reason::HeldByAnother => "The record was found, but another organization holds the domain. Keep the record published: the domain passes on once the other organization gives it up or its own record is gone.".to_owned(),
        Reason::WindowExpired => format!(
            "The record was not found within {}. To get a new record and start again, {}.",
            duration(words.settings.window),
            ask_for_restart()
        ),
        Reason::RecordLost => format!(
            "The record was missing for {}. To get a new record and start again, {}.",
            duration(words.settings.grace),
            ask_for_restart()
        ),
        Reason::ProofStale => format!(
            "The record could not be looked up for {}. The domain is still held, but nothing new relies on it until a check finds the record again; see status.lastCheck for what the servers answer.",
            duration(words.settings.max_proof_age)
        ),
        Reason::Verified if facts.record_missing.is_some() => record_missing(facts, words),
        Reason::Verified => format!(
            "The domain is verified. Keep the record published: it is checked {}, and the domain is lost when it stays missing for {}.",
            every(words.settings.recheck_period),
            duration(words.settings.grace)
        ),
        Reason::RecordMismatch => format!(
            "TXT records were found, but none is the wanted one; status.lastCheck.observedValues shows them. {}",
            publish(facts, words)
        ),
        Reason::RecordExpired => format!(
            "The record was found, but its own expiry= has passed. Publish it without expiry= or with a later one. {}",
            publish(facts, words)
        ),
        Reason::CheckInconclusive => format!(
            "The DNS gave no answer that counts; status.lastCheck.servers shows what it answered. The check is repeated. {}",
            publish(facts, words)
        ),
        Reason::RecordAbsent => format!("The record is not there yet. {}", publish(facts, words)),
        _ => publish(facts, words),
    }
}

/// The message of the condition about the record of a verified domain.
#[must_use]
pub fn record_found(words: &Words<'_>) -> String {
    format!(
        "The record is published. It is checked {}.",
        every(words.settings.recheck_period)
    )
}

fn organization_missing(facts: &Facts, words: &Words<'_>) -> String {
    let create = format!(
        "Organization {} does not exist in this namespace; create it or delete this object.",
        words.organization
    );
    match (facts.state, facts.paused) {
        (State::Verified, Some(since)) => format!(
            "{create} Without it the domain is not checked, and is given up at {}.",
            moment(schedule::add(since, words.settings.grace))
        ),
        _ => format!("{create} Without it the domain is not checked."),
    }
}

fn record_missing(facts: &Facts, words: &Words<'_>) -> String {
    let end = facts
        .record_missing
        .as_ref()
        .map(|missing| schedule::add(missing.since_time.0, words.settings.grace));
    match end {
        Some(end) => format!(
            "The record of this verified domain is missing. Unless it is published again, the domain is lost at {}. {}",
            moment(end),
            publish(facts, words)
        ),
        None => publish(facts, words),
    }
}

/// The instruction: which record, with which value, until when.
fn publish(facts: &Facts, words: &Words<'_>) -> String {
    let Some((issued, challenge)) = facts
        .challenge
        .as_ref()
        .and_then(|issued| Some((issued, issued.challenge(words)?)))
    else {
        return String::new();
    };
    let until = issued
        .expiry
        .map_or(String::new(), |time| format!(" until {}", moment(time)));
    format!(
        "Publish a TXT record at {} with the value {}{until}; status.challenge.records has another form that does as well.",
        challenge.owner(RecordForm::Underscore),
        challenge.value(RecordForm::Underscore),
    )
}

fn every(period: SignedDuration) -> String {
    let text = duration(period);
    format!("every {}", text.strip_prefix("1 ").unwrap_or(&text))
}

fn ask_for_restart() -> String {
    format!("set the annotation {REQUESTED_AT} to a new value, for instance the time")
}

fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A duration in its largest whole units.
#[must_use]
pub fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    for (unit, name) in [
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ] {
        if seconds >= unit && seconds % unit == 0 {
            let count = seconds / unit;
            return format!("{count} {name}{}", if count == 1 { "" } else { "s" });
        }
    }
    format!("{duration:#}")
}
