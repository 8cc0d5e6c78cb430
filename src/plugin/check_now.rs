//! `kubectl freehold check-now`: a check at once, and what it found.

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::access::{Access, PATCH};
use super::text::{path, reason, status_of};
use super::{Failure, print};
use crate::api::conditions::{self, READY, RECORD_PRESENT, VERIFIED};
use crate::api::organization_domain::{CheckVerdict, Strategy};
use crate::api::{OrganizationDomain, REQUESTED_AT};
use crate::cluster::names;
use crate::model::schedule::parse_duration;
use crate::model::{message, terminal};

/// Between two looks.
const POLL: Duration = Duration::from_millis(500);

/// Request a check now and wait for its outcome. A failed domain starts again with a new record.
///
/// Exits with 0 if the domain is proven, 3 if it is not, and 4 if there was no outcome in time or the
/// check could not decide.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of the OrganizationDomain.
    #[arg(value_parser = names::parse_object)]
    name: String,

    /// Maximum time to wait for the outcome.
    #[arg(long, default_value = "2m", value_parser = parse_duration)]
    timeout: SignedDuration,
}

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let outcome = timeout(arguments.timeout.unsigned_abs(), outcome(access, arguments)).await;
    let outcome = outcome.map_err(|_| Failure::NoOutcome(message::duration(arguments.timeout)))?;
    print_outcome(&outcome?)
}

/// The object once an operator answered the request.
async fn outcome(access: &Access, arguments: &Arguments) -> Result<OrganizationDomain, Failure> {
    let name = &arguments.name;
    // The operator takes any new value for a request.
    let request = Timestamp::now().to_string();
    let change = json!({ "metadata": { "annotations": { REQUESTED_AT: request } } });
    let change = Patch::Merge(&change);
    let asked = access
        .objects::<OrganizationDomain>()
        .patch(name, &PatchParams::default(), &change)
        .await
        .map_err(|error| access.why(error, PATCH, name))?;
    loop {
        let domain = access.domain(name).await?;
        if domain.uid() != asked.metadata().uid {
            let why = format!("{name} was created again meanwhile; run the command again");
            return Err(Failure::Impossible(why));
        }
        // Whoever asks in the same moment replaces the request by one that is later, and answers both.
        let open = domain.annotations().get(REQUESTED_AT).unwrap_or(&request);
        let handled = status_of(&domain).last_handled_request;
        if handled.is_some_and(|handled| handled == request || handled == *open) {
            return Ok(domain);
        }
        sleep(POLL).await;
    }
}

fn print_outcome(domain: &OrganizationDomain) -> Result<(), Failure> {
    let status = status_of(domain);
    let state = status.state.map(|state| format!("{state:?}"));
    let message = conditions::find(&status.conditions, READY)
        .map_or("", |condition| condition.message.as_str());
    print(&format!(
        "{} ({}): {}, {}\n{}\n",
        path(domain),
        terminal::line(&domain.spec.domain),
        state.unwrap_or_default(),
        reason(&status),
        terminal::line(message)
    ))?;
    let is = |kind, wanted| {
        conditions::find(&status.conditions, kind)
            .is_some_and(|condition| condition.status == wanted)
    };
    let verdict = status.last_check.as_ref().map(|check| check.verdict);
    if !is(VERIFIED, "True") || is(RECORD_PRESENT, "False") {
        Err(Failure::NotProven)
    } else if verdict == Some(CheckVerdict::Inconclusive)
        && status.strategy != Some(Strategy::Manual)
    {
        // What was proved before stands, and this check says nothing of it.
        Err(Failure::Inconclusive)
    } else {
        Ok(())
    }
}
