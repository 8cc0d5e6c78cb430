//! Writes what was decided.

use std::time::Duration;

use tokio::time::Instant;

use super::check::Checked;
use super::notices::publish;
use super::{held, own};
use crate::api::Strategy;
use crate::api::organization_domain::{OrganizationDomain, OrganizationDomainStatus};
use crate::controller::calls::CallError;
use crate::controller::holding::{self, Obstacle};
use crate::controller::operator::Operator;
use crate::controller::store::domain::Domain;
use crate::controller::{status, verified_domain};
use crate::model::lifecycle::{self, Decision, Holding};
use crate::objects::Decoded;

/// A name is taken on evidence no older than this.
const MAX_EVIDENCE_AGE: Duration = Duration::from_mins(1);

pub enum Applied {
    Done,
    /// Something changed since it was read: read and decide again.
    Changed,
    EvidenceTooOld,
    Gone,
}

/// Writes a decision, in the order in which a crash between two writes loses nothing: a holding is
/// taken before the status tells of it, and released after.
pub async fn apply(
    operator: &Operator,
    domain: &Domain,
    status: &OrganizationDomainStatus,
    decision: &Decision,
    checked: Option<&Checked>,
) -> Result<Applied, CallError> {
    // Until when what was found is as good as new.
    let until = checked.map_or_else(Instant::now, |checked| checked.begun + MAX_EVIDENCE_AGE);
    let obstacle = match &decision.holding {
        Holding::Keep => None,
        Holding::Release => not_yet_missing(operator, domain).await?,
        Holding::ReleasePredecessor => match held(operator, domain) {
            Some(holding) if verified_domain::release_if_gone(operator, &holding).await? => {
                Some(Obstacle::Changed)
            }
            _ => None,
        },
        Holding::Take(spec) if spec.strategy == Strategy::Manual => {
            holding::take(operator, domain, spec, None).await?
        }
        Holding::Take(spec) => holding::take(operator, domain, spec, Some(until)).await?,
        Holding::Rewrite(spec) => holding::rewrite(operator, domain, spec).await?,
        Holding::HandOver(spec) => {
            let judged = checked.and_then(|checked| checked.holding.as_deref());
            holding::hand_over(operator, domain, spec, judged, until).await?
        }
    };
    match obstacle {
        None => {}
        Some(Obstacle::Changed) => return Ok(Applied::Changed),
        Some(Obstacle::TooOld) => return Ok(Applied::EvidenceTooOld),
        Some(Obstacle::Gone) => return Ok(Applied::Gone),
    }
    let text_only = checked.is_none() && lifecycle::same_but_for_texts(&decision.status, status);
    let unwritten = operator.stores.unwritten().stored(domain).is_some();
    if unwritten || decision.status != *status && !text_only {
        match write(operator, domain, &decision.status).await {
            Ok(Written::Status(written)) => {
                operator.forget_unwritten(&domain.key);
                let ours = operator.shard.takes_object(written.metadata());
                let organization = domain.organization.name();
                let written = Domain::project_with(*written, &domain.stated, organization);
                operator.stores.domains_mut().forget_told(&domain.key);
                operator.update(written, ours);
            }
            Ok(Written::Nothing(applied)) => return Ok(applied),
            // What is owed to others goes on all the same.
            Err(error @ CallError::TooLarge(_)) => {
                let notice = lifecycle::no_room(&decision.status);
                if operator.keep_unwritten(domain, status, &decision.status, &notice.fact) {
                    tracing::warn!(key = %domain.key, %error, "the status cannot be written");
                    publish(operator, domain, vec![notice]);
                }
            }
            Err(error) => return Err(error),
        }
    }
    // Before the release: once the status tells of the loss, a second try finds nothing new to tell.
    publish(operator, domain, decision.notices.clone());
    if decision.holding == Holding::Release
        && let Some(holding) = own(operator, domain)
    {
        match operator.delete_holding(&holding).await {
            Err(CallError::Conflict) => {
                operator.refresh_holding(&holding.name).await?;
                return Ok(Applied::Changed);
            }
            result => result?,
        }
    }
    Ok(Applied::Done)
}

/// What became of a write.
enum Written {
    Status(Box<Decoded<OrganizationDomain>>),
    Nothing(Applied),
}

async fn write(
    operator: &Operator,
    domain: &Domain,
    status: &OrganizationDomainStatus,
) -> Result<Written, CallError> {
    match status::write(operator, domain, status).await {
        Ok(written) => Ok(Written::Status(Box::new(written))),
        Err(CallError::Conflict | CallError::NotFound) => {
            let live = operator.refresh(&domain.key).await?;
            let Some(live) = live.filter(|live| live.uid == domain.uid) else {
                // What was taken for it a moment ago is an orphan by now.
                operator.look_for_orphans(domain);
                return Ok(Written::Nothing(Applied::Gone));
            };
            let over = status::write_over(operator, domain, &live, status).await?;
            Ok(over.map_or(Written::Nothing(Applied::Changed), |written| {
                Written::Status(Box::new(written))
            }))
        }
        Err(error) => Err(error),
    }
}

/// A name is not given up for want of an organization on the word of a cache.
async fn not_yet_missing(
    operator: &Operator,
    domain: &Domain,
) -> Result<Option<Obstacle>, CallError> {
    let organization = domain.organization.clone();
    if operator.stores.organizations().exists(&organization)
        || !operator.organization_exists_live(&organization).await?
    {
        return Ok(None);
    }
    operator
        .stores
        .organizations_mut()
        .insert_unreadable(organization);
    Ok(Some(Obstacle::Changed))
}
