//! A small world: two organizations that state one domain, the DNS, an API server that refuses
//! what the real one refuses, and two copies of the operator. True time only goes forward; the
//! operators' clock may be wrong by a day.

mod api;
mod dns;
mod event;
mod operator;
mod watcher;

use super::*;
use api::Api;
use dns::Dns;
pub use event::{Edit, Event, Health, Kind};
use operator::{Operator, Who};
use watcher::Watcher;

/// The namespaces, in each of which lies one organization domain.
pub const BOTH: [usize; 2] = [0, 1];

pub struct World {
    pub time: Timestamp,
    pub api: Api,
    pub watcher: Watcher,
    settings: Settings,
    dns: Dns,
    /// The one that works, and a second one that acts on an old view.
    leader: Operator,
    second: Operator,
    /// How wrong the operators' clock is.
    skew: SignedDuration,
    /// API writes until the leader dies.
    crash: Option<u32>,
    requests: u32,
    backups: [OrganizationDomainStatus; 2],
}

impl World {
    pub fn new() -> Self {
        let api = Api::new();
        Self {
            time: start(),
            leader: Operator::new(),
            second: Operator::behind(&api),
            api,
            watcher: Watcher::default(),
            settings: Settings::default(),
            dns: Dns::default(),
            skew: SignedDuration::ZERO,
            crash: None,
            requests: 0,
            backups: [
                OrganizationDomainStatus::default(),
                OrganizationDomainStatus::default(),
            ],
        }
    }

    /// What the operators take for the time.
    fn clock(&self) -> Timestamp {
        schedule::add(self.time, self.skew)
    }

    /// Lets the leader work from due check to due check.
    pub fn run_for(&mut self, time: SignedDuration) {
        let end = schedule::add(self.time, time);
        loop {
            self.settle();
            let Some(wake) = self.leader.next_wake().filter(|&wake| wake < end) else {
                break;
            };
            self.time = self.time.max(wake);
            self.leader.wake(self.time);
        }
        self.time = self.time.max(end);
        self.settle();
    }

    /// Until the leader has nothing left to do at this moment.
    pub fn settle(&mut self) {
        loop {
            if std::mem::take(&mut self.leader.orphans) {
                self.check_orphan(Who::Leader);
            } else if let Some(n) = self.leader.dirty.pop_first() {
                self.lead(n);
            } else {
                break;
            }
            self.watcher.count_work(self.time);
        }
        self.watcher.assert_settled(&self.api);
    }

    pub fn state(&self, n: usize) -> Option<State> {
        self.api.objects[n].as_ref()?.status.state
    }

    pub fn reason(&self, n: usize) -> Option<Reason> {
        let object = self.api.objects[n].as_ref()?;
        object.status.state.map(|_| reason(&object.status))
    }

    /// Whatever became of both, the one whose record alone is published gets the name in the end.
    pub fn recover(&mut self, n: usize) {
        for event in [
            Event::Clock(0),
            Event::Organization(n, true),
            Event::Suspend(n, false),
            Event::Disapprove(0),
            Event::Disapprove(1),
            Event::Dns(Health::Fine),
            Event::Unpublish(0),
            Event::Unpublish(1),
        ] {
            self.happen(event);
            self.settle();
        }
        if self.api.objects[n]
            .as_ref()
            .is_none_or(|object| object.deleting)
        {
            self.happen(Event::Delete(n));
            self.happen(Event::Create(n));
        }
        self.settle();
        for _ in 0..12 {
            self.happen(Event::Request(n));
            self.settle();
            // A new token needs its record.
            self.happen(Event::Publish(n));
            self.run_for(days(1));
            if self.reason(n) == Some(Reason::Verified) {
                break;
            }
        }
        let object = self.api.objects[n].as_ref().unwrap();
        assert_eq!(object.status.state, Some(State::Verified), "{object:?}");
        assert_eq!(condition(&object.status, conditions::READY), "True");
        assert_eq!(self.api.holder(), Some(n));
    }
}
