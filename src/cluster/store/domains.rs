//! Organization domains, by key, canonical name and organization.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::domain::{Domain, StatusView};
use super::quota::Quota;
use super::version::is_known;
use crate::api::organization::DomainCounts;
use crate::api::organization_domain::{CheckVerdict, State};
use crate::cluster::intern::intern;
use crate::cluster::key::Key;
use crate::model::uid::Uid;

/// What became of an object that was handed to the store.
#[derive(Debug, PartialEq)]
pub enum Upserted {
    Known,
    Taken {
        before: Option<Arc<Domain>>,
    },
    /// It is another shard's by now, and was taken out.
    Left(Arc<Domain>),
}

#[derive(Debug)]
pub struct Domains {
    // Trees, because a table that grows is there twice for a moment.
    entries: BTreeMap<Key, Entry>,
    by_name: BTreeSet<(Arc<str>, Key)>,
    by_organization: HashMap<Key, Members>,
    counts: DomainCounts,
    at_risk: AtRisk,
    pub quota: Quota,
}

/// How many domains somebody should look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtRisk {
    /// Verified, and the record is missing.
    pub grace: i64,
    /// Verified, and the proof is older than anything new may rely on.
    pub stale: i64,
    /// Verified, and the last check did not decide.
    pub inconclusive: i64,
    /// Pending, and about to take the name from its holder.
    pub hand_over: i64,
}

impl AtRisk {
    fn count(&mut self, domain: &Domain, by: i64) {
        let status = match &domain.status {
            StatusView::Whole(status) => status,
            StatusView::Settled(settled) => {
                // Checks that decide nothing are repeated without a promise.
                self.inconclusive += if settled.next_check.is_none() { by } else { 0 };
                return;
            }
        };
        let is_verified = status.state == Some(State::Verified);
        let check = status.last_check.as_ref();
        let is_inconclusive =
            check.is_some_and(|check| check.verdict == CheckVerdict::Inconclusive);
        for (gauge, counts) in [
            (
                &mut self.grace,
                is_verified && status.record_missing.is_some(),
            ),
            (&mut self.stale, is_verified && !domain.is_relied_on()),
            (&mut self.inconclusive, is_verified && is_inconclusive),
            (&mut self.hand_over, status.hand_over.is_some()),
        ] {
            *gauge += if counts { by } else { 0 };
        }
    }
}

#[derive(Debug)]
struct Entry {
    domain: Arc<Domain>,
    next_check: Option<Timestamp>,
    /// The number of the latest transition of which this process handed the Events in; none before it first
    /// reconciled the object.
    handed_in: Option<i64>,
    /// Another shard's, here for one reconcile.
    borrowed: bool,
}

/// An organization's domains, summed up as they change.
#[derive(Debug, Default)]
struct Members {
    counts: DomainCounts,
    /// Keys, with the canonical names of those that are relied on.
    domains: BTreeSet<(Option<Arc<str>>, Key)>,
}

impl Domains {
    /// An empty store; at most `max_pending` domains of a namespace are checked at once.
    #[must_use]
    pub fn new(max_pending: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_name: BTreeSet::new(),
            by_organization: HashMap::new(),
            counts: DomainCounts::default(),
            at_risk: AtRisk::default(),
            quota: Quota::new(max_pending),
        }
    }

    /// Whether its namespace has more pending domains than are checked, and this is one too many.
    #[must_use]
    pub fn is_over_quota(&self, domain: &Domain) -> bool {
        self.quota.is_over(&domain.key, domain.created)
    }

    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Domain>> {
        self.entries.get(key).map(|entry| Arc::clone(&entry.domain))
    }

    /// The object, where it is one of this shard.
    #[must_use]
    pub fn get_own(&self, key: &Key) -> Option<Arc<Domain>> {
        let entry = self.entries.get(key).filter(|entry| !entry.borrowed)?;
        Some(Arc::clone(&entry.domain))
    }

    /// The keys of all that state this canonical name.
    #[must_use]
    pub fn stating(&self, canonical: &str) -> Vec<Key> {
        let first = (intern(canonical), Key::new("", ""));
        self.by_name
            .range(&first..)
            .take_while(|(name, _)| *name == first.0)
            .map(|(_, key)| key.clone())
            .collect()
    }

    #[must_use]
    pub fn of_organization(&self, organization: &Key) -> Vec<Key> {
        self.by_organization
            .get(organization)
            .into_iter()
            .flat_map(|members| &members.domains)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// An organization's counts, and the first `most` of its verified names.
    #[must_use]
    pub fn summary(&self, organization: &Key, most: usize) -> (DomainCounts, Vec<String>) {
        let Some(members) = self.by_organization.get(organization) else {
            return (DomainCounts::default(), Vec::new());
        };
        let first_verified = (Some("".into()), Key::new("", ""));
        let mut last = None;
        let names = members
            .domains
            .range(first_verified..)
            .filter_map(|(name, _)| name.as_deref())
            .filter(|&name| last.replace(name) != Some(name))
            .take(most);
        (members.counts, names.map(str::to_owned).collect())
    }

    #[must_use]
    pub fn next_check(&self, key: &Key, uid: &Uid) -> Option<Timestamp> {
        self.of_uid(key, uid)?.next_check
    }

    pub fn set_next_check(&mut self, key: &Key, uid: &Uid, next_check: Option<Timestamp>) {
        if let Some(entry) = self.of_uid_mut(key, uid) {
            entry.next_check = next_check;
        }
    }

    /// What is due by now is due as after a start: soon, and not all at once.
    pub fn forget_overdue(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut() {
            entry.next_check = entry.next_check.filter(|&next_check| next_check > now);
        }
    }

    /// The number of the latest transition of which this process handed the Events in; none where it has
    /// not reconciled the object yet.
    #[must_use]
    pub fn handed_in(&self, key: &Key, uid: &Uid) -> Option<i64> {
        self.of_uid(key, uid)?.handed_in
    }

    pub fn set_handed_in(&mut self, key: &Key, uid: &Uid, sequence: i64) {
        if let Some(entry) = self.of_uid_mut(key, uid) {
            entry.handed_in = Some(sequence);
        }
    }

    fn of_uid(&self, key: &Key, uid: &Uid) -> Option<&Entry> {
        let entry = self.entries.get(key);
        entry.filter(|entry| entry.domain.uid == *uid)
    }

    fn of_uid_mut(&mut self, key: &Key, uid: &Uid) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key);
        entry.filter(|entry| entry.domain.uid == *uid)
    }

    /// Whether the store already has this version of the object, or a newer one.
    #[must_use]
    pub fn knows(&self, domain: &Domain, listed: bool) -> bool {
        self.of_uid(&domain.key, &domain.uid)
            .is_some_and(|entry| is_known(entry.domain.version, domain.version, listed))
    }

    /// As [`Self::knows`], of the objects of this shard.
    #[must_use]
    pub fn knows_as_own(&self, domain: &Domain, listed: bool) -> bool {
        self.knows(domain, listed) && !self.is_borrowed(&domain.key)
    }

    /// Takes an object in and says what it replaced, unless the store already has this or a newer
    /// one. What was `listed` is taken whatever its version: that of a restored server is lower.
    pub fn upsert(&mut self, domain: Arc<Domain>, listed: bool) -> Upserted {
        if self.knows_as_own(&domain, listed) {
            return Upserted::Known;
        }
        self.insert(domain, false)
    }

    /// Takes a newer version in of an object that is here, or lets it go where it is not `ours` any
    /// more. One that left meanwhile is not taken in: no watch would show what becomes of it.
    pub fn update(&mut self, domain: Arc<Domain>, ours: bool) -> Upserted {
        let Some(here) = self.entries.get(&domain.key) else {
            return Upserted::Known;
        };
        // Also one of an earlier uid, whose answer comes after the news of the next one.
        if here.domain.version >= domain.version {
            return Upserted::Known;
        }
        let borrowed = here.borrowed;
        if !ours && !borrowed {
            let left = self.remove(&domain.key);
            return left.map_or(Upserted::Known, Upserted::Left);
        }
        self.insert(domain, borrowed)
    }

    /// Takes this in place of the same version of the object, if that is here.
    pub fn replace(&mut self, domain: Arc<Domain>) {
        let here = self.of_uid(&domain.key, &domain.uid);
        if let Some(borrowed) = here.map(|entry| entry.borrowed) {
            self.insert(domain, borrowed);
        }
    }

    /// Takes in for one reconcile, due now, what is another shard's: it counts for nothing here.
    pub fn borrow(&mut self, domain: Arc<Domain>, now: Timestamp) {
        let (key, uid) = (domain.key.clone(), domain.uid.clone());
        if self.get_own(&key).is_none() {
            self.insert(domain, true);
            self.set_next_check(&key, &uid, Some(now));
        }
    }

    /// Lets go of what was borrowed; false where the object is this shard's or not there.
    pub fn give_back(&mut self, key: &Key) -> bool {
        self.is_borrowed(key) && self.remove(key).is_some()
    }

    /// Whether the object is in here for one reconcile.
    #[must_use]
    pub fn is_borrowed(&self, key: &Key) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.borrowed)
    }

    fn insert(&mut self, domain: Arc<Domain>, borrowed: bool) -> Upserted {
        let (key, uid) = (&domain.key, &domain.uid);
        let next_check = self.next_check(key, uid);
        let handed_in = self.handed_in(key, uid);
        // One that stays pending keeps its place in the quota.
        let stays = self.of_uid(key, uid).is_some() && domain.is_pending() && !borrowed;
        let before = self.take_out(key, !stays);
        if let Some(name) = &domain.canonical {
            self.by_name.insert((Arc::clone(name), domain.key.clone()));
        }
        if !borrowed {
            self.count_in(&domain);
        }
        let entry = Entry {
            domain,
            next_check,
            handed_in,
            borrowed,
        };
        self.entries.insert(entry.domain.key.clone(), entry);
        Upserted::Taken { before }
    }

    fn count_in(&mut self, domain: &Domain) {
        if domain.is_pending() {
            self.quota
                .enter(&domain.key, domain.created, domain.waits_for_quota());
        }
        let members = self
            .by_organization
            .entry(domain.organization.clone())
            .or_default();
        members.domains.insert(member(domain));
        count(&mut members.counts, domain, 1);
        count(&mut self.counts, domain, 1);
        self.at_risk.count(domain, 1);
    }

    /// Takes an object out by its key.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Domain>> {
        self.take_out(key, true)
    }

    fn take_out(&mut self, key: &Key, leaves_quota: bool) -> Option<Arc<Domain>> {
        let Entry {
            domain, borrowed, ..
        } = self.entries.remove(key)?;
        if let Some(name) = &domain.canonical {
            self.by_name.remove(&(Arc::clone(name), key.clone()));
        }
        if borrowed {
            return Some(domain);
        }
        if leaves_quota {
            self.quota.leave(key, domain.created);
        }
        count(&mut self.counts, &domain, -1);
        self.at_risk.count(&domain, -1);
        if let Some(members) = self.by_organization.get_mut(&domain.organization) {
            members.domains.remove(&member(&domain));
            count(&mut members.counts, &domain, -1);
            if members.domains.is_empty() {
                self.by_organization.remove(&domain.organization);
            }
        }
        Some(domain)
    }

    /// The keys in one namespace, or all.
    #[must_use]
    pub fn keys_in(&self, namespace: Option<&str>) -> Vec<Key> {
        let Some(namespace) = namespace else {
            return self.entries.keys().cloned().collect();
        };
        self.entries
            .range(Key::new(namespace, "")..)
            .map(|(key, _)| key)
            .take_while(|key| key.namespace() == namespace)
            .cloned()
            .collect()
    }

    /// How many there are in each state.
    #[must_use]
    pub fn counts(&self) -> DomainCounts {
        self.counts
    }

    #[must_use]
    pub fn at_risk(&self) -> AtRisk {
        self.at_risk
    }
}

fn member(domain: &Domain) -> (Option<Arc<str>>, Key) {
    let name = domain.canonical.as_ref().filter(|_| domain.is_relied_on());
    (name.cloned(), domain.key.clone())
}

fn count(counts: &mut DomainCounts, domain: &Domain, by: i64) {
    counts.total += by;
    match domain.state() {
        None | Some(State::Pending) => counts.pending += by,
        Some(State::Verified) => counts.verified += by,
        Some(State::Failed) => counts.failed += by,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;
    use crate::api::conditions::VERIFIED;
    use crate::api::organization_domain::OrganizationDomainStatus;

    fn verified(state: Option<State>) -> Vec<Condition> {
        let status = if state == Some(State::Verified) {
            "True"
        } else {
            "False"
        };
        vec![Condition {
            type_: VERIFIED.into(),
            status: status.into(),
            reason: "Reason".into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }]
    }

    fn domain(
        name: &str,
        uid: &str,
        version: u64,
        organization: &str,
        state: Option<State>,
    ) -> Arc<Domain> {
        Arc::new(Domain {
            key: Key::new("ns", name),
            uid: uid.into(),
            version,
            generation: 1,
            created: Timestamp::UNIX_EPOCH,
            deleting: false,
            stated: format!("{name}.example").into(),
            canonical: Some(format!("{name}.example").into()),
            organization: Key::new("ns", organization),
            requested: None,
            status: StatusView::Whole(Box::new(OrganizationDomainStatus {
                state,
                conditions: verified(state),
                ..Default::default()
            })),
        })
    }

    #[test]
    fn indices_follow_every_change() {
        let mut store = Domains::new(10);
        assert!(matches!(
            store.upsert(domain("a", "1", 5, "acme", None), false),
            Upserted::Taken { .. }
        ));
        assert!(matches!(
            store.upsert(domain("b", "2", 6, "acme", Some(State::Verified)), false),
            Upserted::Taken { .. }
        ));
        assert!(
            store.upsert(domain("a", "1", 4, "acme", Some(State::Failed)), false)
                == Upserted::Known,
            "older"
        );
        assert!(matches!(
            store.upsert(domain("a", "1", 7, "acme", Some(State::Verified)), false),
            Upserted::Taken { .. }
        ));
        let acme = Key::new("ns", "acme");
        let (counts, names) = store.summary(&acme, 1);
        assert_eq!((counts.total, counts.pending, counts.verified), (2, 0, 2));
        assert_eq!(names, ["a.example"]);
        // Made again under the same name, with a lower version from a restored server.
        assert!(matches!(
            store.upsert(domain("a", "3", 1, "other", None), false),
            Upserted::Taken { .. }
        ));
        assert_eq!(store.summary(&acme, 9).0.total, 1);
        assert_eq!(store.stating("a.example"), [Key::new("ns", "a")]);
        store.remove(&Key::new("ns", "a"));
        store.remove(&Key::new("ns", "b"));
        assert!(store.by_name.is_empty() && store.by_organization.is_empty());
    }

    #[test]
    fn a_namespace_has_its_own_keys_and_none_of_one_with_a_like_name() {
        let mut store = Domains::new(10);
        for namespace in ["team", "team-a", "team.b", "tea", "teams"] {
            let mut other = (*domain("a", namespace, 5, "acme", None)).clone();
            other.key = Key::new(namespace, "a");
            store.upsert(Arc::new(other), false);
        }
        assert_eq!(store.keys_in(Some("team")), [Key::new("team", "a")]);
        assert_eq!(store.keys_in(Some("te")), []);
        assert_eq!(store.keys_in(None).len(), 5);
    }

    #[test]
    fn what_is_borrowed_counts_for_nothing() {
        let mut store = Domains::new(1);
        let (acme, key) = (Key::new("ns", "acme"), Key::new("ns", "a"));
        let now = Timestamp::UNIX_EPOCH;
        store.borrow(domain("a", "1", 5, "acme", None), now);
        assert_eq!(store.next_check(&key, &"1".into()), Some(now));
        store.update(domain("a", "1", 6, "acme", Some(State::Verified)), false);
        assert_eq!(store.get(&key).unwrap().version, 6);
        assert_eq!(store.get_own(&key), None);
        assert_eq!(store.summary(&acme, 9).0.total, 0);
        // It keeps nobody out of the quota.
        let own = domain("b", "2", 7, "acme", None);
        store.upsert(Arc::clone(&own), false);
        assert!(!store.is_over_quota(&own));
        // This very version becomes this shard's, and is not to be given back.
        store.upsert(domain("a", "1", 6, "acme", Some(State::Verified)), false);
        assert_eq!(store.summary(&acme, 9).0.total, 2);
        assert!(!store.give_back(&key));
        store.borrow(domain("a", "1", 8, "acme", None), now);
        assert_eq!(store.get_own(&key).unwrap().version, 6);
        store.borrow(domain("c", "3", 9, "acme", None), now);
        assert!(store.give_back(&Key::new("ns", "c")));
        assert_eq!((store.counts().total, store.entries.len()), (2, 2));
    }

    #[test]
    fn what_was_handed_in_is_of_one_object_through_all_its_versions() {
        let mut store = Domains::new(10);
        let key = Key::new("ns", "a");
        store.upsert(domain("a", "1", 5, "acme", None), false);
        store.set_handed_in(&key, &"1".into(), 3);
        store.upsert(domain("a", "1", 6, "acme", Some(State::Pending)), false);
        assert_eq!(store.handed_in(&key, &"1".into()), Some(3));
        // Nothing of an earlier object of the name.
        store.upsert(domain("a", "2", 7, "acme", None), false);
        assert_eq!(store.handed_in(&key, &"1".into()), None);
        assert_eq!(store.handed_in(&key, &"2".into()), None);
        store.set_handed_in(&key, &"1".into(), 4);
        assert_eq!(store.handed_in(&key, &"2".into()), None);
    }

    #[test]
    fn a_live_read_lets_go_of_what_is_anothers_and_takes_nothing_in() {
        let mut store = Domains::new(10);
        let key = Key::new("ns", "a");
        assert_eq!(
            store.update(domain("a", "1", 5, "acme", None), true),
            Upserted::Known
        );
        assert_eq!(store.get(&key), None);
        store.upsert(domain("a", "1", 5, "acme", None), false);
        // Read before its label came back.
        assert_eq!(
            store.update(domain("a", "1", 4, "acme", None), false),
            Upserted::Known
        );
        assert!(store.get_own(&key).is_some());
        let left = store.update(domain("a", "1", 6, "acme", None), false);
        assert!(matches!(left, Upserted::Left(_)), "{left:?}");
        assert_eq!((store.get(&key), store.counts().total), (None, 0));
    }

    #[test]
    fn a_late_answer_of_an_object_that_was_made_again_is_no_news() {
        let mut store = Domains::new(10);
        let key = Key::new("ns", "a");
        store.upsert(domain("a", "2", 7, "acme", None), false);
        let late = store.update(domain("a", "1", 6, "acme", None), true);
        assert_eq!(late, Upserted::Known);
        assert_eq!(store.get(&key).unwrap().uid, Uid::from("2"));
    }

    #[test]
    fn a_full_list_of_a_restored_server_is_taken() {
        let mut store = Domains::new(10);
        store.upsert(domain("a", "1", 50, "acme", None), false);
        assert_eq!(
            store.upsert(domain("a", "1", 5, "acme", None), false),
            Upserted::Known
        );
        assert!(matches!(
            store.upsert(domain("a", "1", 5, "acme", None), true),
            Upserted::Taken { .. }
        ));
    }

    #[test]
    fn the_schedule_of_another_uid_is_not_inherited() {
        let mut store = Domains::new(10);
        let key = Key::new("ns", "a");
        store.upsert(domain("a", "1", 5, "acme", None), false);
        store.set_next_check(&key, &"1".into(), Some(Timestamp::UNIX_EPOCH));
        store.upsert(domain("a", "1", 6, "acme", None), false);
        assert_eq!(
            store.next_check(&key, &"1".into()),
            Some(Timestamp::UNIX_EPOCH)
        );
        store.upsert(domain("a", "2", 7, "acme", None), false);
        assert_eq!(store.next_check(&key, &"2".into()), None);
        store.set_next_check(&key, &"1".into(), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(store.next_check(&key, &"2".into()), None);
    }

    #[test]
    fn only_what_is_overdue_is_due_anew() {
        let mut store = Domains::new(10);
        let (due, later) = (Key::new("ns", "due"), Key::new("ns", "later"));
        let now = Timestamp::UNIX_EPOCH;
        let soon = now + jiff::SignedDuration::from_secs(1);
        for (key, next_check) in [(&due, now), (&later, soon)] {
            store.upsert(domain(key.name(), "1", 5, "acme", None), false);
            store.set_next_check(key, &"1".into(), Some(next_check));
        }
        store.forget_overdue(now);
        assert_eq!(store.next_check(&due, &"1".into()), None);
        assert_eq!(store.next_check(&later, &"1".into()), Some(soon));
    }
}
