//! Organization domains: from a change or a due check to statuses, holdings and Events.

mod admission;
mod apply;
mod check;
mod mirror;
mod notices;
mod times;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::TryRng;
use rand::rngs::SysRng;

use self::admission::Admission;
use self::apply::{Applied, apply};
use self::check::RecalledToken;
pub use self::check::{Checked, check_now};
pub use self::mirror::Sink;
use self::notices::publish_untold;
use self::times::next_check;
pub use self::times::wait;
use super::calls::CallError;
use super::operator::Operator;
use super::store::Key;
use super::store::domain::{Domain, Kept};
use super::store::holdings::HoldingView;
use crate::api::Strategy;
use crate::api::organization_domain::{OrganizationDomainStatus, State};
use crate::model::challenge::{TOKEN_OCTETS, Token};
use crate::model::lifecycle::{self, Decision, HeldBy, Holding, Snapshot};
use crate::model::name::DomainName;
use crate::model::recall;

/// Reads and decisions before a key that others keep changing waits its turn again.
const ATTEMPTS: usize = 8;

/// Objects applied together arrive in any order: for so long a new domain waits for its organization
/// before anybody is told that it is missing.
const ORDER: SignedDuration = SignedDuration::from_secs(3);

impl Operator {
    /// Until when an approval stands for this object and name.
    fn approved_until(&self, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
        self.stores
            .approvals()
            .until(&domain.key, &domain.candidate(), now)
    }

    /// What a decision is made from.
    fn snapshot<'a>(
        &self,
        domain: &'a Domain,
        status: &'a OrganizationDomainStatus,
        held_by: HeldBy,
        now: Timestamp,
    ) -> Snapshot<'a> {
        let stores = &self.stores;
        Snapshot {
            organization_exists: stores.organizations().exists(&domain.organization),
            suspended: stores.namespaces().suspended(domain.key.namespace()),
            over_quota: stores.domains().is_over_quota(domain),
            approved_until: self.approved_until(domain, now),
            held_by,
            ..domain.snapshot(status)
        }
    }

    /// Who holds the name. Where store and status do not agree on whether we do, it is asked for: no
    /// state is given or taken back on the word of a cache.
    async fn held_by(&self, domain: &Domain) -> Result<HeldBy, CallError> {
        let Some(canonical) = &domain.canonical else {
            return Ok(HeldBy::Nobody);
        };
        let known = self.stores.holdings().get(canonical);
        let held_by = seen_by(domain, known.as_deref());
        let ours = matches!(held_by, HeldBy::Us { .. });
        if ours != (domain.state() == Some(State::Verified)) {
            let live = self.refresh_holding(canonical).await?;
            return Ok(seen_by(domain, live.as_deref()));
        }
        Ok(held_by)
    }
}

/// Who holds the name, as this object sees it.
fn seen_by(domain: &Domain, holding: Option<&HoldingView>) -> HeldBy {
    let token = domain.token();
    holding.map_or(HeldBy::Nobody, |holding| {
        of(domain, holding, token.as_ref())
    })
}

fn of(domain: &Domain, holding: &HoldingView, token: Option<&Token>) -> HeldBy {
    HeldBy::of(&holding.spec(), holding.since, domain.identity(), token)
}

/// Where the status of a holder lost its token: the holding, which has the token's hash, and the name at
/// which to look for it.
fn lost_token(
    operator: &Operator,
    domain: &Domain,
    snapshot: &Snapshot<'_>,
) -> Option<(Arc<HoldingView>, DomainName)> {
    let holding = own(operator, domain)?;
    let holder = holding.spec().holder;
    let name = lifecycle::lost_token(&operator.settings, snapshot, &holding.name, &holder)?;
    Some((holding, name))
}

fn recalled(checked: Option<&Checked>) -> Option<&RecalledToken> {
    checked?.recalled.as_ref()
}

/// Asks for a look at the DNS for a token that was lost, or says how long that waits: until the DNS may know
/// more, and until a token could be issued in its place.
fn ask_for_token(operator: &Operator, domain: &Domain) -> Option<Duration> {
    let after_failure = operator.stores.recalls().wait(&domain.key, &domain.uid);
    let wait = after_failure.or_else(|| {
        let namespace = domain.key.namespace();
        operator
            .token_limit
            .wait(namespace, domain.canonical.as_deref()?)
    });
    if wait.is_none() {
        operator.checks.ask(&domain.key);
    }
    wait
}

/// What a first look at an object shows.
enum Looked {
    Gone,
    /// Nothing is to be done for so long; or its check was asked for, and comes back.
    AtRest(Option<Duration>),
    Whole(Arc<Domain>),
}

/// What a domain at rest waits for.
enum Rests {
    For(Duration),
    /// A check, now.
    UntilChecked,
}

/// Looks an object up: in the store, and live where the store keeps too little to decide from, unless
/// it was read a moment ago. One that was checked is not at rest: the check is to be decided on.
async fn look(
    operator: &Operator,
    key: &Key,
    read: Option<Arc<Domain>>,
    checked: bool,
) -> Result<Looked, CallError> {
    let Some(known) = operator.stores.domains().get(key) else {
        return Ok(Looked::Gone);
    };
    if !checked {
        match at_rest(operator, &known, operator.clock.now()) {
            None => {}
            Some(Rests::For(wait)) => return Ok(Looked::AtRest(Some(wait))),
            // It is read when its turn comes.
            Some(Rests::UntilChecked) => {
                operator.checks.ask(key);
                return Ok(Looked::AtRest(None));
            }
        }
    }
    if matches!(known.kept, Kept::Whole(_)) {
        return Ok(Looked::Whole(known));
    }
    let same = |read: &Arc<Domain>| read.uid == known.uid && read.version == known.version;
    if let Some(read) = read.filter(same) {
        return Ok(Looked::Whole(read));
    }
    let live = operator.refresh(key).await?;
    Ok(live.map_or(Looked::Gone, Looked::Whole))
}

/// Looks at one organization domain; says after which time to look again without any event.
pub async fn reconcile(operator: &Operator, key: &Key) -> Result<Option<Duration>, CallError> {
    let mut checked = operator.checks.take(key);
    let looked = look_at(operator, key, &mut checked).await;
    if let Some(checked) = checked
        && looked.as_ref().is_err_and(CallError::can_pass)
    {
        operator.check_again(key, &checked.uid);
    }
    let again = looked?;
    operator.stores.domains_mut().forget_told(key);
    if !operator.stores.domains().is_borrowed(key) || operator.checks.is_asked(key) {
        return Ok(again);
    }
    let seen = operator.stores.domains().get(key);
    if !operator.stores.domains_mut().give_back(key) {
        return Ok(again);
    }
    // It is not forgotten: its holding says when to look at it again.
    if operator.shard.is_default()
        && let Some(seen) = seen
    {
        let period = operator.settings.recheck_period.unsigned_abs();
        if let Some(holding) = own(operator, &seen) {
            let name = Arc::clone(&holding.name);
            operator.orphans.add_after(name, again.unwrap_or(period));
        }
    }
    Ok(None)
}

async fn look_at(
    operator: &Operator,
    key: &Key,
    checked: &mut Option<Checked>,
) -> Result<Option<Duration>, CallError> {
    // As the check read it. What changed since is read again.
    let mut whole = checked.as_mut().and_then(|checked| checked.domain.take());
    // A request that meets a check costs no other one.
    let met = checked.is_some() || operator.checks.is_asked(key);
    let mut admission = Admission::new(met);
    if operator.stores.domains().may_be_untold(key) {
        // The look before this one failed: its write may be in the object and not yet in the store.
        whole = operator.refresh(key).await?;
    }
    for _ in 0..ATTEMPTS {
        let domain = match look(operator, key, whole.take(), checked.is_some()).await? {
            Looked::Gone => return Ok(None),
            Looked::AtRest(wait) => return Ok(wait),
            Looked::Whole(domain) => domain,
        };
        let Kept::Whole(status) = &domain.kept else {
            return Err(CallError::Conflict);
        };
        let held_by = operator.held_by(&domain).await?;
        if is_seen_to(operator, &domain, held_by) {
            return Ok(None);
        }
        let now = operator.clock.now();
        let restored;
        let mut snapshot = operator.snapshot(&domain, status, held_by, now);
        publish_untold(operator, &domain, now, &snapshot);
        // What was found of an object that is gone says nothing of the one in its place.
        checked.take_if(|checked| checked.uid != domain.uid);
        if let Some((holding, _)) = lost_token(operator, &domain, &snapshot) {
            match recalled(checked.as_ref()) {
                None => return Ok(ask_for_token(operator, &domain)),
                Some(RecalledToken::Unknown) => {
                    *checked = None;
                    let wait = operator.stores.recalls_mut().failed(key, &domain.uid);
                    return Ok(Some(wait));
                }
                Some(RecalledToken::Published(token)) => {
                    restored = recall::restored(status, token, domain.identity(), holding.since);
                    snapshot = Snapshot {
                        status: &restored,
                        held_by: of(&domain, &holding, Some(token)),
                        ..snapshot
                    };
                }
                Some(RecalledToken::Replaced(_)) => {}
            }
        }
        operator.forget_recall(key);
        if !snapshot.organization_exists && may_come(&domain, now) {
            return Ok(Some(Duration::from_secs(1)));
        }
        let requested = snapshot.requested;
        let answers = |checked: &Checked| checked.requested.as_deref() == requested;
        let is_later = checked.as_ref().is_some_and(|checked| !answers(checked));
        if is_later {
            snapshot.requested = None;
        }
        let limited = admission.admit(operator, now, &domain, &mut snapshot);
        if let Some(wait) = limited
            && lifecycle::issues_challenge(now, &operator.settings, &snapshot)
        {
            return Ok(Some(wait));
        }
        let next_check = next_check(operator, &domain, now);
        let is_due = || lifecycle::due(now, &operator.settings, &snapshot, next_check).is_some();
        if checked.is_none() && is_due() {
            operator.checks.ask(key);
            return Ok(limited);
        }
        let decision = lifecycle::decide(
            now,
            &operator.settings,
            &snapshot,
            next_check,
            checked.as_ref().map(|checked| &checked.judgement),
            // Reading the operating system's random source fails at boot at the most.
            issue(recalled(checked.as_ref()))?,
        );
        let approved_until = snapshot.approved_until;
        if by_hand(operator, &domain, &decision)
            && changed_approval(operator, &domain, now, approved_until).await?
        {
            continue;
        }
        let applied = apply(operator, &domain, status, &decision, checked.as_ref()).await?;
        match applied {
            Applied::Done => {
                if is_later {
                    operator.domains.add(key.clone());
                }
                return Ok(conclude(operator, &domain, &decision, now, limited).await);
            }
            Applied::Gone => return Ok(None),
            Applied::Changed => {}
            Applied::EvidenceTooOld => {
                *checked = None;
                operator.check_again(key, &domain.uid);
            }
        }
    }
    Err(CallError::Conflict)
}

/// After a decision was written: when to look again.
async fn conclude(
    operator: &Operator,
    domain: &Domain,
    decision: &Decision,
    now: Timestamp,
    limited: Option<Duration>,
) -> Option<Duration> {
    operator
        .stores
        .domains_mut()
        .set_next_check(&domain.key, &domain.uid, decision.next_check);
    if decision.check_holder {
        operator.check_holder_of(domain, now).await;
    }
    let wake = decision.wake.map(|at| wait(now, at));
    [wake, limited].into_iter().flatten().min()
}

/// Whether the organization of a new domain may be on its way. The object's time is the API server's,
/// whose clock may be another.
fn may_come(domain: &Domain, now: Timestamp) -> bool {
    domain.is_new() && now.duration_since(domain.created).abs() < ORDER
}

/// What a domain at rest waits for; none where it must be read and decided on.
fn at_rest(operator: &Operator, domain: &Domain, now: Timestamp) -> Option<Rests> {
    let Kept::AtRest(rest) = &domain.kept else {
        return None;
    };
    {
        let domains = operator.stores.domains();
        let inherited = domains.is_inherited(&domain.key);
        // Its Event may not have been told.
        if domains.may_be_untold(&domain.key)
            || inherited && rest.verified_within(lifecycle::RECENT, now)
        {
            return None;
        }
    }
    let held_by = seen_by(domain, held(operator, domain).as_deref());
    let stays = !domain.deleting
        && rest.lasts(now, &operator.settings, held_by)
        && operator.approved_until(domain, now).is_none()
        && operator.stores.organizations().exists(&domain.organization);
    let next_check = next_check(operator, domain, now).filter(|_| stays)?;
    operator
        .stores
        .domains_mut()
        .set_next_check(&domain.key, &domain.uid, Some(next_check));
    Some(if next_check > now {
        Rests::For(wait(now, next_check))
    } else {
        Rests::UntilChecked
    })
}

/// Whether an approval, or its end, is what the decision writes about the name.
fn by_hand(operator: &Operator, domain: &Domain, decision: &Decision) -> bool {
    let by_hand_now =
        || held(operator, domain).is_some_and(|held| held.strategy == Strategy::Manual);
    match &decision.holding {
        Holding::Take(spec) => spec.strategy == Strategy::Manual,
        Holding::Rewrite(spec) => spec.strategy == Strategy::Manual || by_hand_now(),
        Holding::Release => by_hand_now(),
        Holding::Keep | Holding::HandOver(_) | Holding::ReleasePredecessor => false,
    }
}

/// Whether a live read shows other approvals than those that were decided on.
async fn changed_approval(
    operator: &Operator,
    domain: &Domain,
    now: Timestamp,
    decided_on: Option<Timestamp>,
) -> Result<bool, CallError> {
    Ok(operator.approved_until_live(domain, now).await? != decided_on)
}

/// Whether others see to the object: an import that holds the name for it and has yet to write its
/// status, after which the holding changes; or, of what is deleted, whoever looks for orphans.
fn is_seen_to(operator: &Operator, domain: &Domain, held_by: HeldBy) -> bool {
    let imported = held(operator, domain)
        .is_some_and(|holding| holding.importing && holding.holder.key == domain.key);
    let deleted = domain.deleting && matches!(held_by, HeldBy::Us { .. });
    if deleted {
        operator.look_for_orphans(domain);
    }
    imported || deleted
}

pub(super) fn held(operator: &Operator, domain: &Domain) -> Option<Arc<HoldingView>> {
    operator.stores.holdings().get(domain.canonical.as_deref()?)
}

/// The holding of its name, where the object itself is the holder.
fn own(operator: &Operator, domain: &Domain) -> Option<Arc<HoldingView>> {
    held(operator, domain).filter(|holding| holding.holder.uid == domain.uid)
}

/// The token to issue where one is issued: that which was looked for already, or one in reserve.
fn issue(recalled: Option<&RecalledToken>) -> Result<impl FnOnce() -> Token, CallError> {
    let token = match recalled {
        Some(RecalledToken::Replaced(token)) => token.clone(),
        Some(RecalledToken::Published(_) | RecalledToken::Unknown) | None => fresh_token()?,
    };
    Ok(move || token)
}

/// From the operating system.
fn fresh_token() -> Result<Token, CallError> {
    let mut octets = [0; TOKEN_OCTETS];
    SysRng
        .try_fill_bytes(&mut octets)
        .map_err(|error| CallError::NoRandomness(error.to_string()))?;
    Ok(Token::from_random(octets))
}
