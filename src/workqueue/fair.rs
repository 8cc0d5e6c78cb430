//! Who comes next among keys that are all due: by turns between namespaces, within a namespace
//! between organizations, with a share for each priority of work, and a limit on what one namespace may
//! have in flight.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::share::may_have_one_more;

/// Every fourth turn goes to the other priority first, if it has anything.
const TURNS: u64 = 4;

/// What a key competes as, in the words of API Priority and Fairness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub priority: Priority,
    pub namespace: Arc<str>,
    pub organization: Arc<str>,
}

/// What kind of work it is: neither starves the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// New and waiting domains, and everything else.
    Pending,
    /// Domains that are held: their proof is kept true, or passes on.
    Held,
}

/// How many keys of one namespace may be in flight.
#[derive(Clone, Copy, Debug)]
pub enum InFlightLimit {
    /// This many; workers limit the rest.
    Fixed(usize),
    /// A share of the free ones of this many places, which always leaves some to others.
    ShareOfFree(usize),
}

/// Keys that are due.
#[derive(Debug)]
pub struct FairQueue<K> {
    pending: NamespaceFlows<K>,
    held: NamespaceFlows<K>,
    turn: u64,
    in_flight: HashMap<Arc<str>, usize>,
    total_in_flight: usize,
    limit: InFlightLimit,
}

impl<K> FairQueue<K> {
    #[must_use]
    pub fn new(limit: InFlightLimit) -> Self {
        Self {
            pending: NamespaceFlows::default(),
            held: NamespaceFlows::default(),
            turn: 0,
            in_flight: HashMap::new(),
            total_in_flight: 0,
            limit,
        }
    }

    pub fn push(&mut self, key: K, flow: Flow) {
        match flow.priority {
            Priority::Pending => self.pending.push(key, flow),
            Priority::Held => self.held.push(key, flow),
        }
    }

    /// The next key, and its namespace, of which it counts as in flight until [`Self::done`].
    pub fn pop(&mut self) -> Option<(K, Arc<str>)> {
        let may_have_one_more = |namespace: &Arc<str>| {
            let of_namespace = self.in_flight.get(namespace).copied().unwrap_or_default();
            match self.limit {
                InFlightLimit::Fixed(max_in_flight) => of_namespace < max_in_flight,
                InFlightLimit::ShareOfFree(places) => {
                    may_have_one_more(of_namespace, places.saturating_sub(self.total_in_flight))
                }
            }
        };
        let (mut first, mut second) = (&mut self.pending, &mut self.held);
        if self.turn.is_multiple_of(TURNS) {
            (first, second) = (second, first);
        }
        let (key, namespace) = first
            .pop(may_have_one_more)
            .or_else(|| second.pop(may_have_one_more))?;
        self.turn += 1;
        self.total_in_flight += 1;
        *self.in_flight.entry(Arc::clone(&namespace)).or_default() += 1;
        Some((key, namespace))
    }

    /// A key of the namespace is no longer in flight.
    pub fn done(&mut self, namespace: &Arc<str>) {
        self.total_in_flight -= 1;
        if let Some(count) = self.in_flight.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.in_flight.remove(namespace);
            }
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len + self.held.len
    }
}

/// Namespaces by turns; one that had nothing to do for a whole round comes before those that had (the new
/// flows of FQ-CoDel, RFC 8290 section 4.2).
#[derive(Debug)]
struct NamespaceFlows<K> {
    new: VecDeque<Arc<str>>,
    /// Those that were served. One without keys leaves when its turn comes, so that it is not new again
    /// before.
    old: VecDeque<Arc<str>>,
    organizations: HashMap<Arc<str>, OrganizationFlows<K>>,
    len: usize,
}

/// Organizations by turns.
#[derive(Debug)]
struct OrganizationFlows<K> {
    ring: VecDeque<Arc<str>>,
    queues: HashMap<Arc<str>, VecDeque<K>>,
}

impl<K> Default for NamespaceFlows<K> {
    fn default() -> Self {
        Self {
            new: VecDeque::new(),
            old: VecDeque::new(),
            organizations: HashMap::new(),
            len: 0,
        }
    }
}

impl<K> NamespaceFlows<K> {
    fn push(&mut self, key: K, flow: Flow) {
        self.len += 1;
        let organizations = self
            .organizations
            .entry(Arc::clone(&flow.namespace))
            .or_insert_with(|| {
                self.new.push_back(flow.namespace);
                OrganizationFlows {
                    ring: VecDeque::new(),
                    queues: HashMap::new(),
                }
            });
        let queues = organizations.queues.entry(Arc::clone(&flow.organization));
        let queue = queues.or_insert_with(|| {
            organizations.ring.push_back(flow.organization);
            VecDeque::new()
        });
        queue.push_back(key);
    }

    /// The first key of the first namespace that may have one more in flight.
    fn pop(&mut self, free: impl Fn(&Arc<str>) -> bool) -> Option<(K, Arc<str>)> {
        let namespace = self.next(free)?;
        let key = self.organizations.get_mut(&namespace)?.pop()?;
        self.old.push_back(Arc::clone(&namespace));
        self.len -= 1;
        Some((key, namespace))
    }

    fn next(&mut self, free: impl Fn(&Arc<str>) -> bool) -> Option<Arc<str>> {
        if let Some(at) = self.new.iter().position(&free) {
            return self.new.remove(at);
        }
        let mut at = 0;
        while let Some(namespace) = self.old.get(at) {
            let organizations = self.organizations.get(namespace);
            if organizations.is_none_or(|organizations| organizations.ring.is_empty()) {
                let gone = self.old.remove(at)?;
                self.organizations.remove(&gone);
            } else if free(namespace) {
                return self.old.remove(at);
            } else {
                at += 1;
            }
        }
        None
    }
}

impl<K> OrganizationFlows<K> {
    fn pop(&mut self) -> Option<K> {
        let organization = self.ring.pop_front()?;
        let queue = self.queues.get_mut(&organization)?;
        let key = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&organization);
        } else {
            self.ring.push_back(organization);
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(priority: Priority, namespace: &str, organization: &str) -> Flow {
        Flow {
            priority,
            namespace: namespace.into(),
            organization: organization.into(),
        }
    }

    fn drain(queue: &mut FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| {
            let (key, namespace) = queue.pop()?;
            queue.done(&namespace);
            Some(key)
        })
        .collect()
    }

    #[test]
    fn namespaces_take_turns_and_organizations_within_them() {
        let mut queue = FairQueue::new(InFlightLimit::Fixed(10));
        for key in 0..100 {
            queue.push(
                key,
                flow(
                    Priority::Pending,
                    "big",
                    if key < 90 { "many" } else { "few" },
                ),
            );
        }
        queue.push(1000, flow(Priority::Pending, "small", "one"));
        let order = drain(&mut queue);
        assert_eq!(order[..5], [0, 1000, 90, 1, 91]);
        assert_eq!(order.len(), 101);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_namespace_that_had_nothing_comes_first_and_then_takes_its_turn() {
        let mut queue = FairQueue::new(InFlightLimit::Fixed(10));
        for key in 0..100 {
            queue.push(key, flow(Priority::Pending, &format!("{}", key % 50), "a"));
        }
        for key in 0..60 {
            assert_eq!(pop(&mut queue), key);
        }
        queue.push(1000, flow(Priority::Pending, "late", "a"));
        queue.push(1001, flow(Priority::Pending, "late", "a"));
        assert_eq!(pop(&mut queue), 1000);
        // Whoever comes back at once is not new: its turn comes after all others'.
        let round: Vec<u32> = (0..40).map(|_| pop(&mut queue)).collect();
        assert!(!round.contains(&1001), "{round:?}");
        assert_eq!(drain(&mut queue), [1001]);
        assert!(queue.pending.organizations.is_empty());
    }

    fn pop(queue: &mut FairQueue<u32>) -> u32 {
        let (key, namespace) = queue.pop().unwrap();
        queue.done(&namespace);
        key
    }

    #[test]
    fn neither_class_starves_the_other() {
        let mut queue = FairQueue::new(InFlightLimit::Fixed(10));
        for key in 0..100 {
            queue.push(key, flow(Priority::Pending, "a", "a"));
            queue.push(1000 + key, flow(Priority::Held, "a", "a"));
        }
        let order = drain(&mut queue);
        let held = order[..40].iter().filter(|&&key| key >= 1000).count();
        assert_eq!(held, 10);
    }

    #[test]
    fn one_namespace_leaves_room_for_another() {
        let mut queue = FairQueue::new(InFlightLimit::Fixed(2));
        for key in 0..10 {
            queue.push(key, flow(Priority::Pending, "slow", "a"));
        }
        let (_, slow) = queue.pop().unwrap();
        queue.pop().unwrap();
        assert!(queue.pop().is_none());
        queue.push(99, flow(Priority::Pending, "other", "a"));
        assert_eq!(queue.pop().unwrap().0, 99);
        queue.done(&slow);
        assert_eq!(queue.pop().unwrap().0, 2);
    }

    #[test]
    fn namespaces_that_take_all_they_get_leave_some_places_to_others() {
        let places = 1024;
        let mut queue = FairQueue::new(InFlightLimit::ShareOfFree(places));
        for namespace in 0..512 {
            for key in 0..8 {
                queue.push(key, flow(Priority::Pending, &format!("{namespace}"), "a"));
            }
        }
        let in_flight = std::iter::from_fn(|| queue.pop()).count();
        assert!(in_flight < places, "{in_flight}");
        // As often as it comes.
        for _ in 0..100 {
            queue.push(99, flow(Priority::Pending, "other", "a"));
            let (key, namespace) = queue.pop().unwrap();
            assert_eq!(key, 99);
            queue.done(&namespace);
        }
    }
}
