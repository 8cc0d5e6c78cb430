//! A check: evidence from the DNS, judged for the domain and for whoever holds its name.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{fresh_token, held};
use crate::api::organization_domain::State;
use crate::controller::calls::CallError;
use crate::controller::holding;
use crate::controller::operator::Operator;
use crate::controller::store::domain::{Domain, Kept};
use crate::controller::store::holdings::HoldingView;
use crate::model::challenge::{Challenge, Token};
use crate::model::evidence::Evidence;
use crate::model::lifecycle::{JudgedHolder, Judgement};
use crate::model::name::DomainName;
use crate::model::uid::Uid;
use crate::model::verdict::Verdict;
use crate::model::{provider, recall, report, verdict};

/// A check that was made.
pub struct Checked {
    /// Of the object that was checked.
    pub uid: Uid,
    pub judgement: Judgement,
    /// When the first question was asked, by the clock that nobody sets.
    pub begun: Instant,
    /// The holding whose holder was judged too.
    pub holding: Option<Arc<HoldingView>>,
}

pub async fn check(
    operator: &Operator,
    domain: &Domain,
    challenge: &Challenge,
) -> Result<Checked, CallError> {
    let begun = Instant::now();
    let evidence = operator.gatherer.gather(challenge).await;
    judge(operator, domain, challenge, evidence, begun).await
}

/// A check for the token that a holder's status lost.
pub struct Recalled {
    pub token: RecalledToken,
    pub checked: Checked,
}

/// What became of that token.
pub enum RecalledToken {
    /// The record shows it.
    Published(Token),
    /// No record shows it, nor this one, which is issued in its place.
    Replaced(Token),
}

/// Looks for the token that the holding has the hash of. None where the DNS does not say.
pub async fn recall_token(
    operator: &Operator,
    domain: &Domain,
    name: DomainName,
    holding: &HoldingView,
) -> Result<Option<Recalled>, CallError> {
    let begun = Instant::now();
    let mut challenge = Challenge {
        name,
        service: operator.settings.service.clone(),
        token: fresh_token()?,
    };
    let evidence = operator.gatherer.gather(&challenge).await;
    let holder = holding.spec().holder;
    let published = recall::token(&challenge.service, &evidence, &holder);
    let is_published = published.is_some();
    if let Some(token) = published {
        challenge.token = token;
    }
    let checked = judge(operator, domain, &challenge, evidence, begun).await?;
    let token = if is_published {
        RecalledToken::Published(challenge.token)
    } else if checked.judgement.verdict.is_negative() {
        RecalledToken::Replaced(challenge.token)
    } else {
        return Ok(None);
    };
    Ok(Some(Recalled { token, checked }))
}

async fn judge(
    operator: &Operator,
    domain: &Domain,
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
    let internal = operator.settings.names.is_internal(challenge.name.as_str());
    Ok(Checked {
        uid: domain.uid.clone(),
        begun,
        holding,
        judgement: Judgement {
            verdict: judged.verdict,
            weight: judged.weight,
            token: challenge.token.clone(),
            holder,
            dns_provider: provider::of(&evidence, &operator.settings.names),
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
