//! Writes what was decided.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::status;
use crate::api::Strategy;
use crate::api::organization_domain::{OrganizationDomain, OrganizationDomainStatus};
use crate::cluster::decode::Decoded;
use crate::cluster::error::ApiError;
use crate::cluster::store::domain::Domain;
use crate::controller::announcer::Announcer;
use crate::controller::checks::Checked;
use crate::controller::holding_writer::{HoldingWriter, Obstacle};
use crate::controller::mirror::Mirror;
use crate::controller::orphan;
use crate::model::lifecycle::{self, Decision, HoldingAction};

/// A name is taken on evidence no older than this.
const MAX_EVIDENCE_AGE: Duration = Duration::from_mins(1);

#[derive(Debug, PartialEq)]
pub enum Applied {
    /// With the object as it is now, where its status was written.
    Done(Option<Box<Domain>>),
    /// Something changed since it was read: read and decide again.
    Changed,
    EvidenceTooOld,
    Gone,
}

/// Carries decisions out.
pub struct Applier {
    pub mirror: Arc<Mirror>,
    pub holding_writer: Arc<HoldingWriter>,
    pub announcer: Arc<Announcer>,
}

impl Applier {
    /// Writes a decision, in the order in which a crash between two writes loses nothing: a holding is
    /// taken before the status says so, and released after.
    pub async fn apply(
        &self,
        domain: &Domain,
        status: &OrganizationDomainStatus,
        decision: &Decision,
        checked: Option<&Checked>,
    ) -> Result<Applied, ApiError> {
        let cluster = &self.mirror.cluster;
        // Until when what was found is as good as new.
        let until = checked.map_or_else(Instant::now, |checked| checked.begun + MAX_EVIDENCE_AGE);
        let obstacle = match &decision.holding {
            HoldingAction::Keep => None,
            HoldingAction::Release => self.not_yet_missing(domain).await?,
            HoldingAction::ReleasePredecessor => match cluster.stores.holding_of(domain) {
                Some(holding) if orphan::release_if_gone(&self.mirror, &holding).await? => {
                    Some(Obstacle::Changed)
                }
                _ => None,
            },
            HoldingAction::Take(spec) if spec.strategy == Strategy::Manual => {
                self.holding_writer.take(domain, spec, None).await?
            }
            HoldingAction::Take(spec) => {
                self.holding_writer.take(domain, spec, Some(until)).await?
            }
            HoldingAction::Rewrite(spec) => self.holding_writer.rewrite(domain, spec).await?,
            HoldingAction::HandOver(spec) => {
                let judged = checked.and_then(|checked| checked.holding.as_deref());
                self.holding_writer
                    .hand_over(domain, spec, judged, until)
                    .await?
            }
        };
        match obstacle {
            None => {}
            Some(Obstacle::Changed) => return Ok(Applied::Changed),
            Some(Obstacle::TooOld) => return Ok(Applied::EvidenceTooOld),
            Some(Obstacle::Gone) => return Ok(Applied::Gone),
        }
        let text_only =
            checked.is_none() && lifecycle::same_but_for_texts(&decision.status, status);
        let unwritten = self.mirror.unwritten.read().stored(domain).is_some();
        let mut now = None;
        if unwritten || decision.status != *status && !text_only {
            let published = self.announcer.published(domain, status);
            let next = OrganizationDomainStatus {
                published_sequence: Some(published).filter(|&published| published > 0),
                ..decision.status.clone()
            };
            match self.write(domain, &next).await {
                Ok(Written::Status(written)) => {
                    self.mirror.forget_unwritten(&domain.key);
                    let ours = cluster.scope.takes(written.metadata());
                    let organization = domain.organization.name();
                    let written = Domain::project_with(*written, &domain.stated, organization);
                    self.mirror.update(written.clone(), ours);
                    now = Some(Box::new(written));
                }
                Ok(Written::Nothing(applied)) => return Ok(applied),
                // What is owed to others goes on all the same.
                Err(error @ ApiError::TooLarge(_)) => {
                    let notice = lifecycle::notices::no_room(&decision.status);
                    let (decided, is_new) =
                        self.mirror
                            .record_unwritten(domain, status, &next, &notice.fact);
                    if is_new {
                        tracing::warn!(key = %domain.key, %error, "cannot write the status");
                        self.announcer.publish(domain, notice);
                    }
                    now = Some(Box::new(decided));
                }
                Err(error) => return Err(error),
            }
        }
        if decision.holding == HoldingAction::Release
            && let Some(holding) = cluster.stores.held_by(domain)
        {
            match self.mirror.delete_holding(&holding).await {
                Err(ApiError::Conflict) => {
                    self.mirror.refresh_holding(&holding.name).await?;
                    return Ok(Applied::Changed);
                }
                result => result?,
            }
        }
        Ok(Applied::Done(now))
    }

    async fn write(
        &self,
        domain: &Domain,
        status: &OrganizationDomainStatus,
    ) -> Result<Written, ApiError> {
        let cluster = &self.mirror.cluster;
        match status::write(cluster, domain, status).await {
            Ok(written) => Ok(Written::Status(Box::new(written))),
            Err(ApiError::Conflict | ApiError::NotFound) => {
                let live = self.mirror.refresh(&domain.key).await?;
                let Some(live) = live.filter(|live| live.uid == domain.uid) else {
                    // What was taken for it a moment ago is an orphan by now.
                    self.mirror.enqueue_orphan_check(domain);
                    return Ok(Written::Nothing(Applied::Gone));
                };
                let over = status::write_over(&self.mirror, domain, &live, status).await?;
                Ok(over.map_or(Written::Nothing(Applied::Changed), |written| {
                    Written::Status(Box::new(written))
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// A name is not given up for want of an organization on the word of a cache.
    async fn not_yet_missing(&self, domain: &Domain) -> Result<Option<Obstacle>, ApiError> {
        let cluster = &self.mirror.cluster;
        let organization = domain.organization.clone();
        if cluster.stores.organizations().exists(&organization)
            || !self.mirror.organization_exists_live(&organization).await?
        {
            return Ok(None);
        }
        cluster
            .stores
            .organizations_mut()
            .insert_invalid(organization);
        Ok(Some(Obstacle::Changed))
    }
}

/// What became of a write.
enum Written {
    Status(Box<Decoded<OrganizationDomain>>),
    Nothing(Applied),
}

#[cfg(test)]
mod tests;
