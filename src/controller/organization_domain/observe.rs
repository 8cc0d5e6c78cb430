//! What a decision is made from: the object, its organization, the holder of its name, the approvals.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::organization_domain::{OrganizationDomainStatus, State};
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::domain::{Domain, StatusView};
use crate::cluster::store::holdings::HoldingView;
use crate::controller::mirror::Mirror;
use crate::model::lifecycle::{self, HeldBy, Snapshot};
use crate::model::name::DomainName;
use crate::model::schedule;

/// Reads the stores, and the API server where they keep too little.
#[derive(Clone)]
pub struct Observer {
    pub mirror: Arc<Mirror>,
}

/// What is observed of an object.
pub enum Observed {
    Gone,
    /// Nothing is to be done for so long.
    Settled(Duration),
    /// Nothing is to be done but a check, now.
    Due,
    Whole(Arc<Domain>),
}

impl Observer {
    /// Observes an object: in the store, and live where the store keeps too little to decide from, unless
    /// it was read a moment ago. One that was checked is not settled: the check is to be decided on.
    pub async fn observe(
        &self,
        key: &Key,
        read: Option<Arc<Domain>>,
        checked: bool,
    ) -> Result<Observed, ApiError> {
        let cluster = &self.mirror.cluster;
        let Some(known) = cluster.stores.domains.read().get(key) else {
            return Ok(Observed::Gone);
        };
        if !checked && let Some(settled) = self.settled(&known, cluster.clock.now()) {
            return Ok(settled);
        }
        if matches!(known.status, StatusView::Whole(_)) {
            return Ok(Observed::Whole(known));
        }
        let same = |read: &Arc<Domain>| read.uid == known.uid && read.version == known.version;
        if let Some(read) = read.filter(same) {
            return Ok(Observed::Whole(read));
        }
        let live = self.mirror.refresh(key).await?;
        Ok(live.map_or(Observed::Gone, Observed::Whole))
    }

    /// What a settled domain waits for; none where it must be read and decided on.
    fn settled(&self, domain: &Domain, now: Timestamp) -> Option<Observed> {
        let StatusView::Settled(settled) = &domain.status else {
            return None;
        };
        let stores = &self.mirror.cluster.stores;
        let handed_in = stores.domains.read().handed_in(&domain.key, &domain.uid);
        if settled.has_news(handed_in, now) {
            return None;
        }
        let held_by = self.held_by_in_store(domain);
        let stays = !domain.deleting
            && settled.lasts(now, &self.mirror.settings, held_by)
            && self.approved_until(domain, now).is_none()
            && stores.organizations.read().exists(&domain.organization);
        let next_check = self.next_check(domain, now).filter(|_| stays)?;
        self.set_next_check(&domain.key, &domain.uid, Some(next_check));
        Some(if next_check > now {
            Observed::Settled(schedule::wait(now, next_check))
        } else {
            Observed::Due
        })
    }

    /// Until when an approval stands for this object and name.
    fn approved_until(&self, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
        let approvals = self.mirror.cluster.stores.approvals.read();
        approvals.until(&domain.key, &domain.candidate(), now)
    }

    /// What a decision is made from.
    #[must_use]
    pub fn snapshot<'a>(
        &self,
        domain: &'a Domain,
        status: &'a OrganizationDomainStatus,
        held_by: HeldBy,
        now: Timestamp,
    ) -> Snapshot<'a> {
        let stores = &self.mirror.cluster.stores;
        Snapshot {
            organization_exists: stores.organizations.read().exists(&domain.organization),
            suspended: stores.namespaces.read().suspended(domain.key.namespace()),
            over_quota: stores.domains.read().is_over_quota(domain),
            approved_until: self.approved_until(domain, now),
            held_by,
            ..domain.snapshot(status)
        }
    }

    /// Who holds the name, by the store.
    #[must_use]
    pub fn held_by_in_store(&self, domain: &Domain) -> HeldBy {
        let holding = self.mirror.cluster.stores.holding_of(domain);
        seen_by(domain, holding.as_deref())
    }

    /// Who holds the name. Where store and status do not agree on whether we do, it is asked for: no
    /// state is given or taken back on the word of a cache.
    pub async fn held_by(&self, domain: &Domain) -> Result<HeldBy, ApiError> {
        let Some(canonical) = &domain.canonical else {
            return Ok(HeldBy::Nobody);
        };
        let known = self.mirror.cluster.stores.holdings.read().get(canonical);
        let held_by = seen_by(domain, known.as_deref());
        let ours = matches!(held_by, HeldBy::Us { .. });
        if ours != (domain.state() == Some(State::Verified)) {
            let live = self.mirror.refresh_holding(canonical).await?;
            return Ok(seen_by(domain, live.as_deref()));
        }
        Ok(held_by)
    }

    /// Where the status of a holder lost its token: the holding, which has the token's hash, and the name
    /// at which to look for it.
    #[must_use]
    pub fn lost_token(
        &self,
        domain: &Domain,
        snapshot: &Snapshot<'_>,
    ) -> Option<(Arc<HoldingView>, DomainName)> {
        let holding = self.mirror.cluster.stores.held_by(domain)?;
        let holder = holding.spec().holder;
        let settings = &self.mirror.settings;
        let name = lifecycle::lost_token(settings, snapshot, &holding.name, &holder)?;
        Some((holding, name))
    }

    /// Whether the object is handled elsewhere: by an import that holds the name for it and has yet to write its
    /// status, after which the holding changes; or, of what is deleted, by whoever looks for orphans.
    #[must_use]
    pub fn is_handled_elsewhere(&self, domain: &Domain, held_by: HeldBy) -> bool {
        let holding = self.mirror.cluster.stores.holding_of(domain);
        let imported =
            holding.is_some_and(|holding| holding.importing && holding.holder.key == domain.key);
        let deleted = domain.deleting && matches!(held_by, HeldBy::Us { .. });
        if deleted {
            self.mirror.enqueue_orphan_check(domain);
        }
        imported || deleted
    }
}

/// Who holds the name, as this object sees it.
fn seen_by(domain: &Domain, holding: Option<&HoldingView>) -> HeldBy {
    holding.map_or(HeldBy::Nobody, |holding| {
        holding.seen_by(domain, domain.token().as_ref())
    })
}
