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
use crate::api::REQUESTED_AT;
use crate::api::organization_domain::{DnsProvider, State};
use crate::api::reason::Reason;

/// What a text may speak of.
#[derive(Clone, Copy, Debug)]
pub struct MessageContext<'a> {
    pub settings: &'a Settings,
    /// None where the stated domain is no name that is verified here.
    pub name: Option<&'a DomainName>,
    pub identity: Identity<'a>,
    /// Until when an approval stands.
    pub approved_until: Option<Timestamp>,
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
            let why = context.refusal.unwrap_or("the name is not verified here");
            format!("The name is refused: {why}. Create an OrganizationDomain for another name instead.")
        }
        Reason::OrganizationMissing => organization_missing(facts, context),
        Reason::HeldByAnother if facts.state == State::Failed => format!(
            "The record was found, but another organization held the domain for the whole time. Once it gave the domain up, {}.",
            ask_for_restart()
        ),
        Reason::HeldByAnother => held_by_another(facts, context),
        Reason::NamespaceSuspended => "The namespace is suspended: nothing in it is checked or becomes Verified until its administrators lift that. The time to publish the record stands still.".to_owned(),
        Reason::QuotaExceeded => "The namespace has more pending domains than are checked at once. This one is checked when others are verified or deleted; the time to publish the record stands still.".to_owned(),
        Reason::EvidenceIncomplete => format!(
            "The check could not ask or hear all servers that it needs; those that answered agree. {}The check is repeated and acts once it says the same over {}{}.",
            hint(facts, context),
            duration(context.settings.confirmation_period),
            seen_in(context, "; status.lastCheck.servers shows what each one answered")
        ),
        Reason::HandedOver => format!(
            "Another organization proved the domain while this one's record was missing, and holds it now. If it is yours again, publish a record anew: to get one, {}.",
            ask_for_restart()
        ),
        Reason::Approved => match context.approved_until {
            Some(end) if end < Timestamp::MAX => {
                format!("The domain is approved by hand until {}. No record is needed, none is checked.", moment(end))
            }
            _ => "The domain is approved by hand. No record is needed, none is checked.".to_owned(),
        },
        Reason::ApprovalEnded => format!("The approval was removed or has expired. {}", publish(facts, context)),
        Reason::WindowExpired => format!(
            "The record was not found within {}. To get a new record and start again, {}.",
            duration(context.settings.window),
            ask_for_restart()
        ),
        Reason::RecordLost => format!(
            "The record was missing for {}. To get a new record and start again, {}.",
            duration(context.settings.grace),
            ask_for_restart()
        ),
        Reason::ProofStale if facts.record_missing.is_some() => format!(
            "Nothing new relies on the domain, as no check found the record for {}. {}",
            duration(context.settings.max_proof_age),
            record_missing(facts, context)
        ),
        Reason::ProofStale => format!(
            "The record could not be looked up for {}. The domain is still held, but nothing new relies on it until a check finds the record again{}.",
            duration(context.settings.max_proof_age),
            seen_in(context, "; see status.lastCheck for what the servers answer")
        ),
        Reason::Verified if facts.record_missing.is_some() => record_missing(facts, context),
        Reason::Verified => format!(
            "The domain is verified. Keep the record published for as long as the domain is used: it is checked {}, and the domain is lost when it stays missing for {}.",
            every(context.settings.recheck_period),
            duration(context.settings.grace)
        ),
        Reason::RecordMismatch => {
            let shown = !context.is_internal() && facts.last_check.as_ref().is_some_and(|c| !c.observed_values.is_empty());
            let values = if shown { "; status.lastCheck.observedValues shows them" } else { "" };
            format!(
                "TXT records were found, but none is the wanted one{values}. {}{}",
                hint(facts, context),
                publish(facts, context)
            )
        }
        Reason::HoldingLost => format!(
            "The domain was verified, but its VerifiedDomain was removed or is another's, so it is proved anew; a record that is still published does. {}",
            publish(facts, context)
        ),
        Reason::Deleting => "The object is being deleted; the name was given up.".to_owned(),
        Reason::RecordExpired => format!(
            "The record was found, but its own expiry= has passed. Publish it without expiry= or with a later one. {}",
            publish(facts, context)
        ),
        Reason::CheckInconclusive => format!(
            "The DNS gave no answer that counts{}. {}The check is repeated. {}",
            seen_in(context, "; status.lastCheck.servers shows what it answered"),
            hint(facts, context),
            publish(facts, context)
        ),
        Reason::RecordAbsent => format!(
            "The record is not there yet. {}{}",
            hint(facts, context),
            publish(facts, context)
        ),
        _ => publish(facts, context),
    }
}

/// The message of the condition about the record of a verified domain.
#[must_use]
pub fn record_found(facts: &Facts, context: &MessageContext<'_>) -> String {
    if facts.paused.is_some() {
        return "The record was published when it was last checked.".to_owned();
    }
    format!(
        "The record is published. It is checked {}.",
        every(context.settings.recheck_period)
    )
}

fn organization_missing(facts: &Facts, context: &MessageContext<'_>) -> String {
    let create = format!(
        "Organization {} does not exist in this namespace; create it or delete this object.",
        context.identity.organization
    );
    match (facts.state, facts.paused) {
        (State::Verified, Some(since)) => format!(
            "{create} Without it the domain is given up at {}.",
            moment(schedule::add(since, context.settings.grace))
        ),
        _ => format!("{create} Without it the domain is not checked."),
    }
}

fn held_by_another(facts: &Facts, context: &MessageContext<'_>) -> String {
    let period = context.settings.hand_over_period;
    if let Some(begun) = &facts.hand_over {
        return format!(
            "The record was found, and that of the organization that holds the domain is gone. Keep the record published: the domain passes on at {} unless the other record comes back.",
            moment(schedule::add(begun.since_time.0, period))
        );
    }
    let places = facts.challenge.as_ref().and_then(|issued| issued.challenge(context)).map_or_else(
        String::new,
        |challenge| {
            format!(
                " If the domain is yours now, remove every other value at {} and every other {}-domain-verification= value at {}, for instance from an imported zone.",
                challenge.owner(RecordForm::Underscore),
                context.settings.service,
                challenge.owner(RecordForm::Apex),
            )
        },
    );
    format!(
        "The record was found, but another organization domain holds the name. Keep the record published: the name passes on when that one is deleted or fails, or {} after its record is gone.{places}",
        duration(period)
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
        "Organization {organization} proved this domain with OrganizationDomain {namespace}/{name}, but it is held by approval, which yields to no proof. Remove the DomainApproval if it is no longer right."
    )
}

/// What a holder hears when another organization proves a name below its own.
#[must_use]
pub fn subdomain_verified(name: &str) -> String {
    format!(
        "Another organization proved {name}, which is below this domain: that name and what is below it are no longer covered by this proof. If that is not intended, look for a record in your zone that delegates it or that you did not publish."
    )
}

fn record_missing(facts: &Facts, context: &MessageContext<'_>) -> String {
    let end = facts
        .record_missing
        .as_ref()
        .map(|missing| schedule::add(missing.since_time.0, context.settings.grace));
    match end {
        Some(end) => format!(
            "The record of this verified domain is missing. Unless it is published again, the domain is lost at {}, and after {} to an organization that proves it. {}{}",
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

/// Where to read what the servers said. It is not told of internal names, whose administrators look with
/// `freehold check`.
fn seen_in(context: &MessageContext<'_>, place: &'static str) -> &'static str {
    if context.is_internal() {
        "; what its servers say is not shown, as the name is internal"
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
    let until = issued
        .expiry(context.settings)
        .map_or(String::new(), |time| format!(" until {}", moment(time)));
    format!(
        "Publish a TXT record at {} with the value {}{until}; status.challenge.records has another form that does as well.{}",
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
        .map_or(String::new(), |link| format!(", for instance on {link}"));
    format!(" The zone's DNS is run by {name}: add the record there{page}.")
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
