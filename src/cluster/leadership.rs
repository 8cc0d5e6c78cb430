//! Whether this process leads.

use std::time::Instant;

use tokio::sync::watch::Receiver;

/// A term of office, which ends at a time that each renewal puts off.
#[derive(Clone, Debug)]
pub struct Leadership(pub Receiver<Instant>);

impl Leadership {
    #[must_use]
    pub fn is_current(&self) -> bool {
        Instant::now() < *self.0.borrow()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;

    use super::*;

    #[test]
    fn leadership_ends_by_itself() {
        let (until, receiver) = watch::channel(Instant::now() + Duration::from_mins(1));
        let leadership = Leadership(receiver);
        assert!(leadership.is_current());
        until.send_replace(Instant::now());
        assert!(!leadership.is_current());
    }
}
