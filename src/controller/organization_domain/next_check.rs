//! When a domain is checked next, by the store, its status and the schedule.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::cluster::Cluster;
use crate::cluster::key::Key;
use crate::cluster::store::domain::{Domain, StatusView};
use crate::model::facts::{Facts, Pace};
use crate::model::schedule;
use crate::model::settings::Settings;
use crate::model::uid::Uid;

/// Plans checks.
#[derive(Clone)]
pub struct Plan {
    pub cluster: Arc<Cluster>,
    pub settings: Arc<Settings>,
}

impl Plan {
    /// What a check found is lost, so the next one comes soon. Not at once: what stands in the way of one
    /// stands in the way of many, and a tenant's changes would ask for packets without end.
    pub fn check_again(&self, key: &Key, uid: &Uid) {
        let now = self.cluster.clock.now();
        let domain = self.cluster.stores.domains().get(key);
        let Some(domain) = domain.filter(|domain| domain.uid == *uid) else {
            return;
        };
        let soon = schedule::resume(now, None, self.period(&domain, now), uid);
        self.cluster
            .stores
            .domains_mut()
            .set_next_check(key, uid, Some(soon));
    }

    /// The next check comes with the next reconcile.
    pub fn due_now(&self, key: &Key, uid: &Uid) {
        let now = self.cluster.clock.now();
        self.cluster
            .stores
            .domains_mut()
            .set_next_check(key, uid, Some(now));
    }

    /// The next check comes a period later, whatever becomes of this one.
    pub fn put_off(&self, domain: &Domain, now: Timestamp) {
        let period = self.period(domain, now);
        let next = schedule::tick_after(now, period, &domain.uid);
        self.cluster
            .stores
            .domains_mut()
            .set_next_check(&domain.key, &domain.uid, Some(next));
    }

    /// When the schedule wants the next check; after a start, worked out anew from the status.
    pub fn next_check(&self, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
        let set = self
            .cluster
            .stores
            .domains()
            .next_check(&domain.key, &domain.uid);
        let period = self.period(domain, now);
        // Another shard may have seen that its record is missing, and checks are closer since.
        if let Some(set) = set.filter(|&set| set <= schedule::add(now, period)) {
            return Some(set);
        }
        let promised = match &domain.status {
            StatusView::Settled(settled) => settled.next_check,
            StatusView::Whole(status) => {
                let facts = Facts::read(status, now);
                facts.challenge.as_ref()?;
                match facts.pace {
                    Some(Pace::At(time)) => Some(time),
                    Some(Pace::Every(_)) | None => None,
                }
            }
        };
        Some(schedule::resume(now, promised, period, &domain.uid))
    }

    /// How far apart checks are now.
    fn period(&self, domain: &Domain, now: Timestamp) -> SignedDuration {
        match &domain.status {
            StatusView::Settled(_) => self.settings.recheck_period,
            StatusView::Whole(status) => Facts::read(status, now).period(now, &self.settings),
        }
    }
}
