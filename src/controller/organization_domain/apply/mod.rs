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

/// Carries decisions out.
pub struct Applier {
    pub mirror: Arc<Mirror>,
    pub holding_writer: Arc<HoldingWriter>,
    pub announcer: Arc<Announcer>,
}

impl Applier {
    /// Writes a decision, in the order in which a crash between two writes loses nothing: a holding is
    /// taken before the status says so, and released after. Returns the object as it is now, where its
    /// status was written.
    pub async fn apply(
        &self,
        domain: &Domain,
        status: &OrganizationDomainStatus,
        decision: &Decision,
        checked: Option<&Checked>,
    ) -> Result<Option<Domain>, Obstacle> {
        let cluster = &self.mirror.cluster;
        let writer = &self.holding_writer;
        // Until when what was found is as good as new.
        let until = checked.map_or_else(Instant::now, |checked| checked.begun + MAX_EVIDENCE_AGE);
        match &decision.holding {
            HoldingAction::Keep => {}
            HoldingAction::Release => self.recheck_organization(domain).await?,
            HoldingAction::ReleasePredecessor => {
                if let Some(holding) = cluster.stores.holding_of(domain)
                    && orphan::release_if_gone(&self.mirror, &holding).await?
                {
                    return Err(Obstacle::Changed);
                }
            }
            HoldingAction::Take(spec) => {
                let until = Some(until).filter(|_| spec.strategy != Strategy::Manual);
                writer.take(domain, spec, until).await?;
            }
            HoldingAction::Rewrite(spec) => writer.rewrite(domain, spec).await?,
            HoldingAction::HandOver(spec) => {
                let judged = checked.and_then(|checked| checked.holding.as_deref());
                writer.hand_over(domain, spec, judged, until).await?;
            }
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
                Ok(written) => {
                    self.mirror.forget_unwritten(&domain.key);
                    let ours = cluster.scope.shard.takes_object(written.metadata());
                    let organization = domain.organization.name();
                    let written = Domain::project_with(written, &domain.stated, organization);
                    self.mirror.update(written.clone(), ours);
                    now = Some(written);
                }
                // What is owed to others goes on all the same.
                Err(Obstacle::Api(error @ ApiError::TooLarge(_))) => {
                    let notice = lifecycle::notices::no_room(&decision.status);
                    let (decided, is_new) =
                        self.mirror
                            .record_unwritten(domain, status, &next, &notice.fact);
                    if is_new {
                        tracing::warn!(key = %domain.key, %error, "cannot write the status");
                        self.announcer.publish(domain, notice);
                    }
                    now = Some(decided);
                }
                Err(obstacle) => return Err(obstacle),
            }
        }
        if decision.holding == HoldingAction::Release
            && let Some(holding) = cluster.stores.held_by(domain)
        {
            match self.mirror.delete_holding(&holding).await {
                Err(ApiError::Conflict) => {
                    self.mirror.refresh_holding(&holding.name).await?;
                    return Err(Obstacle::Changed);
                }
                result => result?,
            }
        }
        Ok(now)
    }

    async fn write(
        &self,
        domain: &Domain,
        status: &OrganizationDomainStatus,
    ) -> Result<Decoded<OrganizationDomain>, Obstacle> {
        match status::write(&self.mirror.cluster, domain, status).await {
            Err(ApiError::Conflict | ApiError::NotFound) => {
                let live = self.mirror.refresh(&domain.key).await?;
                let Some(live) = live.filter(|live| live.uid == domain.uid) else {
                    // What was taken for it a moment ago is an orphan by now.
                    self.mirror.enqueue_orphan_check(domain);
                    return Err(Obstacle::Gone);
                };
                let over = status::write_over(&self.mirror, domain, &live, status).await?;
                over.ok_or(Obstacle::Changed)
            }
            written => Ok(written?),
        }
    }

    /// A name is not given up for want of an organization on the word of a cache.
    async fn recheck_organization(&self, domain: &Domain) -> Result<(), Obstacle> {
        let organizations = &self.mirror.cluster.stores.organizations;
        let key = &domain.organization;
        if organizations.read().exists(key) || !self.mirror.organization_exists_live(key).await? {
            return Ok(());
        }
        organizations.write().insert_invalid(key.clone());
        Err(Obstacle::Changed)
    }
}

#[cfg(test)]
mod tests;
