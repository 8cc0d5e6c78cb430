//! A check: evidence from the DNS, judged for the domain and for whoever holds its name.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{fresh_token, held, is_seen_to, lost_token};
use crate::api::organization_domain::State;
use crate::controller::calls::CallError;
use crate::controller::holding;
use crate::controller::operator::Operator;
use crate::controller::store::Key;
use crate::controller::store::domain::{Domain, Kept};
use crate::controller::store::holdings::HoldingView;
use crate::dns::Asker;
use crate::model::challenge::{Challenge, Token};
use crate::model::evidence::Evidence;
use crate::model::lifecycle::{self, JudgedHolder, Judgement};
use crate::model::name::DomainName;
use crate::model::uid::Uid;
use crate::model::verdict::Verdict;
use crate::model::{provider, recall, report, verdict};

/// A check that was made.
pub struct Checked {
    /// Of the object that was checked.
    pub uid: Uid,
    /// The object as it was then. Where it did not change, it need not be read again.
    pub domain: Option<Arc<Domain>>,
    /// The request that it answers. One that was made later waits for a check of its own.
    pub requested: Option<Box<str>>,
    pub judgement: Judgement,
    /// When the first question was asked, by the clock that nobody sets.
    pub begun: Instant,
    /// The holding whose holder was judged too.
    pub holding: Option<Arc<HoldingView>>,
    /// Where the object's status lacked the token of its holding.
    pub recalled: Option<RecalledToken>,
}

/// Makes the check that was asked for, of the object as it is now; none where there is nothing to check
/// any more.
pub async fn check_now(operator: &Operator, key: &Key) -> Result<Option<Checked>, CallError> {
    let Some(known) = operator.stores.domains().get(key) else {
        return Ok(None);
    };
    let domain = match known.kept {
        Kept::Whole(_) => known,
        Kept::AtRest(_) => match operator.refresh(key).await? {
            Some(live) => live,
            None => return Ok(None),
        },
    };
    let Kept::Whole(status) = &domain.kept else {
        return Err(CallError::Conflict);
    };
    let held_by = operator.held_by(&domain).await?;
    let now = operator.clock.now();
    if is_seen_to(operator, &domain, held_by) {
        // Until what it waits for comes, it is not asked for at once again.
        operator.put_off(&domain, now);
        return Ok(None);
    }
    let snapshot = operator.snapshot(&domain, status, held_by, now);
    if let Some((holding, name)) = lost_token(operator, &domain, &snapshot) {
        return recall_token(operator, &domain, name, &holding)
            .await
            .map(Some);
    }
    // It was due when it was asked for.
    let due = lifecycle::due(now, &operator.settings, &snapshot, Some(now));
    let Some(challenge) = due else {
        return Ok(None);
    };
    // Where nothing can be written, the next check comes at its time all the same.
    operator.put_off(&domain, now);
    let checked = check(operator, &domain, &challenge).await?;
    Ok(Some(checked))
}

async fn check(
    operator: &Operator,
    domain: &Arc<Domain>,
    challenge: &Challenge,
) -> Result<Checked, CallError> {
    let begun = Instant::now();
    let evidence = gather(operator, domain, challenge).await;
    judge(operator, domain, challenge, evidence, begun).await
}

async fn gather(operator: &Operator, domain: &Domain, challenge: &Challenge) -> Evidence {
    let asker = Asker {
        name: domain.key.namespace().into(),
        answered_before: domain.was_answered(),
    };
    operator.gatherer.gather(challenge, asker).await
}

/// What became of the token that a holder's status lost.
#[derive(Debug, PartialEq, Eq)]
pub enum RecalledToken {
    /// The record shows it.
    Published(Token),
    /// No record shows it, nor this one, which is issued in its place.
    Replaced(Token),
    /// The DNS does not say, and nothing is replaced for an outage.
    Unknown,
}

/// Looks for the token that the holding has the hash of.
async fn recall_token(
    operator: &Operator,
    domain: &Arc<Domain>,
    name: DomainName,
    holding: &HoldingView,
) -> Result<Checked, CallError> {
    let begun = Instant::now();
    let mut challenge = Challenge {
        name,
        service: operator.settings.service.clone(),
        token: fresh_token()?,
    };
    let evidence = gather(operator, domain, &challenge).await;
    let holder = holding.spec().holder;
    let published = recall::token(&challenge.service, &evidence, &holder);
    if let Some(token) = &published {
        challenge.token = token.clone();
    }
    let checked = judge(operator, domain, &challenge, evidence, begun).await?;
    Ok(checked.recalling(published))
}

impl Checked {
    /// Says what became of the token that the status lost. What was judged is the one that is published,
    /// or else a new one.
    fn recalling(self, published: Option<Token>) -> Self {
        let recalled = match published {
            Some(token) => RecalledToken::Published(token),
            None if self.judgement.verdict.is_negative() => {
                RecalledToken::Replaced(self.judgement.token.clone())
            }
            None => RecalledToken::Unknown,
        };
        Self {
            recalled: Some(recalled),
            ..self
        }
    }
}

async fn judge(
    operator: &Operator,
    domain: &Arc<Domain>,
    challenge: &Challenge,
    evidence: Evidence,
    begun: Instant,
) -> Result<Checked, CallError> {
    let judged = verdict::judge(challenge, &evidence);
    let state = domain.state().unwrap_or(State::Pending);
    operator.metrics.check(judged.verdict, state);
    let holding = held(operator, domain)
        .filter(|holding| holding.holder.uid != domain.uid)
        .filter(|_| judged.verdict == Verdict::Proven || domain.is_taking_over());
    let holder = match &holding {
        Some(holding) => judge_holder(operator, holding, challenge, &evidence).await?,
        None => None,
    };
    let names = &operator.settings.names;
    let internal = names.is_internal(challenge.name.as_str());
    Ok(Checked {
        uid: domain.uid.clone(),
        domain: Some(Arc::clone(domain)),
        requested: domain.requested.clone(),
        begun,
        holding,
        recalled: None,
        judgement: Judgement {
            verdict: judged.verdict,
            weight: judged.weight,
            token: challenge.token.clone(),
            holder,
            dns_provider: provider::of(&evidence, names).filter(|_| !internal),
            report: report::last_check(challenge, &evidence, judged, internal),
        },
    })
}

/// Judges the holder of the name by the evidence that was gathered for somebody else, on the token
/// that a live read of it shows. None where the token is not the one that was proved.
async fn judge_holder(
    operator: &Operator,
    holding: &HoldingView,
    challenge: &Challenge,
    evidence: &Evidence,
) -> Result<Option<JudgedHolder>, CallError> {
    let Some(holder) = holding::live_holder(operator, holding).await? else {
        return Ok(None);
    };
    let (Some(token), Kept::Whole(status)) = (holder.token(), &holder.kept) else {
        return Ok(None);
    };
    let theirs = Challenge {
        token,
        ..challenge.clone()
    };
    let judged = verdict::judge(&theirs, evidence);
    Ok(Some(JudgedHolder {
        verdict: judged.verdict,
        weight: judged.weight,
        last_proven: status.last_proven_time.as_ref().map(|time| time.0),
    }))
}

impl Operator {
    /// The holder of the domain's name is checked at once, where its namespace is looked after here,
    /// whichever shard it is in.
    pub(super) async fn check_holder_of(&self, domain: &Domain, now: Timestamp) {
        let Some(holding) = held(self, domain) else {
            return;
        };
        let holder = &holding.holder;
        if self.knows_holder(&holding) {
            let key = holding.holder.key.clone();
            self.due_now(&key, &holder.uid);
            self.domains.add(key);
        } else if !self.shard.is_whole() && self.watches(holder.key.namespace()) {
            match holding::live_holder(self, &holding).await {
                Ok(Some(live)) => self.borrow(live, now),
                Ok(None) => {}
                // Its own check comes.
                Err(error) => {
                    tracing::warn!(name = %holding.name, %error, "the holder is not checked at once");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::organization_domain::CheckVerdict;
    use crate::model::agreement::Weight;
    use crate::model::challenge::TOKEN_OCTETS;
    use crate::model::evidence::Failure;

    #[test]
    fn a_lost_token_is_the_published_one_or_replaced_where_the_dns_says_no() {
        let token = |n| Token::from_random([n; TOKEN_OCTETS]);
        let (old, new) = (token(1), token(2));
        let inconclusive = Verdict::Inconclusive(Failure::ServFail);
        for (published, verdict, recalled) in [
            (
                Some(&old),
                Verdict::Proven,
                RecalledToken::Published(old.clone()),
            ),
            // Where not every server shows it, it is the token all the same.
            (
                Some(&old),
                Verdict::Disagreement,
                RecalledToken::Published(old.clone()),
            ),
            (None, Verdict::Absent, RecalledToken::Replaced(new.clone())),
            (None, Verdict::Disagreement, RecalledToken::Unknown),
            (None, inconclusive, RecalledToken::Unknown),
        ] {
            let checked = Checked {
                uid: "1".into(),
                domain: None,
                requested: None,
                judgement: Judgement {
                    verdict,
                    weight: Weight::Complete,
                    token: published.unwrap_or(&new).clone(),
                    holder: None,
                    dns_provider: None,
                    report: report::verdict_alone(CheckVerdict::Absent, None),
                },
                begun: Instant::now(),
                holding: None,
                recalled: None,
            };
            let checked = checked.recalling(published.cloned());
            assert_eq!(
                checked.recalled,
                Some(recalled),
                "{published:?} {verdict:?}"
            );
        }
    }
}
