//! A small world: a DNS, one authority on holdings, and the loop of a controller.

use std::collections::BTreeSet;

use super::*;
use crate::model::challenge::{FORMS, RecordForm};
use crate::model::evidence::{Evidence, Lookup, Outcome, Security, ServerAnswer, Source, Step};
use crate::model::facts::Pace;
use crate::model::{report as tell, verdict};

/// How long the DNS takes to answer.
const LATENCY: SignedDuration = SignedDuration::from_millis(30);

/// What happens to the organization domain of this number, or to all.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Publish(usize),
    Unpublish(usize),
    Outage(bool),
    Organization(usize, bool),
    Request(usize),
    Recreate(usize),
    RemoveHolding,
    Restart,
}

/// An organization domain; all state the same domain.
#[derive(Clone, Debug)]
pub struct Object {
    pub status: OrganizationDomainStatus,
    pub organization_exists: bool,
    namespace: String,
    uid: String,
    requested: Option<String>,
    next_check: Option<Timestamp>,
    wake: Option<Timestamp>,
    /// Its record was in place, and its organization and holding were left alone, since it holds.
    pub faithful: bool,
    pub tally: Tally,
}

/// What an object cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub writes: u32,
    pub changes: u32,
    /// Checks at periods that a status tells the times of.
    pub long_checks: u32,
    /// The current second, and what happened in it.
    second: i64,
    decisions: u32,
    checks: u32,
}

pub struct World {
    pub now: Timestamp,
    pub objects: Vec<Object>,
    pub holding: Option<(VerifiedDomainSpec, Timestamp)>,
    settings: Settings,
    outage: bool,
    published: BTreeSet<String>,
    dirty: BTreeSet<usize>,
    count: u8,
    requests: u64,
}

impl World {
    pub fn new(objects: usize) -> Self {
        let object = |n| Object {
            status: OrganizationDomainStatus::default(),
            organization_exists: true,
            namespace: format!("tenant-{n}"),
            uid: format!("uid-{n}"),
            requested: None,
            next_check: None,
            wake: None,
            faithful: false,
            tally: Tally::default(),
        };
        Self {
            now: start(),
            objects: (0..objects).map(object).collect(),
            holding: None,
            settings: Settings::default(),
            outage: false,
            published: BTreeSet::new(),
            dirty: (0..objects).collect(),
            count: 0,
            requests: 0,
        }
    }

    pub fn run_until(&mut self, end: Timestamp) {
        loop {
            while let Some(n) = self.dirty.pop_first() {
                self.reconcile(n);
                self.assert_sound();
            }
            let next = (0..self.objects.len())
                .filter_map(|n| Some((self.objects[n].wake?, n)))
                .min()
                .filter(|&(wake, _)| wake < end);
            let Some((wake, n)) = next else { break };
            self.now = self.now.max(wake);
            self.dirty.insert(n);
        }
        self.now = self.now.max(end);
    }

    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Publish(n) => {
                if let Some(challenge) = &self.objects[n].status.challenge {
                    self.published.insert(challenge.records[0].value.clone());
                }
            }
            Event::Unpublish(n) => {
                self.objects[n].faithful = false;
                if let Some(challenge) = &self.objects[n].status.challenge {
                    self.published.remove(&challenge.records[0].value);
                }
            }
            Event::Outage(outage) => self.outage = outage,
            Event::Organization(n, exists) => {
                self.objects[n].organization_exists = exists;
                self.objects[n].faithful &= exists;
                self.dirty.insert(n);
            }
            Event::Request(n) => {
                self.requests += 1;
                self.objects[n].requested = Some(self.requests.to_string());
                self.dirty.insert(n);
            }
            Event::Recreate(n) => {
                let old = &self.objects[n];
                self.objects[n] = Object {
                    status: OrganizationDomainStatus::default(),
                    uid: format!("{}x", old.uid),
                    requested: None,
                    next_check: None,
                    wake: None,
                    faithful: false,
                    ..old.clone()
                };
                self.dirty.insert(n);
            }
            Event::RemoveHolding => {
                self.holding = None;
                self.objects.iter_mut().for_each(|o| o.faithful = false);
                self.dirty = (0..self.objects.len()).collect();
            }
            Event::Restart => {
                for object in &mut self.objects {
                    object.next_check = None;
                }
                self.dirty = (0..self.objects.len()).collect();
            }
        }
    }

    /// As the controller does it.
    fn reconcile(&mut self, n: usize) {
        let mut judgement = None;
        for _ in 0..8 {
            let object = self.objects[n].clone();
            let snapshot = self.snapshot(&object);
            let next_check = self.next_check(&object);
            if judgement.is_none()
                && let Some(challenge) = due(self.now, &self.settings, &snapshot, next_check)
            {
                self.count(n, &object, true);
                judgement = Some(self.check(&challenge));
                self.now = schedule::add(self.now, LATENCY);
                continue;
            }
            self.count(n, &object, false);
            self.count = self.count.wrapping_add(1);
            let decision = decide(
                self.now,
                &self.settings,
                &snapshot,
                next_check,
                judgement.as_ref(),
                || token(self.count),
            );
            if self.apply(n, &object, &decision) {
                self.objects[n].next_check = decision.next_check;
                self.objects[n].wake = decision.wake;
                return;
            }
        }
        panic!("no decision stands: {:?}", self.objects[n]);
    }

    /// Whether the decision could be carried out.
    fn apply(&mut self, n: usize, object: &Object, decision: &Decision) -> bool {
        let everybody = 0..self.objects.len();
        if let Holding::Take(spec) = &decision.holding {
            assert!(self.holding.is_none(), "taken from somebody");
            self.holding = Some((spec.clone(), self.now));
            self.objects[n].faithful = true;
            self.dirty.extend(everybody.clone());
        }
        if decision.status != object.status {
            self.objects[n].tally.writes += 1;
            self.objects[n].tally.changes +=
                u32::from(decision.status.state != object.status.state);
            self.objects[n].status = decision.status.clone();
            self.dirty.insert(n);
        }
        match decision.holding {
            Holding::Keep | Holding::Take(_) | Holding::Rewrite(_) | Holding::HandOver(_) => true,
            Holding::Release => {
                let (VerifiedDomainSpec { holder, .. }, _) = self.holding.take().unwrap();
                assert_eq!(holder.uid, object.uid);
                assert!(
                    !self.objects[n].faithful,
                    "a loss without a cause: {object:?}"
                );
                self.dirty.extend(everybody);
                true
            }
            Holding::ReleasePredecessor => {
                let (VerifiedDomainSpec { holder, .. }, _) = self.holding.take().unwrap();
                assert!(holder.uid != object.uid && holder.namespace == object.namespace);
                self.dirty.extend(everybody);
                false
            }
        }
    }

    fn snapshot<'a>(&self, object: &'a Object) -> Snapshot<'a> {
        let identity = Identity {
            namespace: &object.namespace,
            name: "acme-com",
            uid: &object.uid,
            organization: "acme",
        };
        Snapshot {
            identity,
            generation: 1,
            domain: "acme.com",
            organization_exists: object.organization_exists,
            deleting: false,
            suspended: false,
            over_quota: false,
            approved_until: None,
            requested: object.requested.as_deref(),
            status: &object.status,
            held_by: match &self.holding {
                Some((spec, since)) => {
                    let token = object.status.challenge.as_ref();
                    let token = token.and_then(|challenge| Token::parse(&challenge.token));
                    HeldBy::of(spec, *since, identity, token.as_ref())
                }
                None => HeldBy::Nobody,
            },
        }
    }

    fn next_check(&self, object: &Object) -> Option<Timestamp> {
        if object.next_check.is_some() {
            return object.next_check;
        }
        let facts = Facts::read(&object.status, self.now);
        facts.challenge.as_ref()?;
        let promised = match facts.pace {
            Some(Pace::At(time)) => Some(time),
            Some(Pace::Every(_)) | None => None,
        };
        let period = facts.period(self.now, &self.settings);
        Some(schedule::resume(self.now, promised, period, &object.uid))
    }

    fn check(&self, challenge: &Challenge) -> Judgement {
        let outcome = |form| match (self.outage, form) {
            (true, _) => Outcome::Failed(Failure::Timeout),
            (false, RecordForm::Underscore) if !self.published.is_empty() => Outcome::Values {
                values: self.published.iter().map(|v| v.clone().into()).collect(),
                aliases: Vec::new(),
            },
            (false, _) => Outcome::NoData {
                aliases: Vec::new(),
            },
        };
        let step = |form| Step {
            name: challenge.owner(form),
            answers: vec![ServerAnswer {
                server: "192.0.2.1".into(),
                outcome: outcome(form),
            }],
        };
        let lookup = |form| Lookup {
            form,
            steps: vec![step(form)],
            stopped: None,
            partial: false,
            security: Security::Unknown,
        };
        let evidence = Evidence {
            time: self.now,
            source: Source::Recursive,
            secure_only: false,
            lookups: FORMS.map(lookup).to_vec(),
            zone: None,
            doubled: None,
        };
        let judged = verdict::judge(challenge, &evidence);
        Judgement {
            verdict: judged.verdict,
            weight: judged.weight,
            holder: None,
            token: challenge.token.clone(),
            report: tell::last_check(challenge, &evidence, judged, false),
        }
    }

    /// Nothing runs in circles.
    fn count(&mut self, n: usize, object: &Object, check: bool) {
        let period = Facts::read(&object.status, self.now).period(self.now, &self.settings);
        let tally = &mut self.objects[n].tally;
        if tally.second != self.now.as_second() {
            tally.second = self.now.as_second();
            (tally.decisions, tally.checks) = (0, 0);
        }
        if check {
            tally.checks += 1;
            tally.long_checks += u32::from(period >= schedule::WRITTEN_FROM);
        } else {
            tally.decisions += 1;
        }
        assert!(
            tally.decisions <= 12 && tally.checks <= 3,
            "busy: {object:?}"
        );
    }

    /// No status says Verified of a name that another object holds or nobody does.
    fn assert_sound(&self) {
        for (n, object) in self.objects.iter().enumerate() {
            let ours = self
                .holding
                .as_ref()
                .is_some_and(|(spec, _)| spec.holder.uid == object.uid);
            let verified = object.status.state == Some(State::Verified);
            assert!(!verified || ours || self.dirty.contains(&n), "{object:?}");
        }
    }
}
