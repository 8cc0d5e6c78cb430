//! Who comes next among keys that are all due: by turns between namespaces, within a namespace
//! between organizations, with a share for each class of work, a limit on what one namespace may
//! have under way, and one on what all those together may whose work is slow.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Every fourth turn goes to the other class first, if it has anything.
const TURNS: u64 = 4;
/// For so long a namespace counts as slow after work of it was.
const SLOW_FOR: Duration = Duration::from_mins(10);

/// Where a key stands in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub class: Class,
    pub namespace: Arc<str>,
    pub organization: Arc<str>,
}

/// What kind of work it is: neither starves the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// New and waiting domains, and everything else.
    Pending,
    /// Domains that are held: their proof is kept true, or passes on.
    Held,
}

/// Most keys that may be under way.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Of one namespace.
    pub of_namespace: usize,
    /// Of the namespaces whose work is quick, together.
    pub quick: usize,
    /// Of those whose work was slow. More than that become slow once they are under way.
    pub slow: usize,
    /// Of all.
    pub total: usize,
}

impl Shares {
    /// Where workers limit the rest.
    #[must_use]
    pub fn of_namespace(most: usize) -> Self {
        Self {
            of_namespace: most.max(1),
            quick: usize::MAX,
            slow: usize::MAX,
            total: usize::MAX,
        }
    }
}

/// What a key that is under way counts for.
#[derive(Debug)]
pub struct Slot {
    pub namespace: Arc<str>,
    pub slow: bool,
}

/// Keys that are due.
#[derive(Debug)]
pub struct Line<K> {
    pending: Namespaces<K>,
    held: Namespaces<K>,
    turn: u64,
    under_way: HashMap<Arc<str>, usize>,
    quick: usize,
    slow: usize,
    /// Namespaces whose work was slow, and until when they count as such.
    slow_until: HashMap<Arc<str>, Instant>,
    shares: Shares,
}

impl<K> Line<K> {
    #[must_use]
    pub fn new(shares: Shares) -> Self {
        Self {
            pending: Namespaces::default(),
            held: Namespaces::default(),
            turn: 0,
            under_way: HashMap::new(),
            quick: 0,
            slow: 0,
            slow_until: HashMap::new(),
            shares,
        }
    }

    pub fn push(&mut self, key: K, lane: Lane) {
        match lane.class {
            Class::Pending => self.pending.push(key, lane),
            Class::Held => self.held.push(key, lane),
        }
    }

    /// The next key, and what it counts for until [`Self::done`].
    pub fn pop(&mut self, now: Instant) -> Option<(K, Slot)> {
        let Self {
            pending,
            held,
            turn,
            under_way,
            quick,
            slow,
            slow_until,
            shares,
        } = self;
        if *quick + *slow >= shares.total {
            return None;
        }
        let is_slow = |namespace: &Arc<str>| slow_until.get(namespace).is_some_and(|t| now < *t);
        let free = |namespace: &Arc<str>| {
            let of_namespace = under_way.get(namespace).copied().unwrap_or_default();
            of_namespace < shares.of_namespace
                && if is_slow(namespace) {
                    *slow < shares.slow
                } else {
                    *quick < shares.quick
                }
        };
        let (first, second) = if turn.is_multiple_of(TURNS) {
            (held, pending)
        } else {
            (pending, held)
        };
        let (key, namespace) = first.pop(free).or_else(|| second.pop(free))?;
        let is_slow = is_slow(&namespace);
        *turn += 1;
        *under_way.entry(Arc::clone(&namespace)).or_default() += 1;
        *(if is_slow { slow } else { quick }) += 1;
        Some((
            key,
            Slot {
                namespace,
                slow: is_slow,
            },
        ))
    }

    /// A key under way takes long: its place is left to the quick, and for a while its namespace has
    /// those of the slow.
    pub fn slowed(&mut self, slot: &mut Slot, now: Instant) {
        if !std::mem::replace(&mut slot.slow, true) {
            self.quick -= 1;
            self.slow += 1;
        }
        if !self.slow_until.contains_key(&slot.namespace) {
            self.slow_until.retain(|_, until| now < *until);
        }
        let namespace = Arc::clone(&slot.namespace);
        self.slow_until.insert(namespace, now + SLOW_FOR);
    }

    /// A key is no longer under way.
    pub fn done(&mut self, slot: &Slot) {
        if let Some(count) = self.under_way.get_mut(&slot.namespace) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&slot.namespace);
            }
        }
        if slot.slow {
            self.slow -= 1;
        } else {
            self.quick -= 1;
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
    fn push(&mut self, key: K, lane: Lane) {
        self.len += 1;
        let organizations = self
            .lines
            .entry(Arc::clone(&lane.namespace))
            .or_insert_with(|| {
                self.ring.push_back(lane.namespace);
                Organizations {
                    ring: VecDeque::new(),
                    lines: HashMap::new(),
                }
            });
        organizations
            .lines
            .entry(Arc::clone(&lane.organization))
            .or_insert_with(|| {
                organizations.ring.push_back(lane.organization);
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

    fn lane(class: Class, namespace: &str, organization: &str) -> Lane {
        Lane {
            class,
            namespace: namespace.into(),
            organization: organization.into(),
        }
    }

    fn drain(line: &mut Line<u32>) -> Vec<u32> {
        std::iter::from_fn(|| {
            let (key, slot) = line.pop(Instant::now())?;
            line.done(&slot);
            Some(key)
        })
        .collect()
    }

    #[test]
    fn namespaces_take_turns_and_organizations_within_them() {
        let mut line = Line::new(Shares::of_namespace(10));
        for key in 0..100 {
            line.push(
                key,
                lane(Class::Pending, "big", if key < 90 { "many" } else { "few" }),
            );
        }
        line.push(1000, lane(Class::Pending, "small", "one"));
        let order = drain(&mut line);
        assert_eq!(order[..5], [0, 1000, 90, 1, 91]);
        assert_eq!(order.len(), 101);
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn neither_class_starves_the_other() {
        let mut line = Line::new(Shares::of_namespace(10));
        for key in 0..100 {
            line.push(key, lane(Class::Pending, "a", "a"));
            line.push(1000 + key, lane(Class::Held, "a", "a"));
        }
        let order = drain(&mut line);
        let held = order[..40].iter().filter(|&&key| key >= 1000).count();
        assert_eq!(held, 10);
    }

    #[test]
    fn one_namespace_leaves_room_for_another() {
        let mut line = Line::new(Shares::of_namespace(2));
        for key in 0..10 {
            line.push(key, lane(Class::Pending, "slow", "a"));
        }
        let now = Instant::now();
        let (_, slow) = line.pop(now).unwrap();
        line.pop(now).unwrap();
        assert!(line.pop(now).is_none());
        line.push(99, lane(Class::Pending, "other", "a"));
        assert_eq!(line.pop(now).unwrap().0, 99);
        line.done(&slow);
        assert_eq!(line.pop(now).unwrap().0, 2);
    }

    #[test]
    fn those_who_are_slow_have_places_of_their_own() {
        let shares = Shares {
            of_namespace: 4,
            quick: 4,
            slow: 2,
            total: 7,
        };
        let mut line = Line::new(shares);
        let now = Instant::now();
        let push = |line: &mut Line<u32>, key, namespace| {
            line.push(key, lane(Class::Pending, namespace, "a"));
        };
        for key in 0..20 {
            push(&mut line, key, "slow");
            push(&mut line, 100 + key, "slower");
        }
        let mut slots: Vec<Slot> = std::iter::from_fn(|| line.pop(now))
            .map(|(_, slot)| slot)
            .collect();
        assert_eq!(slots.len(), 4);
        push(&mut line, 1000, "quick");
        assert!(line.pop(now).is_none());
        for slot in &mut slots {
            line.slowed(slot, now);
        }
        // More than their share became slow, and no more of them are taken.
        let (key, quick) = line.pop(now).unwrap();
        assert_eq!(key, 1000);
        assert!(line.pop(now).is_none());
        line.done(&quick);
        for slot in slots.drain(..3) {
            line.done(&slot);
        }
        let (key, slot) = line.pop(now).unwrap();
        assert!(key < 1000 && slot.slow);
        assert!(line.pop(now).is_none());
        // It is forgiven once nothing of it was slow for a while.
        let later = now + SLOW_FOR;
        assert!(!line.pop(later).unwrap().1.slow);
    }

    #[test]
    fn all_that_is_under_way_is_bounded() {
        let mut line = Line::new(Shares {
            of_namespace: 9,
            quick: 2,
            slow: 2,
            total: 5,
        });
        let now = Instant::now();
        for key in 0..20 {
            line.push(key, lane(Class::Pending, &format!("{key}"), "a"));
        }
        let mut under_way = 0;
        // Each is new to us, and slow.
        while let Some((_, mut slot)) = line.pop(now) {
            line.slowed(&mut slot, now);
            under_way += 1;
        }
        assert_eq!(under_way, 5);
    }
}
