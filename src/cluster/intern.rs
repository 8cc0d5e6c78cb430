//! One copy of each text that several objects repeat: keys and domain names.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many are kept before those that nobody else has are dropped.
const SWEPT_FROM: usize = 1024;

static POOL: Mutex<Pool> = Mutex::new(Pool {
    texts: BTreeSet::new(),
    sweep_at: SWEPT_FROM,
});

struct Pool {
    texts: BTreeSet<Arc<str>>,
    sweep_at: usize,
}

/// The one copy of this text.
pub fn intern(text: &str) -> Arc<str> {
    let mut pool = POOL.lock();
    pool.intern(text)
}

impl Pool {
    fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= self.sweep_at {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.sweep_at = SWEPT_FROM.max(2 * self.texts.len());
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_there_once_and_goes_when_nobody_has_it() {
        let mut pool = Pool {
            texts: BTreeSet::new(),
            sweep_at: 2,
        };
        let kept = pool.intern("kept");
        assert!(Arc::ptr_eq(&kept, &pool.intern("kept")));
        pool.intern("gone");
        let new = pool.intern("new");
        assert_eq!(pool.texts.iter().collect::<Vec<_>>(), [&kept, &new]);
    }
}
