//! Names are taken, kept and passed on by writes that the API server decides.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::Instant;

use super::live_reads::LiveReads;
use super::mirror::Mirror;
use crate::api::{OrganizationDomain, VerifiedDomain, VerifiedDomainSpec};
use crate::cluster::error::ApiError;
use crate::cluster::store::domain::Domain;
use crate::cluster::store::holdings::HoldingView;
use crate::cluster::store::namespaces::is_suspended;

/// Why a name was not written.
pub enum Obstacle {
    /// Something changed since it was read: read and decide again.
    Changed,
    /// The evidence is too old by now: gather it again.
    TooOld,
    /// The object is gone.
    Gone,
}

/// Writes holdings.
pub struct HoldingWriter {
    mirror: Arc<Mirror>,
    /// Of suspensions.
    live_reads: LiveReads,
}

impl HoldingWriter {
    #[must_use]
    pub fn new(mirror: Arc<Mirror>) -> Self {
        Self {
            mirror,
            live_reads: LiveReads::default(),
        }
    }

    /// Takes the name, unless a last read shows another object than the one that was judged, the API
    /// server has a holder already, or the time until which the evidence counts, if it is one of evidence,
    /// is over.
    pub async fn take(
        &self,
        domain: &Domain,
        spec: &VerifiedDomainSpec,
        until: Option<Instant>,
    ) -> Result<Option<Obstacle>, ApiError> {
        // An object that is gone shows again when the status is written under its version, and the name is
        // given back at once.
        let read = self.mirror.refresh_since(domain).boxed();
        if let Some(obstacle) = self.recheck_before_write(domain, read).await? {
            return Ok(Some(obstacle));
        }
        let Some(canonical) = &domain.canonical else {
            return Ok(Some(Obstacle::Changed));
        };
        if until.is_some_and(|until| Instant::now() > until) {
            return Ok(Some(Obstacle::TooOld));
        }
        let object = VerifiedDomain::new(canonical, spec.clone());
        let client = &self.mirror.cluster.client;
        let api = client.all::<VerifiedDomain>();
        match client
            .call(api.create(&PostParams::default(), &object))
            .await
        {
            Ok(created) => {
                self.mirror
                    .remember_holding(HoldingView::project(created.0?), false);
                Ok(None)
            }
            Err(ApiError::AlreadyExists) => {
                self.mirror.refresh_holding(canonical).await?;
                Ok(Some(Obstacle::Changed))
            }
            Err(error) => Err(error),
        }
    }

    /// Rewrites our own holding, or the one of our earlier uid.
    pub async fn rewrite(
        &self,
        domain: &Domain,
        spec: &VerifiedDomainSpec,
    ) -> Result<Option<Obstacle>, ApiError> {
        let Some(holding) = self.mirror.cluster.stores.holding_of(domain) else {
            return Ok(Some(Obstacle::Changed));
        };
        // What an object holds already, a suspension neither takes away nor leaves unwritten.
        let live = self.mirror.refresh(&domain.key).await?;
        match is_another(domain, live.as_deref()) {
            None => self.replace(&holding, spec.clone()).await,
            Some(obstacle) => Ok(Some(obstacle)),
        }
    }

    /// Passes a name on: the holding that was judged must still be there, with its holder.
    pub async fn hand_over(
        &self,
        domain: &Domain,
        spec: &VerifiedDomainSpec,
        judged: Option<&HoldingView>,
        until: Instant,
    ) -> Result<Option<Obstacle>, ApiError> {
        let read = self.mirror.refresh(&domain.key).boxed();
        if let Some(obstacle) = self.recheck_before_write(domain, read).await? {
            return Ok(Some(obstacle));
        }
        let Some(holding) = self.mirror.cluster.stores.holding_of(domain) else {
            return Ok(Some(Obstacle::Changed));
        };
        if self.live_holder(&holding).await?.is_none() {
            return Ok(Some(Obstacle::Changed));
        }
        if judged != Some(&*holding) || Instant::now() > until {
            return Ok(Some(Obstacle::TooOld));
        }
        let from = Some(holding.holder.uid.to_string());
        let spec = VerifiedDomainSpec {
            handed_over_from: from,
            ..spec.clone()
        };
        self.replace(&holding, spec).await
    }

    /// The holder as a live read shows it; none where it is gone, or its token is not the one that was
    /// proved.
    pub async fn live_holder(&self, holding: &HoldingView) -> Result<Option<Domain>, ApiError> {
        let holder = &holding.holder;
        let client = &self.mirror.cluster.client;
        let api = client.namespaced::<OrganizationDomain>(holder.key.namespace());
        match client.call(api.get(holder.key.name())).await {
            Ok(object) => {
                let live = Domain::project_with(object, &holding.name, &holder.organization);
                let proved = live
                    .token()
                    .is_some_and(|token| token.hash() == holder.token_hash());
                let there = live.uid == holder.uid && !live.deleting;
                Ok(Some(live).filter(|_| there && proved))
            }
            Err(ApiError::NotFound) => {
                // An import makes the holder yet, and is reminded of it by and by.
                if !holding.importing {
                    self.mirror.queues.orphans.add(holding.name.clone());
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A last read before a name is written: the very object with the very token, not deleted, its
    /// namespace not suspended. Both are read at once.
    async fn recheck_before_write(
        &self,
        domain: &Domain,
        read: BoxFuture<'_, Result<Option<Arc<Domain>>, ApiError>>,
    ) -> Result<Option<Obstacle>, ApiError> {
        let suspended = self.is_suspended_live(domain.key.namespace());
        let (live, suspended) = tokio::join!(read, suspended);
        // Of an object that is gone, the namespace may be gone as well.
        if let Some(obstacle) = is_another(domain, live?.as_deref()) {
            return Ok(Some(obstacle));
        }
        // The watch may have shown it while either was read.
        let suspended_by_now = || {
            self.mirror
                .cluster
                .stores
                .namespaces()
                .suspended(domain.key.namespace())
        };
        Ok((suspended? || suspended_by_now()).then_some(Obstacle::Changed))
    }

    async fn replace(
        &self,
        holding: &HoldingView,
        spec: VerifiedDomainSpec,
    ) -> Result<Option<Obstacle>, ApiError> {
        let mut object = VerifiedDomain::new(&holding.name, spec);
        object.metadata = ObjectMeta {
            uid: Some(holding.uid.to_string()),
            resource_version: Some(holding.version.to_string()),
            ..object.metadata
        };
        let client = &self.mirror.cluster.client;
        let api = client.all::<VerifiedDomain>();
        match client
            .call(api.replace(&holding.name, &PostParams::default(), &object))
            .await
        {
            Ok(written) => {
                self.mirror
                    .remember_holding(HoldingView::project(written.0?), false);
                Ok(None)
            }
            Err(ApiError::Conflict | ApiError::NotFound) => {
                self.mirror.refresh_holding(&holding.name).await?;
                Ok(Some(Obstacle::Changed))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the namespace is suspended, by a live read that is a moment old at most.
    async fn is_suspended_live(&self, namespace: &str) -> Result<bool, ApiError> {
        let client = &self.mirror.cluster.client;
        let api = client.all::<Namespace>();
        self.live_reads
            .suspended(namespace, client.deadline, || async {
                Ok(is_suspended(
                    &client.call(api.get_metadata(namespace)).await?,
                ))
            })
            .await
    }
}

/// Whether a read shows another object than the one that was judged, or another version of it: what
/// was counted of a hand-over stands in its status.
fn is_another(domain: &Domain, live: Option<&Domain>) -> Option<Obstacle> {
    let same = live.filter(|live| live.uid == domain.uid && !live.deleting);
    match same {
        None => Some(Obstacle::Gone),
        Some(live) => (live.version != domain.version).then_some(Obstacle::Changed),
    }
}
