//! The latest transitions of an object: the outbox from which Events are published. A status has them, so they
//! are written together with the state that they lead to.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::whole_second;
use crate::api::history::{HistoryEntry, MAX_HISTORY};
use crate::api::reason::Reason;

/// The API server keeps an Event for an hour. Until then, the Event's name prevents a second one.
const PUBLISHED_WITHIN: SignedDuration = SignedDuration::from_mins(50);

/// Whether a process that finds a transition of that time at its start publishes it.
#[must_use]
pub fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time).abs() < PUBLISHED_WITHIN
}

/// A history whose numbers ascend by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(Vec<HistoryEntry>);

impl History {
    /// Reads a status. Somebody may have edited it; what does not ascend by one up to the end is dropped.
    #[must_use]
    pub fn read(entries: &[HistoryEntry]) -> Self {
        let mut later = None;
        let fits = |&&HistoryEntry { sequence, .. }: &&HistoryEntry| {
            let ascends = later.map_or(sequence < i64::MAX, |later| sequence == later - 1);
            later = Some(sequence);
            ascends && sequence >= 1
        };
        let latest = entries.iter().rev().take(MAX_HISTORY);
        let mut kept: Vec<_> = latest.take_while(fits).cloned().collect();
        kept.reverse();
        Self(kept)
    }

    #[must_use]
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.0
    }

    /// The number of the latest transition; 0 where there is none.
    #[must_use]
    pub fn latest(&self) -> i64 {
        self.0.last().map_or(0, |entry| entry.sequence)
    }

    pub fn push(&mut self, reason: Reason, now: Timestamp) {
        if self.0.len() == MAX_HISTORY {
            self.0.remove(0);
        }
        let entry = HistoryEntry {
            sequence: self.latest() + 1,
            reason: reason.as_str().to_owned(),
            time: Time(whole_second(now)),
        };
        self.0.push(entry);
    }

    /// The reasons, the latest first.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        let entries = self.0.iter().rev();
        entries.filter_map(|entry| entry.reason.parse().ok())
    }

    #[must_use]
    pub fn write(self) -> Vec<HistoryEntry> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T00:00:00.5Z".parse().unwrap()
    }

    fn entry(sequence: i64) -> HistoryEntry {
        HistoryEntry {
            sequence,
            reason: "Verified".into(),
            time: Time(now()),
        }
    }

    fn sequences(history: &History) -> Vec<i64> {
        history.0.iter().map(|entry| entry.sequence).collect()
    }

    #[test]
    fn the_latest_are_kept_and_none_has_the_number_of_another() {
        let mut history = History::default();
        assert_eq!(history.latest(), 0);
        for _ in 0..11 {
            history.push(Reason::Verified, now());
        }
        assert_eq!(sequences(&history), (4..=11).collect::<Vec<_>>());
        assert_eq!(history.latest(), 11);
        let read = History::read(&history.clone().write());
        assert_eq!(read, history);
    }

    #[test]
    fn of_an_edited_history_the_end_that_could_be_ours_is_kept() {
        for (edited, kept) in [
            (vec![1, 2, 4, 5], vec![4, 5]),
            (vec![5, 4], vec![4]),
            (vec![-1, 0, 1], vec![1]),
            (vec![i64::MAX], vec![]),
            (vec![i64::MIN, i64::MIN], vec![]),
            ((1..=20).collect(), (13..=20).collect()),
        ] {
            let edited: Vec<_> = edited.into_iter().map(entry).collect();
            assert_eq!(sequences(&History::read(&edited)), kept, "{edited:?}");
        }
    }

    #[test]
    fn what_is_too_old_for_the_api_server_to_know_its_event_is_not_recent() {
        for (minutes, recent) in [
            (0, true),
            (49, true),
            (51, false),
            (-49, true),
            (-51, false),
        ] {
            let time = now() - SignedDuration::from_mins(minutes);
            assert_eq!(is_recent(time, now()), recent, "{minutes}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_status_has_can_be_read_and_gone_on_with(
            numbers in prop::collection::vec(prop_oneof![any::<i64>(), -2_i64..12], 0..12),
        ) {
            let edited: Vec<_> = numbers.into_iter().map(entry).collect();
            let mut history = History::read(&edited);
            let latest = history.latest();
            history.push(Reason::Verified, now());
            prop_assert_eq!(history.latest(), latest + 1);
            prop_assert!(history.0.len() <= MAX_HISTORY);
            prop_assert_eq!(&History::read(&history.0), &history);
        }
    }
}
