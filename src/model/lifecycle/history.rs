//! Which changes of a state are transitions, and so are added to the history.

use crate::api::organization_domain::State;
use crate::api::reason::Reason;
use crate::model::challenge::Token;
use crate::model::facts::Facts;
use crate::model::history::History;

/// The transitions from one state to the next, in their order.
pub(super) fn transitions(before: &Facts, facts: &Facts, history: &History) -> Vec<Reason> {
    let mut news = Vec::new();
    if facts.state != State::Failed
        && token(facts) != token(before)
        && facts.reason != Reason::Approved
    {
        news.push(Reason::ChallengeIssued);
    } else if (facts.state, facts.reason) != (before.state, before.reason)
        && is_transition(before, facts, history)
    {
        news.push(facts.reason);
    }
    if facts.state == State::Verified && before.state == State::Verified {
        match (&before.record_missing, &facts.record_missing) {
            (None, Some(_)) => news.push(facts.missing_reason()),
            (Some(_), None) => news.push(Reason::RecordFound),
            _ => {}
        }
    }
    match (&before.hand_over, &facts.hand_over) {
        (None, Some(_)) => news.push(Reason::HandOverStarted),
        (Some(_), None) if facts.state == State::Pending => news.push(Reason::HandOverCancelled),
        _ => {}
    }
    news
}

/// Whether the new reason makes a transition.
fn is_transition(before: &Facts, facts: &Facts, history: &History) -> bool {
    match facts.reason {
        Reason::Verified => before.state != State::Verified,
        reason if is_finding(reason) && facts.state == State::Pending => {
            // Each check of a pending domain may find another one of these.
            let mut earlier = history.reasons().take_while(|&earlier| is_finding(earlier));
            !earlier.any(|earlier| earlier == reason)
        }
        Reason::HeldByAnother
        | Reason::Approved
        | Reason::WindowExpired
        | Reason::RecordLost
        | Reason::HandedOver
        | Reason::NameRefused
        | Reason::OrganizationMissing
        | Reason::NamespaceSuspended
        | Reason::QuotaExceeded
        | Reason::HoldingLost
        | Reason::ApprovalEnded
        | Reason::ProofStale => true,
        _ => false,
    }
}

/// Whether a check of a pending domain finds it.
fn is_finding(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::HeldByAnother | Reason::RecordMismatch | Reason::RecordExpired
    )
}

fn token(facts: &Facts) -> Option<&Token> {
    facts.challenge.as_ref().map(|issued| &issued.token)
}
