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
use crate::cluster::decode::Decoded;
use crate::cluster::error::ApiError;
use crate::cluster::store::domain::Domain;
use crate::cluster::store::holdings::HoldingView;
use crate::cluster::store::namespaces::is_suspended;

/// Why a decision was not carried out.
#[derive(Debug)]
pub enum Obstacle {
    /// Something changed since it was read: read and decide again.
    Changed,
    /// The evidence is too old by now: gather it again.
    TooOld,
    /// The object is gone.
    Gone,
    Api(ApiError),
}

impl From<ApiError> for Obstacle {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
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
    ) -> Result<(), Obstacle> {
        // An object that is gone shows again when the status is written under its version, and the name is
        // given back at once.
        let read = self.mirror.refresh_since(domain).boxed();
        self.recheck_before_write(domain, read).await?;
        let canonical = domain.canonical.as_ref().ok_or(Obstacle::Changed)?;
        if until.is_some_and(|until| Instant::now() > until) {
            return Err(Obstacle::TooOld);
        }
        let object = VerifiedDomain::new(canonical, spec.clone());
        let client = &self.mirror.cluster.client;
        let api = client.all::<VerifiedDomain>();
        let params = PostParams::default();
        match client.call(api.create(&params, &object)).await {
            Err(ApiError::AlreadyExists) => {
                self.mirror.refresh_holding(canonical).await?;
                Err(Obstacle::Changed)
            }
            created => self.remember(created?),
        }
    }

    /// Rewrites our own holding, or the one of our earlier uid.
    pub async fn rewrite(
        &self,
        domain: &Domain,
        spec: &VerifiedDomainSpec,
    ) -> Result<(), Obstacle> {
        let holding = self.mirror.cluster.stores.holding_of(domain);
        let holding = holding.ok_or(Obstacle::Changed)?;
        // What an object holds already, a suspension neither takes away nor leaves unwritten.
        let live = self.mirror.refresh(&domain.key).await?;
        is_same(domain, live.as_deref())?;
        self.replace(&holding, spec.clone()).await
    }

    /// Passes a name on: the holding that was judged must still be there, with its holder.
    pub async fn hand_over(
        &self,
        domain: &Domain,
        spec: &VerifiedDomainSpec,
        judged: Option<&HoldingView>,
        until: Instant,
    ) -> Result<(), Obstacle> {
        let read = self.mirror.refresh(&domain.key).boxed();
        self.recheck_before_write(domain, read).await?;
        let holding = self.mirror.cluster.stores.holding_of(domain);
        let holding = holding.ok_or(Obstacle::Changed)?;
        let live = self.live_holder(&holding).await?;
        live.ok_or(Obstacle::Changed)?;
        if judged != Some(&*holding) || Instant::now() > until {
            return Err(Obstacle::TooOld);
        }
        let spec = VerifiedDomainSpec {
            handed_over_from: Some(holding.holder.uid.to_string()),
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
        let found = client.call_opt(api.get(holder.key.name())).await?;
        // An import makes the holder yet, and is reminded of it by and by.
        if found.is_none() && !holding.importing {
            self.mirror.queues.orphans.add(holding.name.clone());
        }
        let live =
            found.map(|object| Domain::project_with(object, &holding.name, &holder.organization));
        Ok(live.filter(|live| {
            let token = live.token();
            let proved = token.is_some_and(|token| token.hash() == holder.token_hash());
            proved && live.uid == holder.uid && !live.deleting
        }))
    }

    /// A last read before a name is written: the very object with the very token, not deleted, its
    /// namespace not suspended. Both are read at once.
    async fn recheck_before_write(
        &self,
        domain: &Domain,
        read: BoxFuture<'_, Result<Option<Arc<Domain>>, ApiError>>,
    ) -> Result<(), Obstacle> {
        let namespace = domain.key.namespace();
        let (live, suspended) = tokio::join!(read, self.is_suspended_live(namespace));
        // Of an object that is gone, the namespace may be gone as well.
        is_same(domain, live?.as_deref())?;
        // The watch may have shown it while either was read.
        let namespaces = &self.mirror.cluster.stores.namespaces;
        if suspended? || namespaces.read().suspended(namespace) {
            return Err(Obstacle::Changed);
        }
        Ok(())
    }

    async fn replace(
        &self,
        holding: &HoldingView,
        spec: VerifiedDomainSpec,
    ) -> Result<(), Obstacle> {
        let mut object = VerifiedDomain::new(&holding.name, spec);
        object.metadata = ObjectMeta {
            uid: Some(holding.uid.to_string()),
            resource_version: Some(holding.version.to_string()),
            ..object.metadata
        };
        let client = &self.mirror.cluster.client;
        let api = client.all::<VerifiedDomain>();
        let params = PostParams::default();
        let request = api.replace(&holding.name, &params, &object);
        match client.call(request).await {
            Err(ApiError::Conflict | ApiError::NotFound) => {
                self.mirror.refresh_holding(&holding.name).await?;
                Err(Obstacle::Changed)
            }
            written => self.remember(written?),
        }
    }

    fn remember(&self, written: Decoded<VerifiedDomain>) -> Result<(), Obstacle> {
        let holding = HoldingView::project(written.0.map_err(ApiError::from)?);
        self.mirror.remember_holding(holding, false);
        Ok(())
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

/// Fails where a read shows another object than the one that was judged, or another version of it: what
/// was counted of a hand-over stands in its status.
fn is_same(domain: &Domain, live: Option<&Domain>) -> Result<(), Obstacle> {
    match live.filter(|live| live.uid == domain.uid && !live.deleting) {
        None => Err(Obstacle::Gone),
        Some(live) if live.version != domain.version => Err(Obstacle::Changed),
        Some(_) => Ok(()),
    }
}
