//! A verified domain between two checks: nearly all of them, nearly always.

use jiff::Timestamp;

use super::{HeldBy, HoldingAction, Snapshot, decide, read};
use crate::api::organization_domain::{OrganizationDomainStatus, State, Strategy};
use crate::api::reason::Reason;
use crate::model::challenge::Token;
use crate::model::facts::Pace;
use crate::model::history::is_recent;
use crate::model::schedule;
use crate::model::settings::Settings;

/// What must be known of a settled domain. Its whole status is read again when a check is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub token: Token,
    /// When the status promises the next check. While checks that decided nothing are repeated it
    /// promises none.
    pub next_check: Option<Timestamp>,
    /// The number of the latest transition, and its time where the status does not say that all were
    /// published.
    latest: i64,
    unpublished: Option<Timestamp>,
    last_proven: Timestamp,
}

impl Settled {
    /// Of a domain that is verified by DNS, with its record there, no request open, and a status that
    /// says of this just what we would; none otherwise. That the domain holds its name
    /// is taken for granted here, see [`Self::lasts`].
    #[must_use]
    pub fn of(now: Timestamp, settings: &Settings, snapshot: &Snapshot<'_>) -> Option<Self> {
        let facts = read(now, snapshot);
        let (Some(pace), State::Verified, Strategy::Dns, Reason::Verified) =
            (facts.pace, facts.state, facts.strategy, facts.reason)
        else {
            return None;
        };
        let next_check = match pace {
            Pace::At(time) => Some(time),
            Pace::Every(_) if settings.recheck_period >= schedule::WRITTEN_FROM => None,
            Pace::Every(_) => return None,
        };
        let verified = facts.verified?;
        let latest = snapshot.status.history.last();
        let published = snapshot.status.published_sequence.unwrap_or_default();
        let unpublished = latest.filter(|latest| latest.sequence > published);
        let settled = Self {
            token: facts.challenge.as_ref()?.token.clone(),
            next_check,
            latest: latest.map_or(0, |latest| latest.sequence),
            unpublished: unpublished.map(|latest| latest.time.0),
            last_proven: facts.last_proven?,
        };
        let plain = facts.record_missing.is_none()
            && facts.unconfirmed.is_none()
            && facts.paused.is_none()
            && !super::is_new_request(snapshot, &facts);
        let held_by = HeldBy::Us {
            since: verified,
            strategy: Strategy::Dns,
            token_known: true,
        };
        let held = Snapshot {
            held_by,
            ..*snapshot
        };
        let token = settled.token.clone();
        let decision =
            plain.then(|| decide(now, settings, &held, next_check, None, move || token))?;
        (decision.holding == HoldingAction::Keep
            && same_but_for_texts(&decision.status, snapshot.status))
        .then_some(settled)
    }

    /// Whether nothing came between: the domain holds its name with this token, and the proof is
    /// not too old, nor of a time that is still to come since the clock was set back.
    #[must_use]
    pub fn lasts(&self, now: Timestamp, settings: &Settings, held_by: HeldBy) -> bool {
        let ours = matches!(
            held_by,
            HeldBy::Us {
                strategy: Strategy::Dns,
                token_known: true,
                ..
            }
        );
        let relied_on = self.last_proven..=schedule::add(self.last_proven, settings.max_proof_age);
        ours && relied_on.contains(&now)
    }

    /// Whether a transition is to be published that this process has not handed in.
    #[must_use]
    pub fn has_news(&self, handed_in: Option<i64>, now: Timestamp) -> bool {
        self.unpublished.is_some_and(|time| {
            handed_in.map_or_else(|| is_recent(time, now), |handed_in| self.latest > handed_in)
        })
    }
}

/// Whether two statuses say the same in other words. Two versions of the operator would rewrite each
/// other's texts without end; a check brings them up to date.
#[must_use]
pub fn same_but_for_texts(a: &OrganizationDomainStatus, b: &OrganizationDomainStatus) -> bool {
    let plain = |status: &OrganizationDomainStatus| {
        let mut status = status.clone();
        for condition in &mut status.conditions {
            // Until when an approval stands is said nowhere else.
            condition.message = Some(&condition.message)
                .filter(|_| condition.reason == Reason::Approved.as_str())
                .and_then(|text| text.split([' ', '.']).find(|word| is_time(word)))
                .unwrap_or_default()
                .to_owned();
        }
        status
    };
    plain(a) == plain(b)
}

fn is_time(word: &str) -> bool {
    word.parse::<Timestamp>().is_ok()
}
