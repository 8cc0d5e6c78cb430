//! Which pending domains of a namespace are checked: at most so many, the others wait until one of
//! them is verified, fails or goes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::cluster::key::Key;

#[derive(Debug)]
pub struct Quota {
    most: usize,
    namespaces: HashMap<Arc<str>, Pending>,
    /// Those that came in from waiting since somebody last asked.
    promoted: Vec<Key>,
    /// Whether the first full list is in.
    filled: bool,
}

#[derive(Debug, Default)]
struct Pending {
    checked: HashSet<Key>,
    waiting: BTreeSet<(Timestamp, Key)>,
}

impl Quota {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            namespaces: HashMap::new(),
            promoted: Vec::new(),
            filled: false,
        }
    }

    /// A pending domain. Of a first full list, one that `waited` by its status stays behind those that
    /// did not, so that a restart changes nobody's place.
    pub fn enter(&mut self, key: &Key, created: Timestamp, waited: bool) {
        let pending = self.namespaces.entry(key.namespace().into()).or_default();
        if pending.checked.contains(key) || pending.waiting.contains(&(created, key.clone())) {
            return;
        }
        if (waited && !self.filled) || pending.checked.len() >= self.most {
            pending.waiting.insert((created, key.clone()));
        } else {
            pending.checked.insert(key.clone());
        }
    }

    /// A domain that is pending no longer.
    pub fn leave(&mut self, key: &Key, created: Timestamp) {
        let Some(pending) = self.namespaces.get_mut(key.namespace()) else {
            return;
        };
        pending.waiting.remove(&(created, key.clone()));
        pending.checked.remove(key);
        if pending.checked.is_empty() && pending.waiting.is_empty() {
            self.namespaces.remove(key.namespace());
            return;
        }
        self.fill(key.namespace());
    }

    #[must_use]
    pub fn is_over(&self, key: &Key, created: Timestamp) -> bool {
        self.namespaces
            .get(key.namespace())
            .is_some_and(|pending| pending.waiting.contains(&(created, key.clone())))
    }

    /// Lets those in for whom there is room, after a first full list.
    pub fn fill_all(&mut self) {
        self.filled = true;
        for namespace in self.namespaces.keys().cloned().collect::<Vec<_>>() {
            self.fill(&namespace);
        }
    }

    /// Those for whom there is room by now, since somebody last asked.
    pub fn take_promoted(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.promoted)
    }

    fn fill(&mut self, namespace: &str) {
        let Some(pending) = self.namespaces.get_mut(namespace) else {
            return;
        };
        while pending.checked.len() < self.most
            && let Some((_, key)) = pending.waiting.pop_first()
        {
            pending.checked.insert(key.clone());
            self.promoted.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_wait_come_in_when_there_is_room() {
        let mut quota = Quota::new(2);
        let key = |n: i64| Key::new("ns", &n.to_string());
        let at = |n: i64| Timestamp::from_second(n).unwrap();
        for n in [4, 3, 2, 1] {
            quota.enter(&key(n), at(n), false);
        }
        quota.enter(&Key::new("other", "a"), at(0), false);
        assert_eq!(
            [1, 2, 3, 4].map(|n| quota.is_over(&key(n), at(n))),
            [true, true, false, false]
        );
        assert!(!quota.is_over(&Key::new("other", "a"), at(0)));
        quota.leave(&key(2), at(2));
        assert_eq!(quota.take_promoted(), []);
        quota.leave(&key(3), at(3));
        assert_eq!(quota.take_promoted(), [key(1)]);
    }

    #[test]
    fn one_that_waited_in_another_shard_comes_in_where_there_is_room() {
        let mut quota = Quota::new(1);
        let (first, second) = (Key::new("ns", "a"), Key::new("ns", "b"));
        quota.fill_all();
        quota.enter(&first, Timestamp::UNIX_EPOCH, true);
        quota.enter(&second, Timestamp::UNIX_EPOCH, true);
        assert!(!quota.is_over(&first, Timestamp::UNIX_EPOCH));
        assert!(quota.is_over(&second, Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn after_a_restart_those_that_waited_wait_behind() {
        let mut quota = Quota::new(1);
        let (first, second) = (Key::new("ns", "a"), Key::new("ns", "b"));
        quota.enter(&first, Timestamp::UNIX_EPOCH, true);
        quota.enter(&second, Timestamp::UNIX_EPOCH, false);
        quota.fill_all();
        assert!(quota.is_over(&first, Timestamp::UNIX_EPOCH));
        quota.leave(&second, Timestamp::UNIX_EPOCH);
        assert_eq!(quota.take_promoted(), [first]);
    }
}
