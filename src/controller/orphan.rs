//! Orphans: holdings are released once their holder is gone for certain.

use std::sync::Arc;
use std::time::Duration;

use super::mirror::Mirror;
use crate::api::organization_domain::OrganizationDomain;
use crate::cluster::error::ApiError;
use crate::cluster::store::domain::Domain;
use crate::cluster::store::holdings::HoldingView;
use crate::model::lifecycle::{self, HeldBy};
use crate::model::schedule;
use crate::telemetry::metrics::Controller;
use crate::workqueue::queue::Queue;
use crate::workqueue::worker::Reconciler;

/// Least time between two releases of orphans, and before another try.
const RELEASE_PAUSE: Duration = Duration::from_millis(100);

/// Between two reminders that an import did not end.
const IMPORT_REMINDER: Duration = Duration::from_mins(10);

/// Looks at holdings whose holder may be gone, or left alone.
pub struct OrphanReconciler {
    pub mirror: Arc<Mirror>,
}

impl Reconciler for OrphanReconciler {
    type Key = Arc<str>;
    const CONTROLLER: Controller = Controller::VerifiedDomain;

    fn queue(&self) -> &Queue<Arc<str>> {
        &self.mirror.queues.orphans
    }

    async fn reconcile(&self, name: &Arc<str>) -> Result<Option<Duration>, ApiError> {
        let mirror = &self.mirror;
        let cluster = &mirror.cluster;
        let Some(holding) = cluster.stores.holdings.read().get(name) else {
            return Ok(None);
        };
        let namespace = holding.holder.key.namespace();
        if cluster.stores.knows_holder(&holding) || !cluster.scope.watches(namespace) {
            return Ok(None);
        }
        if holding.importing {
            tracing::warn!(
                %name, holder = %holding.holder.key,
                "an import did not create the holder: run the import again, or delete the VerifiedDomain"
            );
            return Ok(Some(IMPORT_REMINDER));
        }
        match release_unless_exists(mirror, &holding).await {
            Err(ApiError::Conflict) => {
                mirror.refresh_holding(name).await?;
                Ok(Some(RELEASE_PAUSE))
            }
            Err(error) => Err(error),
            Ok(None) => {
                tokio::time::sleep(RELEASE_PAUSE).await;
                Ok(None)
            }
            Ok(Some(holder)) => Ok(adopt_if_overdue(mirror, &holding, holder)),
        }
    }
}

/// The default shard's duty: a holder that is not in its store is another shard's, or cannot be read.
/// Where its checks are not made, for nobody runs that shard, they are made here.
fn adopt_if_overdue(mirror: &Mirror, holding: &HoldingView, holder: Domain) -> Option<Duration> {
    let status = holder.whole()?;
    if !mirror.cluster.scope.shard.is_default() {
        return None;
    }
    let now = mirror.cluster.clock.now();
    let from = lifecycle::left_alone_from(now, &mirror.settings, status, holding.since);
    if from > now {
        return Some(schedule::wait(now, from));
    }
    tracing::info!(holder = %holder.key, name = %holding.name, "no shard checks this domain, so this one does");
    mirror.borrow(holder, now);
    None
}

/// Releases the holding if a live read shows that its holder is gone: not found, deleted though a
/// finalizer keeps it, or another object by now, or of another name. A store, an error or a refusal is no such proof.
/// One of the same name, organization and domain that carries the very token is a restored back-up,
/// and is left its holding, as is one that an import has yet to make.
pub async fn release_if_gone(mirror: &Mirror, holding: &HoldingView) -> Result<bool, ApiError> {
    Ok(!holding.importing && release_unless_exists(mirror, holding).await?.is_none())
}

/// The holder as the live read shows it; none where it is gone and the holding released.
async fn release_unless_exists(
    mirror: &Mirror,
    holding: &HoldingView,
) -> Result<Option<Domain>, ApiError> {
    let holder = &holding.holder;
    let client = &mirror.cluster.client;
    let api = client.namespaced::<OrganizationDomain>(holder.key.namespace());
    let found = client.call_opt(api.get(holder.key.name())).await?;
    let live = found
        .map(|object| Domain::project_with(object, &holding.name, &holder.organization))
        .filter(|live| {
            let held_by = holding.seen_by(live, live.token().as_ref());
            let same = live.uid == holder.uid || matches!(held_by, HeldBy::Restored { .. });
            !live.deleting && same && live.states(&holding.name)
        });
    if live.is_none() {
        mirror.delete_holding(holding).await?;
    }
    Ok(live)
}
