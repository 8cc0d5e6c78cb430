//! Holdings: mirrored from `VerifiedDomain`s, and released once their holder is gone for certain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};

use super::operator::Operator;
use super::organization_domain;
use crate::api::organization_domain::OrganizationDomain;
use crate::api::verified_domain::VerifiedDomain;
use crate::cluster::error::ApiError;
use crate::cluster::objects::Objects;
use crate::cluster::store::Key;
use crate::cluster::store::domain::{Domain, Kept};
use crate::cluster::store::holdings::HoldingView;
use crate::cluster::watch;
use crate::model::lifecycle::{self, HeldBy};
use crate::model::schedule;
use crate::model::uid::Uid;

/// Least time between two releases of orphans, and before another try.
const RELEASE_PAUSE: Duration = Duration::from_millis(100);

/// Between two reminders that an import did not end.
const IMPORT_REMINDER: Duration = Duration::from_mins(10);

/// What the watch of holdings does.
pub struct Handler(pub Arc<Operator>);

impl watch::Handler for Handler {
    type Kind = VerifiedDomain;

    fn objects(client: &kube::Client, _: Option<&str>) -> Objects<VerifiedDomain> {
        Objects::all(client.clone())
    }

    fn applied(&self, object: VerifiedDomain, listed: bool) {
        self.0
            .remember_holding(HoldingView::project(object), listed);
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut holdings = self.0.stores.holdings_mut();
            match uid {
                Some(uid) => holdings.remove_uid(key.name(), uid),
                None => holdings.remove(key.name()),
            }
        };
        if gone.is_some() {
            self.0.look_at_all_that_state(key.name());
        }
    }

    fn listed(&self) {
        self.0.retry_failed();
    }

    fn known(&self, _: Option<&str>) -> Vec<Key> {
        self.0
            .stores
            .holdings()
            .names()
            .iter()
            .map(|name| Key::new("", name))
            .collect()
    }
}

impl Operator {
    /// Takes a holding into the store and asks for what follows from it.
    pub(super) fn remember_holding(&self, holding: HoldingView, listed: bool) {
        let holding = Arc::new(holding);
        if !self
            .stores
            .holdings_mut()
            .upsert(Arc::clone(&holding), listed)
        {
            return;
        }
        self.look_at_all_that_state(&holding.name);
        if self.synced.load(Ordering::Relaxed) {
            self.look_for_holder_later(&holding);
        }
    }

    /// All stores have their first full list. Before that, nearly every holder seemed to be missing.
    pub(super) fn look_for_missing_holders(&self) {
        self.synced.store(true, Ordering::Relaxed);
        let names = self.stores.holdings().names();
        for name in names {
            let holding = self.stores.holdings().get(&name);
            if let Some(holding) = holding {
                self.look_for_holder_later(&holding);
            }
        }
    }

    /// A holder that is not in the store is gone, or another shard's: the default shard sees to both.
    /// The many of the other shards are looked at as after a cold start, not all at once.
    fn look_for_holder_later(&self, holding: &HoldingView) {
        let namespace = holding.holder.key.namespace();
        if !self.shard.is_default() || !self.watches(namespace) || self.knows_holder(holding) {
            return;
        }
        let mut wait = self.orphan_delay;
        if !self.shard.is_whole() {
            let now = Timestamp::now();
            let spread = schedule::tick_after(now, self.settings.recheck_period / 24, &holding.uid);
            wait += organization_domain::wait(now, spread);
        }
        self.orphans.add_after(holding.name.clone(), wait);
    }

    /// Reads the holding of a name live into the store; none where there is none.
    pub(super) async fn refresh_holding(
        &self,
        name: &str,
    ) -> Result<Option<Arc<HoldingView>>, ApiError> {
        let known = self.stores.holdings().get(name);
        let api = self.client.all::<VerifiedDomain>();
        match self.client.call(api.get(name)).await {
            Ok(object) => {
                let holding = HoldingView::project(object.0?);
                self.remember_holding(holding.clone(), false);
                Ok(Some(Arc::new(holding)))
            }
            Err(ApiError::NotFound) => {
                // One made since the question was asked is another, and nobody would tell of it again.
                if let Some(known) = known
                    && self
                        .stores
                        .holdings_mut()
                        .remove_uid(name, &known.uid)
                        .is_some()
                {
                    self.look_at_all_that_state(name);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes exactly this holding: another uid or resource version is somebody else's.
    pub(super) async fn delete_holding(&self, holding: &HoldingView) -> Result<(), ApiError> {
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: Some(holding.uid.to_string()),
            resource_version: Some(holding.version.to_string()),
        });
        let api = self.client.all::<VerifiedDomain>();
        match self.client.call(api.delete(&holding.name, &params)).await {
            Ok(()) | Err(ApiError::NotFound) => {
                self.stores
                    .holdings_mut()
                    .remove_uid(&holding.name, &holding.uid);
                self.look_at_all_that_state(&holding.name);
                tracing::info!(name = %holding.name, "released");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the store has the holder as one of our own, not deleted, stating the very name.
    pub(super) fn knows_holder(&self, holding: &HoldingView) -> bool {
        self.stores
            .domains()
            .get_own(&holding.holder.key)
            .is_some_and(|domain| {
                domain.uid == holding.holder.uid && !domain.deleting && states(&domain, holding)
            })
    }

    fn look_at_all_that_state(&self, name: &str) {
        // Not in the loop's head, which would keep the store locked while the queue is.
        let keys = self.stores.domains().stating(name);
        for key in keys {
            self.domains.add(key);
        }
    }
}

/// Looks at a holding whose holder may be gone, or left alone; says after which time to look again.
pub async fn reconcile(operator: &Operator, name: &str) -> Result<Option<Duration>, ApiError> {
    let Some(holding) = operator.stores.holdings().get(name) else {
        return Ok(None);
    };
    if operator.knows_holder(&holding) || !operator.watches(holding.holder.key.namespace()) {
        return Ok(None);
    }
    if holding.importing {
        tracing::warn!(
            %name, holder = %holding.holder.key,
            "an import has not made the holder: run it again, or delete the VerifiedDomain"
        );
        return Ok(Some(IMPORT_REMINDER));
    }
    match release_unless_there(operator, &holding).await {
        Err(ApiError::Conflict) => {
            operator.refresh_holding(name).await?;
            Ok(Some(RELEASE_PAUSE))
        }
        Err(error) => Err(error),
        Ok(None) => {
            tokio::time::sleep(RELEASE_PAUSE).await;
            Ok(None)
        }
        Ok(Some(holder)) => Ok(look_after(operator, &holding, holder)),
    }
}

/// The default shard's duty: a holder that is not in its store is another shard's, or cannot be read.
/// Where its checks are not made, for nobody runs that shard, they are made here.
fn look_after(operator: &Operator, holding: &HoldingView, holder: Domain) -> Option<Duration> {
    let Kept::Whole(status) = &holder.kept else {
        return None;
    };
    if !operator.shard.is_default() {
        return None;
    }
    let now = Timestamp::now();
    let from = lifecycle::left_alone_from(now, &operator.settings, status, holding.since);
    if from > now {
        return Some(organization_domain::wait(now, from));
    }
    tracing::info!(holder = %holder.key, name = %holding.name, "nobody checks it: checked here");
    operator.borrow(holder, now);
    None
}

/// Whether the object states the very name that the holding says it has.
fn states(domain: &Domain, holding: &HoldingView) -> bool {
    domain.canonical.as_ref() == Some(&holding.name)
}

/// Releases the holding if a live read shows that its holder is gone: not found, deleted though a
/// finalizer keeps it, or another object by now, or of another name. A store, an error or a refusal is no such proof.
/// One of the same name, organization and domain that carries the very token is a restored back-up,
/// and is left its holding, as is one that an import has yet to make.
pub(super) async fn release_if_gone(
    operator: &Operator,
    holding: &HoldingView,
) -> Result<bool, ApiError> {
    if holding.importing {
        return Ok(false);
    }
    let there = release_unless_there(operator, holding).await?;
    Ok(there.is_none())
}

/// The holder as the live read shows it; none where it is gone and the holding released.
async fn release_unless_there(
    operator: &Operator,
    holding: &HoldingView,
) -> Result<Option<Domain>, ApiError> {
    let holder = &holding.holder;
    let api = operator
        .client
        .namespaced::<OrganizationDomain>(holder.key.namespace());
    let there = match operator.client.call(api.get(holder.key.name())).await {
        Err(ApiError::NotFound) => None,
        Err(error) => return Err(error),
        Ok(object) => {
            let live = Domain::project_with(object, &holding.name, &holder.organization);
            let token = live.token();
            let restored = matches!(
                HeldBy::of(
                    &holding.spec(),
                    holding.since,
                    live.identity(),
                    token.as_ref()
                ),
                HeldBy::Restored { .. }
            );
            let same = live.uid == holder.uid || restored;
            Some(live).filter(|live| !live.deleting && same && states(live, holding))
        }
    };
    if there.is_none() {
        operator.delete_holding(holding).await?;
    }
    Ok(there)
}
