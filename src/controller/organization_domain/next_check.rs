//! When a domain is checked next, by the store, its status and the schedule.

use jiff::{SignedDuration, Timestamp};

use super::observe::Observer;
use crate::cluster::key::Key;
use crate::cluster::store::domain::{Domain, StatusView};
use crate::model::facts::{Facts, Pace};
use crate::model::schedule;
use crate::model::uid::Uid;

impl Observer {
    /// What a check found is lost, so the next one comes soon. Not at once: what stands in the way of one
    /// stands in the way of many, and a tenant's changes would ask for packets without end.
    pub fn check_again(&self, key: &Key, uid: &Uid) {
        let cluster = &self.mirror.cluster;
        let now = cluster.clock.now();
        let domain = cluster.stores.domains.read().get(key);
        if let Some(domain) = domain.filter(|domain| domain.uid == *uid) {
            let soon = schedule::resume(now, None, self.period(&domain, now), uid);
            self.set_next_check(key, uid, Some(soon));
        }
    }

    /// The next check comes a period later, whatever becomes of this one.
    pub fn put_off(&self, domain: &Domain, now: Timestamp) {
        let period = self.period(domain, now);
        let next = schedule::tick_after(now, period, &domain.uid);
        self.set_next_check(&domain.key, &domain.uid, Some(next));
    }

    pub fn set_next_check(&self, key: &Key, uid: &Uid, at: Option<Timestamp>) {
        let mut domains = self.mirror.cluster.stores.domains.write();
        domains.set_next_check(key, uid, at);
    }

    /// When the schedule wants the next check; after a start, worked out anew from the status.
    pub fn next_check(&self, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
        let domains = &self.mirror.cluster.stores.domains;
        let set = domains.read().next_check(&domain.key, &domain.uid);
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
            StatusView::Settled(_) => self.mirror.settings.recheck_period,
            StatusView::Whole(status) => {
                Facts::read(status, now).period(now, &self.mirror.settings)
            }
        }
    }
}
