//! What conditions and Events say: why, and what to do next. Texts depend on facts alone, never on
//! the hour; the hint of the last check changes with the report that has it, so that an unchanged
//! state is never written again.

use jiff::{SignedDuration, Timestamp};

use super::challenge::RecordForm;
use super::facts::Facts;
use super::lifecycle::snapshot::Identity;
use super::name::DomainName;
use super::schedule;
use super::settings::Settings;
use crate::api::organization_domain::{CheckVerdict, DnsProvider, State};
use crate::api::reason::Reason;
use crate::api::{REQUESTED_AT, SUSPENDED};

/// What a text may speak of.
#[derive(Clone, Copy, Debug)]
pub struct MessageContext<'a> {
    pub settings: &'a Settings,
    /// None where the stated domain is no name that is verified here.
    pub name: Option<&'a DomainName>,
    pub identity: Identity<'a>,
    /// Until when an approval stands.
    pub approved_until: Option<Timestamp>,
    /// Whether another organization domain holds the name by approval, which yields to no proof.
    pub held_by_approval: bool,
    /// Why the name is refused, where it is.
    pub refusal: Option<&'a str>,
}

impl MessageContext<'_> {
    /// Whether the name is one of the install's own, of which nothing that the DNS says is repeated.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        let names = &self.settings.names;
        self.name
            .is_some_and(|name| names.is_internal(name.as_str()))
    }
}

/// The message of an organization domain's summary.
#[must_use]
pub fn of(facts: &Facts, context: &MessageContext<'_>) -> String {
    match facts.reason {
        Reason::NameRefused => {
            let why = context.refusal.unwrap_or("it cannot be verified here");
            format!("The domain is refused: {why}. Create an OrganizationDomain for another domain instead.")
        }
        Reason::OrganizationMissing => organization_missing(facts, context),
        Reason::HeldByAnother if facts.state == State::Failed => format!(
            "The time to publish the record is over. The record was found, but another OrganizationDomain still held the domain. {}",
            when_released(context)
        ),
        Reason::HeldByAnother => held_by_another(facts, context),
        Reason::NamespaceSuspended => format!("The namespace is suspended. This domain is not checked and cannot become verified until an administrator removes the label {SUSPENDED} from the namespace. The time to publish the record is paused."),
        Reason::QuotaExceeded => "The namespace has more pending domains than are checked at once. This one is checked after others are verified, fail or are deleted. Delete pending OrganizationDomains that you do not need. The time to publish the record is paused.".to_owned(),
        Reason::EvidenceIncomplete => format!(
            "The check did not get an answer from every DNS server that it needs. The servers that answered agree. {}The check is repeated. Its result takes effect once it has stayed the same for {}{}.",
            hint(facts, context),
            duration(context.settings.confirmation_period),
            seen_in(context, "; status.lastCheck.servers shows each answer")
        ),
        Reason::HandedOver => format!(
            "The record was missing while another OrganizationDomain proved the domain, so the domain was handed over to that one. If the domain is yours, {}, and publish the new record.",
            ask_for_restart()
        ),
        Reason::Approved => match context.approved_until {
            Some(end) if end < Timestamp::MAX => {
                format!("The domain is approved by hand until {}. No DNS record is needed or checked.", moment(end))
            }
            _ => "The domain is approved by hand. No DNS record is needed or checked.".to_owned(),
        },
        Reason::ApprovalEnded => format!("The approval was removed or has expired. {}", publish(facts, context)),
        Reason::WindowExpired => format!(
            "The record was not found within {}. To get a new record and start again, {}.",
            duration(context.settings.window),
            ask_for_restart()
        ),
        Reason::RecordLost => format!(
            "The record was missing for {}, so the domain is no longer verified. To get a new record and start again, {}.",
            duration(context.settings.grace),
            ask_for_restart()
        ),
        Reason::ProofStale if facts.record_missing.is_some() => format!(
            "No check has found the record for {}, so nothing new may rely on the domain. {}",
            duration(context.settings.max_proof_age),
            record_missing(facts, context)
        ),
        Reason::ProofStale => format!(
            "The record could not be looked up for {}. This OrganizationDomain still holds the domain, but nothing new may rely on it until a check finds the record again{}.",
            duration(context.settings.max_proof_age),
            seen_in(context, "; status.lastCheck shows what the servers answered")
        ),
        Reason::Verified if facts.record_missing.is_some() => record_missing(facts, context),
        Reason::Verified => format!(
            "The domain is verified. Keep the record published: if it is missing for {}, the domain is no longer verified.",
            duration(context.settings.grace)
        ),
        Reason::RecordMismatch => {
            let shown = !context.is_internal() && facts.last_check.as_ref().is_some_and(|c| !c.observed_values.is_empty());
            let values = if shown { "; status.lastCheck.observedValues lists them" } else { "" };
            format!(
                "TXT records were found, but none has the expected value{values}. {}{}",
                hint(facts, context),
                publish(facts, context)
            )
        }
        Reason::HoldingLost => format!(
            "The VerifiedDomain was deleted or belongs to another OrganizationDomain now. The domain is being verified again; a record that is still published is enough. {}",
            publish(facts, context)
        ),
        Reason::Deleting => "The object is being deleted and does not hold the domain.".to_owned(),
        Reason::RecordExpired => format!(
            "The record was found, but its expiry= has passed. Publish it with a later expiry=, or without one. {}",
            publish(facts, context)
        ),
        Reason::CheckInconclusive => format!(
            "DNS gave no usable answer{}. {}The check is repeated. {}",
            seen_in(context, "; status.lastCheck.servers shows each answer"),
            hint(facts, context),
            publish(facts, context)
        ),
        Reason::RecordAbsent => format!(
            "The record has not been found yet. {}{}",
            hint(facts, context),
            publish(facts, context)
        ),
        _ => publish(facts, context),
    }
}

/// The messages of the conditions beside the summary, which says what to do next.
pub const RECORD_FOUND: &str = "The record is published.";
pub const RECORD_MISSING: &str = "The record is missing.";
pub const STALLED: &str = "Verification has stopped until somebody acts.";

/// The message of the condition that tells whether the domain is verified.
#[must_use]
pub fn verified(facts: &Facts) -> &'static str {
    match (facts.state, facts.reason) {
        (State::Pending | State::Failed, _) => "The domain is not verified.",
        (State::Verified, Reason::ProofStale) => "The proof is too old.",
        (State::Verified, Reason::Approved) => "The domain is approved by hand.",
        (State::Verified, _) => "The domain is verified.",
    }
}

/// The message of the condition of a domain on its way.
#[must_use]
pub fn reconciling(facts: &Facts) -> &'static str {
    match facts.reason {
        _ if facts.paused.is_some() => "Checks are paused.",
        Reason::HeldByAnother => "Another OrganizationDomain holds the domain.",
        _ => "The domain is checked until its record is found.",
    }
}

/// What happened to a domain whose state has changed again since.
#[must_use]
pub fn happened(reason: Reason) -> &'static str {
    match reason {
        Reason::Verified => "The domain was verified.",
        Reason::Approved => "The domain was approved by hand.",
        Reason::ApprovalEnded => "The approval was removed or had expired.",
        Reason::RecordAbsent => "The record was missing.",
        Reason::RecordMismatch => "TXT records were found, but none had the expected value.",
        Reason::RecordExpired => "The record was found, but its expiry= had passed.",
        Reason::RecordFound => "The record was found again.",
        Reason::RecordLost => {
            "The record was missing for too long, so the domain was no longer verified."
        }
        Reason::WindowExpired => "The record was not found in time.",
        Reason::ProofStale => {
            "The record could not be looked up for too long, so nothing new could rely on the domain."
        }
        Reason::HeldByAnother => {
            "The record was found, but another OrganizationDomain held the domain."
        }
        Reason::HandOverStarted => {
            "The record was found, and the holder's record was missing. The hand-over began."
        }
        Reason::HandOverCancelled => {
            "The hand-over was cancelled. It starts again if the record of this OrganizationDomain is published and the holder's is not."
        }
        Reason::HandedOver => "The domain was handed over to another OrganizationDomain.",
        Reason::HoldingLost => {
            "The VerifiedDomain was deleted or belonged to another OrganizationDomain."
        }
        Reason::NameRefused => "The domain was refused.",
        Reason::OrganizationMissing => "The organization did not exist.",
        Reason::NamespaceSuspended => "The namespace was suspended.",
        Reason::QuotaExceeded => "The namespace had more pending domains than are checked at once.",
        _ => "The state of the domain changed. Its conditions show the current state.",
    }
}

fn organization_missing(facts: &Facts, context: &MessageContext<'_>) -> String {
    let create = format!(
        "Organization {} does not exist in this namespace. Create it, or delete this object.",
        context.identity.organization
    );
    match (facts.state, facts.paused) {
        (State::Verified, Some(since)) => format!(
            "{create} Without the Organization, the domain is released at {}.",
            moment(schedule::add(since, context.settings.grace))
        ),
        _ => format!("{create} Without the Organization, the domain is not checked."),
    }
}

/// A pending domain beside another holder: with an approval or without, with a record or without.
fn held_by_another(facts: &Facts, context: &MessageContext<'_>) -> String {
    let approved = context.approved_until.is_some();
    let found = facts
        .last_check
        .as_ref()
        .is_some_and(|check| check.verdict == CheckVerdict::Proven);
    let period = context.settings.hand_over_period;
    match (&facts.hand_over, context.held_by_approval, approved, found) {
        (Some(begun), false, _, _) => format!(
            "The record was found, and the holder's record is missing. Keep the record published: the domain is handed over to this OrganizationDomain at {} unless the holder's record comes back.",
            moment(schedule::add(begun.since_time.0, period))
        ),
        (_, true, true, _) => {
            "This OrganizationDomain has an approval, but another OrganizationDomain holds the domain by an approval of its own. This approval takes effect when that OrganizationDomain no longer holds the domain. Ask the platform's administrators which approval is right.".to_owned()
        }
        (_, true, false, true) => {
            "The record was found, but another OrganizationDomain holds the domain by approval. A record does not override an approval. Keep the record published: this OrganizationDomain can get the domain when that approval ends or that OrganizationDomain is deleted.".to_owned()
        }
        (_, false, true, false) => format!(
            "This OrganizationDomain has an approval, but another OrganizationDomain holds the domain. The approval takes effect when that OrganizationDomain is deleted or fails. To get the domain without waiting for that, publish a record from status.challenge.records: the domain is handed over {} after the holder's record is gone.",
            duration(period)
        ),
        (_, false, _, true) => format!(
            "The record was found, but another OrganizationDomain holds the domain. Keep the record published: this OrganizationDomain gets the domain when that one is deleted or fails, or {} after its record is gone.{}",
            duration(period),
            other_records(facts, context)
        ),
        (_, _, false, false) => format!(
            "Another OrganizationDomain holds the domain, and the record of this one was not found. {}",
            publish(facts, context)
        ),
    }
}

/// What follows once the holder lets go, for a domain that failed beside it.
fn when_released(context: &MessageContext<'_>) -> String {
    if context.approved_until.is_some() {
        return "The approval takes effect when that OrganizationDomain no longer holds it."
            .to_owned();
    }
    format!(
        "When that OrganizationDomain no longer holds the domain, {}.",
        ask_for_restart()
    )
}

/// Which other records to remove so that the holder's is gone.
fn other_records(facts: &Facts, context: &MessageContext<'_>) -> String {
    let challenge = facts
        .challenge
        .as_ref()
        .and_then(|issued| issued.challenge(context));
    challenge.map_or_else(
        String::new,
        |challenge| {
            format!(
                " If the domain is yours now, remove all other values at {} and all other {}-domain-verification= values at {}; they may be left over from a previous owner or an imported zone.",
                challenge.owner(RecordForm::Underscore),
                challenge.service,
                challenge.owner(RecordForm::Apex),
            )
        },
    )
}

/// What administrators hear when a proof meets a holder by approval.
#[must_use]
pub fn held_by_approval(context: &MessageContext<'_>) -> String {
    let Identity {
        namespace,
        name,
        organization,
        ..
    } = context.identity;
    format!(
        "Organization {organization} proved this domain with OrganizationDomain {namespace}/{name}, but the domain is held by approval. A proof does not override an approval. If the approval is no longer right, delete the DomainApproval."
    )
}

/// What a holder hears when another organization proves a name below its own.
#[must_use]
pub fn subdomain_verified(name: &str) -> String {
    format!(
        "Another organization proved {name}, which is below this domain. This domain's proof no longer covers {name} and the names below it. If you did not intend that, look in your zone for a record that delegates {name} or that you did not publish."
    )
}

fn record_missing(facts: &Facts, context: &MessageContext<'_>) -> String {
    let end = facts
        .record_missing
        .as_ref()
        .map(|missing| schedule::add(missing.since_time.0, context.settings.grace));
    match end {
        Some(end) => format!(
            "The record of this verified domain is missing. Publish it again before {}, or the domain is no longer verified. Another organization that proves the domain meanwhile gets it after {}. {}{}",
            moment(end),
            duration(context.settings.hand_over_period),
            hint(facts, context),
            publish(facts, context)
        ),
        None => publish(facts, context),
    }
}

/// The likely mistake, or why the last check could not decide.
fn hint(facts: &Facts, context: &MessageContext<'_>) -> String {
    if context.is_internal() {
        return String::new();
    }
    let found = facts
        .last_check
        .as_ref()
        .and_then(|check| check.hint.as_ref());
    found.map_or_else(String::new, |hint| format!("{hint} "))
}

/// Where to read what the servers said. Statuses of internal names do not show it; administrators use
/// `freehold check`.
fn seen_in(context: &MessageContext<'_>, place: &'static str) -> &'static str {
    if context.is_internal() {
        "; the answers are not shown because the domain is internal"
    } else {
        place
    }
}

/// The instruction: which record, with which value, until when.
fn publish(facts: &Facts, context: &MessageContext<'_>) -> String {
    let Some((issued, challenge)) = facts
        .challenge
        .as_ref()
        .and_then(|issued| Some((issued, issued.challenge(context)?)))
    else {
        return String::new();
    };
    let by = issued
        .expiry(context.settings)
        .map_or(String::new(), |time| format!(" by {}", moment(time)));
    format!(
        "Publish a TXT record at {} with the value {}{by}. An alternative record is in status.challenge.records.{}",
        challenge.owner(RecordForm::Underscore),
        challenge.value(RecordForm::Underscore),
        facts
            .dns_provider
            .as_ref()
            .filter(|_| !context.is_internal())
            .map_or_else(String::new, provider),
    )
}

/// Where to publish.
fn provider(DnsProvider { name, link }: &DnsProvider) -> String {
    let page = link
        .as_ref()
        .map_or(String::new(), |link| format!(", for example at {link}"));
    format!(" The zone's DNS is run by {name}. Add the record there{page}.")
}

fn ask_for_restart() -> String {
    format!("set the annotation {REQUESTED_AT} to a new value, such as the current time")
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
