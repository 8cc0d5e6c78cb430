//! Publishes the transitions of an organization domain as Events about it, its holding and the holder above.
//! `status.history` has them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use kube::Resource;
use parking_lot::Mutex;

use crate::api::history::HistoryEntry;
use crate::api::organization_domain::OrganizationDomainStatus;
use crate::api::{OrganizationDomain, VerifiedDomain};
use crate::cluster::Cluster;
use crate::cluster::events::{Events, Receipt, Subject};
use crate::cluster::key::Key;
use crate::cluster::store::domain::Domain;
use crate::model::history::{History, is_recent};
use crate::model::lifecycle::{About, HeldBy, Notice, Snapshot, notices};
use crate::model::settings::Settings;
use crate::model::uid::Uid;

/// When to try again where too many Events wait.
const RETRY: Duration = Duration::from_secs(10);

/// Transitions whose Events are on their way.
type UnderWay = Arc<Mutex<BTreeSet<(Uid, i64)>>>;

pub struct Announcer {
    cluster: Arc<Cluster>,
    events: Arc<Events>,
    settings: Arc<Settings>,
    under_way: UnderWay,
}

/// Dropped with the last Event of a transition.
struct Delivery {
    under_way: UnderWay,
    id: (Uid, i64),
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.id);
    }
}

impl Announcer {
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, events: Arc<Events>, settings: Arc<Settings>) -> Self {
        Self {
            cluster,
            events,
            settings,
            under_way: Arc::default(),
        }
    }

    /// Hands in the Events of all transitions that nobody published yet, whoever wrote them; says when to
    /// try again where too many wait.
    pub fn announce(
        &self,
        domain: &Domain,
        now: Timestamp,
        snapshot: &Snapshot<'_>,
    ) -> Option<Duration> {
        let history = History::read(&snapshot.status.history);
        let stores = &self.cluster.stores;
        let handed_in = stores.domains.read().handed_in(&domain.key, &domain.uid);
        if handed_in == Some(history.latest()) {
            return None;
        }
        let published = handed_in.max(snapshot.status.published_sequence);
        // What a back-up brought back is no news.
        let is_restored = matches!(snapshot.held_by, HeldBy::Restored { .. });
        let mut done = history.latest();
        let mut retry = None;
        for entry in history.entries() {
            // What comes while this process runs is news whatever the clock says.
            let is_new = handed_in.is_some() || is_recent(entry.time.0, now);
            let is_open = Some(entry.sequence) > published && is_new && !is_restored;
            if is_open && !self.hand_in(domain, now, snapshot, entry) {
                done = entry.sequence - 1;
                retry = Some(RETRY);
                break;
            }
        }
        stores
            .domains
            .write()
            .set_handed_in(&domain.key, &domain.uid, done);
        retry
    }

    /// False where too many Events wait.
    fn hand_in(
        &self,
        domain: &Domain,
        now: Timestamp,
        snapshot: &Snapshot<'_>,
        entry: &HistoryEntry,
    ) -> bool {
        let id = (domain.uid.clone(), entry.sequence);
        self.under_way.lock().insert(id.clone());
        let receipt: Receipt = Arc::new(Delivery {
            under_way: Arc::clone(&self.under_way),
            id,
        });
        for (subject, notice) in self.events_of(domain, now, snapshot, entry) {
            let reason = notice.reason;
            let receipt = Some(Arc::clone(&receipt));
            if !self.events.try_publish(subject, notice, receipt) {
                return false;
            }
            self.cluster.client.metrics.notice(reason);
        }
        // Without its message, which has the token.
        tracing::info!(
            domain = &*domain.stated,
            namespace = domain.key.namespace(),
            name = domain.key.name(),
            organization = domain.organization.name(),
            reason = entry.reason,
            "transition"
        );
        true
    }

    /// Publishes the transitions that the next status has no place for and that were not published yet. All are
    /// tried once and together: nothing that a namespace refuses delays a status for longer than one call.
    pub async fn make_room(
        &self,
        domain: &Domain,
        now: Timestamp,
        snapshot: &Snapshot<'_>,
        next: &OrganizationDomainStatus,
    ) {
        let first = next.history.first().map_or(0, |entry| entry.sequence);
        let history = &snapshot.status.history;
        // As nearly always.
        if history.first().is_none_or(|entry| entry.sequence >= first) {
            return;
        }
        let published = self.published(domain, snapshot.status);
        let dropped = history
            .iter()
            .filter(|entry| entry.sequence < first && entry.sequence > published);
        let events = dropped.flat_map(|entry| self.events_of(domain, now, snapshot, entry));
        join_all(events.map(|(subject, notice)| self.events.publish_now(subject, notice))).await;
    }

    /// The number of the latest transition up to which all Events were written or given up.
    #[must_use]
    pub fn published(&self, domain: &Domain, status: &OrganizationDomainStatus) -> i64 {
        let stores = &self.cluster.stores;
        let handed_in = stores.domains.read().handed_in(&domain.key, &domain.uid);
        let of_it = (domain.uid.clone(), 0)..=(domain.uid.clone(), i64::MAX);
        let open = self.under_way.lock().range(of_it).next().map(|id| id.1);
        let handed_in = handed_in.unwrap_or_default();
        let done = open.map_or(handed_in, |open| handed_in.min(open - 1));
        done.max(status.published_sequence.unwrap_or_default())
            .min(History::read(&status.history).latest())
    }

    /// Publishes what is not in the history.
    pub fn publish(&self, domain: &Domain, notice: Notice) {
        self.cluster.client.metrics.notice(notice.reason);
        self.events
            .publish(subject(&domain.key, &domain.uid), notice);
    }

    fn events_of(
        &self,
        domain: &Domain,
        now: Timestamp,
        snapshot: &Snapshot<'_>,
        entry: &HistoryEntry,
    ) -> Vec<(Subject, Notice)> {
        let notices = notices::of(now, &self.settings, snapshot, entry).into_iter();
        let about = |notice: Notice| Some((self.subject(domain, notice.about)?, notice));
        notices.filter_map(about).collect()
    }

    /// None where there is no such object.
    fn subject(&self, domain: &Domain, about: About) -> Option<Subject> {
        let stores = &self.cluster.stores;
        match about {
            About::OrganizationDomain => Some(subject(&domain.key, &domain.uid)),
            About::VerifiedDomain => {
                let holding = stores.holding_of(domain)?;
                Some(Subject {
                    kind: VerifiedDomain::kind(&()),
                    key: Key::new("", &holding.name),
                    uid: holding.uid.clone(),
                })
            }
            About::HolderAbove => {
                let (_, above) = domain.canonical.as_deref()?.split_once('.')?;
                let above = stores.holdings.read().covering(above)?;
                let holder = &above.holder;
                let is_ours = holder.key.namespace() == domain.key.namespace()
                    && *holder.organization == *domain.organization.name();
                (!is_ours).then(|| subject(&holder.key, &holder.uid))
            }
        }
    }
}

fn subject(key: &Key, uid: &Uid) -> Subject {
    Subject {
        kind: OrganizationDomain::kind(&()),
        key: key.clone(),
        uid: uid.clone(),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::cluster::clock::Clock;
    use crate::cluster::events::Publisher;
    use crate::cluster::fake_api::{self, Answer, SILENCE, failure};
    use crate::cluster::scope::Scope;
    use crate::cluster::store::Stores;
    use crate::cluster::store::domain::StatusView;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    /// A lost domain whose transitions have these times of the day, in the store.
    fn domain(announcer: &Announcer, times: &[&str], published: i64) -> Arc<Domain> {
        let history: Vec<_> = (1..)
            .zip(times)
            .map(|(sequence, time)| {
                json!({ "sequence": sequence, "reason": "RecordLost", "time": format!("2026-03-01T{time}:00Z") })
            })
            .collect();
        let version = 7 + history.len();
        let object = json!({
            "metadata": {
                "name": "main",
                "namespace": "acme",
                "uid": "1",
                "resourceVersion": version.to_string(),
            },
            "spec": { "organizationRef": { "name": "acme" }, "domain": "acme.com" },
            "status": { "state": "Failed", "history": history, "publishedSequence": published },
        });
        let domain = Domain::project(serde_json::from_value::<OrganizationDomain>(object).unwrap());
        let domain = Arc::new(domain);
        let mut domains = announcer.cluster.stores.domains.write();
        domains.upsert(Arc::clone(&domain), false);
        domain
    }

    /// The names of the Events that were created.
    type Created = Arc<Mutex<BTreeSet<String>>>;

    fn announcer(
        answer: impl Fn() -> Answer + Send + Sync + 'static,
    ) -> (Announcer, Publisher, Created) {
        let created = Created::default();
        let seen = Arc::clone(&created);
        let client = fake_api::calls(DEADLINE, move |asked| {
            assert_eq!(asked.method, Method::POST);
            let name = asked.body["metadata"]["name"].as_str().unwrap().to_owned();
            seen.lock().insert(name);
            answer()
        });
        let (events, publisher) = Events::new(client.clone(), "pod".into());
        let cluster = Arc::new(Cluster {
            client,
            stores: Stores::new(100),
            clock: Clock::default(),
            scope: Scope::default(),
        });
        let announcer = Announcer::new(cluster, Arc::new(events), Arc::default());
        (announcer, publisher, created)
    }

    fn created() -> Answer {
        (201, json!({ "metadata": {}, "eventTime": null }))
    }

    fn announce(announcer: &Announcer, domain: &Domain) -> Option<Duration> {
        let status = status(domain);
        announcer.announce(domain, now(), &domain.snapshot(status))
    }

    fn status(domain: &Domain) -> &OrganizationDomainStatus {
        match &domain.status {
            StatusView::Whole(status) => status,
            StatusView::Settled(_) => panic!("{domain:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_publishes_what_is_young_and_what_comes_later_is_published_whatever_its_time() {
        let (announcer, publisher, seen) = announcer(created);
        tokio::spawn(publisher.run());
        let counted = async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            seen.lock().len()
        };
        // The first was published, the second is too old.
        let found = domain(&announcer, &["11:55", "11:05", "11:58"], 1);
        assert_eq!(announce(&announcer, &found), None);
        assert_eq!(counted().await, 1);
        // Nothing is handed in twice, however often it is observed.
        announce(&announcer, &found);
        assert_eq!(counted().await, 1);
        // The clock was set while the fourth was written.
        let later = domain(&announcer, &["11:55", "11:05", "11:58", "01:00"], 1);
        announce(&announcer, &later);
        assert_eq!(counted().await, 2);
        assert_eq!(announcer.published(&later, status(&later)), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_lost_its_history_begins_anew() {
        let (announcer, publisher, seen) = announcer(created);
        tokio::spawn(publisher.run());
        let before = domain(&announcer, &["11:55", "11:56"], 0);
        announce(&announcer, &before);
        let mut emptied = (*before).clone();
        emptied.version = 50;
        emptied.status = StatusView::Whole(Box::default());
        announcer
            .cluster
            .stores
            .domains
            .write()
            .upsert(Arc::new(emptied.clone()), false);
        announce(&announcer, &emptied);
        assert_eq!(announcer.published(&emptied, status(&emptied)), 0);
        let mut again = (*domain(&announcer, &["11:57"], 0)).clone();
        again.version = 51;
        announcer
            .cluster
            .stores
            .domains
            .write()
            .upsert(Arc::new(again.clone()), false);
        announce(&announcer, &again);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(seen.lock().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_not_published_yet() {
        let (announcer, publisher, _) = announcer(|| SILENCE);
        tokio::spawn(publisher.run());
        let domain = domain(&announcer, &["11:55", "11:56"], 0);
        announce(&announcer, &domain);
        assert_eq!(announcer.published(&domain, status(&domain)), 0);
        // Given up after some minutes.
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(announcer.published(&domain, status(&domain)), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_write_drops_is_tried_once_and_holds_nothing_up_for_longer() {
        for (answer, most) in [
            (created(), Duration::ZERO),
            (failure(403, "Forbidden"), Duration::ZERO),
            (SILENCE, DEADLINE),
        ] {
            // Nobody takes from the queue.
            let (announcer, _publisher, seen) = announcer(move || answer.clone());
            let domain = domain(&announcer, &["11:55", "11:56"], 0);
            announce(&announcer, &domain);
            let mut next = status(&domain).clone();
            next.history.remove(0);
            let begun = Instant::now();
            let snapshot = domain.snapshot(status(&domain));
            announcer.make_room(&domain, now(), &snapshot, &next).await;
            assert_eq!(seen.lock().len(), 1);
            assert_eq!(begun.elapsed(), most);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_too_many_wait_the_rest_is_handed_in_later() {
        let (announcer, publisher, seen) = announcer(created);
        let domain = domain(&announcer, &["11:55", "11:56"], 0);
        let other = Subject {
            uid: "2".into(),
            ..subject(&domain.key, &domain.uid)
        };
        let notice = notices::no_room(&OrganizationDomainStatus::default());
        let mut waiting = 0;
        while announcer
            .events
            .try_publish(other.clone(), notice.clone(), None)
        {
            waiting += 1;
        }
        assert!(waiting > 1000, "{waiting}");
        assert_eq!(announce(&announcer, &domain), Some(RETRY));
        assert_eq!(announcer.published(&domain, status(&domain)), 0);
        tokio::spawn(publisher.run());
        tokio::time::sleep(RETRY).await;
        assert_eq!(announce(&announcer, &domain), None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(announcer.published(&domain, status(&domain)), 2);
        // One of the other object, whatever it is handed in, and two of this.
        assert_eq!(seen.lock().len(), 3);
    }
}
