//! The loop of a controller, over stores that are either up to date or behind.

use std::collections::BTreeSet;

use super::api::{Conflict, Held, Object};
use super::event::Kind;
use super::*;
use crate::model::facts::Pace;
use crate::model::{report as tell, verdict};

/// How long the DNS takes to answer.
const LATENCY: SignedDuration = SignedDuration::from_millis(30);

/// What a process keeps in memory.
#[derive(Default)]
pub struct Operator {
    /// What its stores have; none where they are up to date.
    stores: Option<Api>,
    /// By the operators' clock.
    next_check: [Option<Timestamp>; 2],
    /// By the true time.
    wakes: [Option<Timestamp>; 2],
    pub dirty: BTreeSet<usize>,
    pub orphans: bool,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Leader,
    Second,
}

impl Operator {
    pub fn new() -> Self {
        let mut operator = Self::default();
        operator.requeue_all();
        operator
    }

    pub fn behind(api: &Api) -> Self {
        Self {
            stores: Some(api.clone()),
            ..Self::default()
        }
    }

    pub fn requeue_all(&mut self) {
        self.dirty.extend(BOTH);
        self.orphans = true;
    }

    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.into_iter().flatten().min()
    }

    pub fn wake(&mut self, time: Timestamp) {
        for n in BOTH {
            if self.wakes[n].is_some_and(|wake| wake <= time) {
                self.wakes[n] = None;
                self.dirty.insert(n);
            }
        }
    }

    pub fn hear(&mut self, kind: Kind, api: &Api) {
        let Some(stores) = &mut self.stores else {
            return;
        };
        match kind {
            Kind::Objects => {
                for n in BOTH {
                    let uid = |api: &Api| api.objects[n].as_ref().map(|object| object.uid.clone());
                    if uid(stores) != uid(api) {
                        self.next_check[n] = None;
                    }
                }
                stores.objects.clone_from(&api.objects);
            }
            Kind::Holding => stores.held.clone_from(&api.held),
            Kind::Organizations => stores.organizations = api.organizations,
            Kind::Namespaces => stores.suspended = api.suspended,
            Kind::Approvals => stores.approvals = api.approvals,
        }
    }
}

/// What a decision is made from.
struct Seen {
    object: Object,
    held: Option<Held>,
    organization: bool,
    suspended: bool,
    approved_until: Option<Timestamp>,
}

impl Seen {
    fn held_by(&self) -> HeldBy {
        let of = |held: &Held| {
            let token = self.object.token();
            HeldBy::of(
                &held.spec,
                held.since,
                self.object.identity(),
                token.as_ref(),
            )
        };
        self.held.as_ref().map_or(HeldBy::Nobody, of)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            identity: self.object.identity(),
            generation: 1,
            domain: "acme.com",
            organization_exists: self.organization,
            deleting: self.object.deleting,
            suspended: self.suspended,
            over_quota: false,
            approved_until: self.approved_until,
            requested: self.object.requested.as_deref(),
            status: &self.object.status,
            held_by: self.held_by(),
        }
    }
}

/// Why a decision was not carried out.
enum Obstacle {
    Changed,
    Gone,
    /// The process died over it.
    Dead,
}

impl World {
    fn operator(&mut self, who: Who) -> &mut Operator {
        match who {
            Who::Leader => &mut self.leader,
            Who::Second => &mut self.second,
        }
    }

    fn stores(&self, who: Who) -> &Api {
        match who {
            Who::Leader => &self.api,
            Who::Second => self.second.stores.as_ref().unwrap_or(&self.api),
        }
    }

    fn refresh(&mut self, who: Who, kind: Kind) {
        if who == Who::Second {
            self.second.hear(kind, &self.api);
        }
    }

    pub fn lead(&mut self, n: usize) {
        self.reconcile(Who::Leader, n);
    }

    /// The second operator does its check of this object, as if it had been there all the time.
    pub fn act(&mut self, n: usize) {
        self.second.next_check[n] = Some(self.clock());
        self.reconcile(Who::Second, n);
        if self.second.orphans {
            self.second.orphans = false;
            self.check_orphan(Who::Second);
        }
    }

    fn reconcile(&mut self, who: Who, n: usize) {
        let mut judgement = None;
        for _ in 0..8 {
            let Some(seen) = self.see(who, n) else {
                self.operator(who).next_check[n] = None;
                self.operator(who).wakes[n] = None;
                return;
            };
            if seen.object.deleting && matches!(seen.held_by(), HeldBy::Us { .. }) {
                self.operator(who).orphans = true;
                return;
            }
            let now = self.clock();
            let next_check = self.next_check(who, &seen.object);
            if judgement.is_none()
                && let Some(challenge) = due(now, &self.settings, &seen.snapshot(), next_check)
            {
                judgement = Some(self.check(&seen, &challenge));
                let period = Facts::read(&seen.object.status, now).period(now, &self.settings);
                self.operator(who).next_check[n] =
                    Some(schedule::tick_after(now, period, &seen.object.uid));
                self.time = schedule::add(self.time, LATENCY);
                continue;
            }
            let count = self.api.next();
            let decision = decide(
                now,
                &self.settings,
                &seen.snapshot(),
                next_check,
                judgement.as_ref(),
                || fresh_token(count),
            );
            if by_hand(&seen, &decision) && self.changed_approval(who, &seen, now) {
                continue;
            }
            match self.apply(who, &seen, &decision) {
                Ok(()) => {
                    let wake = decision.wake.map(|wake| {
                        schedule::add(
                            self.time,
                            wake.duration_since(now).max(SignedDuration::ZERO),
                        )
                    });
                    self.operator(who).next_check[n] = decision.next_check;
                    self.operator(who).wakes[n] = wake;
                    if decision.check_holder
                        && let Some(holder) = self.api.holder()
                    {
                        self.operator(who).next_check[holder] = Some(now);
                        self.operator(who).dirty.insert(holder);
                    }
                    return;
                }
                Err(Obstacle::Gone) => return,
                Err(Obstacle::Dead) => {
                    self.crash = None;
                    self.leader = Operator::new();
                    return;
                }
                Err(Obstacle::Changed) => {}
            }
        }
        assert_eq!(who, Who::Second, "no decision stands: {:?}", self.api.held);
    }

    fn see(&mut self, who: Who, n: usize) -> Option<Seen> {
        let now = self.clock();
        let stores = self.stores(who);
        let mut seen = Seen {
            object: stores.objects[n].clone()?,
            held: stores.held.clone(),
            organization: stores.organizations[n],
            suspended: stores.suspended[n],
            approved_until: stores.approvals[n].filter(|&end| end > now),
        };
        let verified = seen.object.status.state == Some(State::Verified);
        if verified != matches!(seen.held_by(), HeldBy::Us { .. }) {
            self.refresh(who, Kind::Holding);
            seen.held.clone_from(&self.api.held);
        }
        Some(seen)
    }

    fn next_check(&mut self, who: Who, object: &Object) -> Option<Timestamp> {
        let set = self.operator(who).next_check[object.n];
        if set.is_some() {
            return set;
        }
        let now = self.clock();
        let facts = Facts::read(&object.status, now);
        facts.challenge.as_ref()?;
        let promised = match facts.pace {
            Some(Pace::At(time)) => Some(time),
            Some(Pace::Every(_)) | None => None,
        };
        let period = facts.period(now, &self.settings);
        Some(schedule::resume(now, promised, period, &object.uid))
    }

    fn check(&mut self, seen: &Seen, challenge: &Challenge) -> Judgement {
        let now = self.clock();
        let evidence = self.dns.evidence(challenge, now);
        let judged = verdict::judge(challenge, &evidence);
        let taking_over = seen.object.status.hand_over.is_some();
        let asked = judged.verdict == Verdict::Proven || taking_over;
        let live = seen
            .held
            .as_ref()
            .filter(|held| asked && seen.object.uid != *held.spec.holder.uid)
            .and_then(|held| self.live_holder(held));
        let holder = live.and_then(|live| {
            let theirs = Challenge {
                token: live.token()?,
                ..challenge.clone()
            };
            let judged = verdict::judge(&theirs, &evidence);
            Some(JudgedHolder {
                verdict: judged.verdict,
                weight: judged.weight,
                last_proven: live.status.last_proven_time.as_ref().map(|time| time.0),
            })
        });
        let long = Facts::read(&seen.object.status, now).period(now, &self.settings)
            >= schedule::WRITTEN_FROM;
        self.watcher
            .checked(self.time, &challenge.token, &self.api, &self.dns, long);
        Judgement {
            verdict: judged.verdict,
            weight: judged.weight,
            holder,
            token: challenge.token.clone(),
            dns_provider: None,
            report: tell::last_check(challenge, &evidence, judged, false),
        }
    }

    /// The holder as a live read shows it, if its token is the one that was proved.
    fn live_holder(&self, held: &Held) -> Option<Object> {
        let live = self.api.objects[held.place()].clone()?;
        let same = live.uid == *held.spec.holder.uid && !live.deleting;
        let token = live.token()?;
        (same && token.hash() == held.spec.holder.token_hash).then_some(live)
    }

    fn changed_approval(&mut self, who: Who, seen: &Seen, now: Timestamp) -> bool {
        self.refresh(who, Kind::Approvals);
        let live = self.api.approvals[seen.object.n].filter(|&end| end > now);
        live != seen.approved_until
    }

    /// In the order in which a crash between two writes loses nothing.
    fn apply(&mut self, who: Who, seen: &Seen, decision: &Decision) -> Result<(), Obstacle> {
        match &decision.holding {
            HoldingAction::Keep => {}
            HoldingAction::Release => {
                if !seen.organization && self.api.organizations[seen.object.n] {
                    self.refresh(who, Kind::Organizations);
                    return Err(Obstacle::Changed);
                }
            }
            HoldingAction::ReleasePredecessor => {
                if let Some(held) = &seen.held
                    && self.release_if_gone(who, held)?
                {
                    return Err(Obstacle::Changed);
                }
            }
            HoldingAction::Take(spec) => {
                // What the second one reads is as old as its view.
                if who == Who::Leader {
                    self.recheck_before_write(who, seen)?;
                }
                self.write(who)?;
                let written = self.api.create_held(self.time, spec);
                self.held_written(who, written)?;
                self.watcher.name_taken(
                    self.time,
                    seen.approved_until.is_some(),
                    &self.api,
                    &self.dns,
                );
            }
            HoldingAction::Rewrite(spec) => {
                let held = seen.held.as_ref().ok_or(Obstacle::Changed)?;
                self.same_object(who, seen)?;
                self.write(who)?;
                let written = self.api.replace_held(held, spec);
                self.held_written(who, written)?;
                self.watcher
                    .rewritten(held, seen.approved_until.is_some(), &self.api, &self.dns);
            }
            HoldingAction::HandOver(spec) => {
                self.recheck_before_write(who, seen)?;
                let held = seen.held.as_ref().ok_or(Obstacle::Changed)?;
                self.live_holder(held).ok_or(Obstacle::Changed)?;
                let spec = VerifiedDomainSpec {
                    handed_over_from: Some(held.spec.holder.uid.clone()),
                    importing: false,
                    ..spec.clone()
                };
                self.write(who)?;
                let written = self.api.replace_held(held, &spec);
                self.held_written(who, written)?;
                self.watcher
                    .handed_over(self.time, held, &self.api, &self.dns);
            }
        }
        self.apply_status(who, seen, &decision.status)?;
        if decision.holding == HoldingAction::Release
            && let Some(held) = &seen.held
            && seen.object.uid == *held.spec.holder.uid
        {
            self.write(who)?;
            self.release(who, held)?;
        }
        Ok(())
    }

    fn apply_status(
        &mut self,
        who: Who,
        seen: &Seen,
        status: &OrganizationDomainStatus,
    ) -> Result<(), Obstacle> {
        if *status == seen.object.status {
            return Ok(());
        }
        self.write(who)?;
        let written = self.api.write_status(&seen.object, status);
        self.refresh(who, Kind::Objects);
        if written.is_ok() {
            self.watcher
                .status_written(self.time, who, &seen.object, status, &self.api);
            self.leader.dirty.insert(seen.object.n);
            return Ok(());
        }
        let live = self.api.objects[seen.object.n].as_ref();
        if live.is_some_and(|live| live.uid == seen.object.uid) {
            return Err(Obstacle::Changed);
        }
        self.operator(who).orphans = true;
        Err(Obstacle::Gone)
    }

    /// A last live look before a name is written.
    fn recheck_before_write(&mut self, who: Who, seen: &Seen) -> Result<(), Obstacle> {
        self.same_object(who, seen)?;
        if self.api.suspended[seen.object.n] {
            self.refresh(who, Kind::Namespaces);
            return Err(Obstacle::Changed);
        }
        Ok(())
    }

    fn same_object(&mut self, who: Who, seen: &Seen) -> Result<(), Obstacle> {
        self.refresh(who, Kind::Objects);
        let n = seen.object.n;
        let live = self.api.objects[n].as_ref().ok_or(Obstacle::Gone)?;
        if live.uid != seen.object.uid || live.deleting {
            return Err(Obstacle::Gone);
        }
        if live.version == seen.object.version {
            Ok(())
        } else {
            Err(Obstacle::Changed)
        }
    }

    /// The process may die before any write.
    fn write(&mut self, who: Who) -> Result<(), Obstacle> {
        match &mut self.crash {
            Some(writes) if who == Who::Leader => {
                *writes = writes.checked_sub(1).ok_or(Obstacle::Dead)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn held_written(&mut self, who: Who, written: Result<(), Conflict>) -> Result<(), Obstacle> {
        self.refresh(who, Kind::Holding);
        self.leader.requeue_all();
        written.map_err(|Conflict| Obstacle::Changed)
    }

    fn release_if_gone(&mut self, who: Who, held: &Held) -> Result<bool, Obstacle> {
        let gone = self.api.objects[held.place()].as_ref().is_none_or(|live| {
            let token = live.token().map(|token| token.hash());
            let same = token.as_ref() == Some(&held.spec.holder.token_hash);
            live.deleting || (live.uid != *held.spec.holder.uid && !same)
        });
        if gone {
            self.write(who)?;
            self.release(who, held)?;
        }
        Ok(gone)
    }

    fn release(&mut self, who: Who, held: &Held) -> Result<(), Obstacle> {
        let there = self.api.held.is_some();
        let written = self.api.delete_held(held);
        if there && written.is_ok() {
            let clock = self.clock();
            self.watcher.released(self.time, clock, held, &self.api);
        }
        self.held_written(who, written)
    }

    /// Looks at the holding, whose holder may be gone.
    pub fn check_orphan(&mut self, who: Who) {
        let stores = self.stores(who);
        let Some(held) = stores.held.clone() else {
            return;
        };
        let there = stores.objects[held.place()]
            .as_ref()
            .is_some_and(|object| object.uid == *held.spec.holder.uid && !object.deleting);
        if !there && matches!(self.release_if_gone(who, &held), Err(Obstacle::Dead)) {
            self.crash = None;
            self.leader = Operator::new();
        }
    }
}

/// Whether an approval, or its end, is what the decision writes about the name.
fn by_hand(seen: &Seen, decision: &Decision) -> bool {
    let held = seen.held.as_ref();
    let by_hand_now = held.is_some_and(|held| held.spec.strategy == Strategy::Manual);
    match &decision.holding {
        HoldingAction::Take(spec) => spec.strategy == Strategy::Manual,
        HoldingAction::Rewrite(spec) => spec.strategy == Strategy::Manual || by_hand_now,
        HoldingAction::Release => by_hand_now,
        HoldingAction::Keep | HoldingAction::HandOver(_) | HoldingAction::ReleasePredecessor => {
            false
        }
    }
}

fn fresh_token(count: u64) -> Token {
    let mut octets = [7; TOKEN_OCTETS];
    octets[..8].copy_from_slice(&count.to_be_bytes());
    Token::from_random(octets)
}
