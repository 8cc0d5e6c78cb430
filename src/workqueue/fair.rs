//! Who comes next among keys that are all due: by turns between namespaces, within a namespace
//! between organizations, with a share for each priority of work, and a limit on what one namespace may
//! have under way.

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

/// How many keys of one namespace may be under way.
#[derive(Clone, Copy, Debug)]
pub enum Share {
    /// So many; workers limit the rest.
    UpTo(usize),
    /// A part of those of so many places that are free, which always leaves some to others.
    OfPlaces(usize),
}

/// Keys that are due.
#[derive(Debug)]
pub struct FairQueue<K> {
    pending: Namespaces<K>,
    held: Namespaces<K>,
    turn: u64,
    under_way: HashMap<Arc<str>, usize>,
    all_under_way: usize,
    share: Share,
}

impl<K> FairQueue<K> {
    #[must_use]
    pub fn new(share: Share) -> Self {
        Self {
            pending: Namespaces::default(),
            held: Namespaces::default(),
            turn: 0,
            under_way: HashMap::new(),
            all_under_way: 0,
            share,
        }
    }

    pub fn push(&mut self, key: K, flow: Flow) {
        match flow.priority {
            Priority::Pending => self.pending.push(key, flow),
            Priority::Held => self.held.push(key, flow),
        }
    }

    /// The next key, and its namespace, of which it counts as under way until [`Self::done`].
    pub fn pop(&mut self) -> Option<(K, Arc<str>)> {
        let Self {
            pending,
            held,
            turn,
            under_way,
            all_under_way,
            share,
        } = self;
        let may_have_one_more = |namespace: &Arc<str>| {
            let of_namespace = under_way.get(namespace).copied().unwrap_or_default();
            match *share {
                Share::UpTo(most) => of_namespace < most,
                Share::OfPlaces(places) => {
                    may_have_one_more(of_namespace, places.saturating_sub(*all_under_way))
                }
            }
        };
        let (first, second) = if turn.is_multiple_of(TURNS) {
            (held, pending)
        } else {
            (pending, held)
        };
        let (key, namespace) = first
            .pop(may_have_one_more)
            .or_else(|| second.pop(may_have_one_more))?;
        *turn += 1;
        *all_under_way += 1;
        *under_way.entry(Arc::clone(&namespace)).or_default() += 1;
        Some((key, namespace))
    }

    /// A key of the namespace is no longer under way.
    pub fn done(&mut self, namespace: &Arc<str>) {
        self.all_under_way -= 1;
        if let Some(count) = self.under_way.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(namespace);
            }
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len + self.held.len
    }
}

/// Namespaces by turns.
#[derive(Debug)]
struct Namespaces<K> {
    ring: VecDeque<Arc<str>>,
    lines: HashMap<Arc<str>, Organizations<K>>,
    len: usize,
}

/// Organizations by turns.
#[derive(Debug)]
struct Organizations<K> {
    ring: VecDeque<Arc<str>>,
    lines: HashMap<Arc<str>, VecDeque<K>>,
}

impl<K> Default for Namespaces<K> {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            lines: HashMap::new(),
            len: 0,
        }
    }
}

impl<K> Namespaces<K> {
    fn push(&mut self, key: K, flow: Flow) {
        self.len += 1;
        let organizations = self
            .lines
            .entry(Arc::clone(&flow.namespace))
            .or_insert_with(|| {
                self.ring.push_back(flow.namespace);
                Organizations {
                    ring: VecDeque::new(),
                    lines: HashMap::new(),
                }
            });
        organizations
            .lines
            .entry(Arc::clone(&flow.organization))
            .or_insert_with(|| {
                organizations.ring.push_back(flow.organization);
                VecDeque::new()
            })
            .push_back(key);
    }

    /// The first key of the first namespace that may have one more under way.
    fn pop(&mut self, free: impl Fn(&Arc<str>) -> bool) -> Option<(K, Arc<str>)> {
        let at = self.ring.iter().position(free)?;
        let namespace = self.ring.remove(at)?;
        let line = self.lines.get_mut(&namespace)?;
        let key = line.pop();
        if line.ring.is_empty() {
            self.lines.remove(&namespace);
        } else {
            self.ring.push_back(Arc::clone(&namespace));
        }
        self.len -= usize::from(key.is_some());
        Some((key?, namespace))
    }
}

impl<K> Organizations<K> {
    fn pop(&mut self) -> Option<K> {
        let organization = self.ring.pop_front()?;
        let line = self.lines.get_mut(&organization)?;
        let key = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&organization);
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

    fn drain(line: &mut FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| {
            let (key, namespace) = line.pop()?;
            line.done(&namespace);
            Some(key)
        })
        .collect()
    }

    #[test]
    fn namespaces_take_turns_and_organizations_within_them() {
        let mut line = FairQueue::new(Share::UpTo(10));
        for key in 0..100 {
            line.push(
                key,
                flow(
                    Priority::Pending,
                    "big",
                    if key < 90 { "many" } else { "few" },
                ),
            );
        }
        line.push(1000, flow(Priority::Pending, "small", "one"));
        let order = drain(&mut line);
        assert_eq!(order[..5], [0, 1000, 90, 1, 91]);
        assert_eq!(order.len(), 101);
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn neither_class_starves_the_other() {
        let mut line = FairQueue::new(Share::UpTo(10));
        for key in 0..100 {
            line.push(key, flow(Priority::Pending, "a", "a"));
            line.push(1000 + key, flow(Priority::Held, "a", "a"));
        }
        let order = drain(&mut line);
        let held = order[..40].iter().filter(|&&key| key >= 1000).count();
        assert_eq!(held, 10);
    }

    #[test]
    fn one_namespace_leaves_room_for_another() {
        let mut line = FairQueue::new(Share::UpTo(2));
        for key in 0..10 {
            line.push(key, flow(Priority::Pending, "slow", "a"));
        }
        let (_, slow) = line.pop().unwrap();
        line.pop().unwrap();
        assert!(line.pop().is_none());
        line.push(99, flow(Priority::Pending, "other", "a"));
        assert_eq!(line.pop().unwrap().0, 99);
        line.done(&slow);
        assert_eq!(line.pop().unwrap().0, 2);
    }

    #[test]
    fn namespaces_that_take_all_they_get_leave_some_places_to_others() {
        let places = 1024;
        let mut line = FairQueue::new(Share::OfPlaces(places));
        for namespace in 0..512 {
            for key in 0..8 {
                line.push(key, flow(Priority::Pending, &format!("{namespace}"), "a"));
            }
        }
        let under_way = std::iter::from_fn(|| line.pop()).count();
        assert!(under_way < places, "{under_way}");
        // As often as it comes.
        for _ in 0..100 {
            line.push(99, flow(Priority::Pending, "other", "a"));
            let (key, namespace) = line.pop().unwrap();
            assert_eq!(key, 99);
            line.done(&namespace);
        }
    }
}
