//! What happens to the world from outside.

pub use super::dns::Health;
use super::operator::Operator;
use super::*;

#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The record of the current challenge, or of the first one that is no longer current.
    Publish(usize),
    PublishOld(usize),
    /// The current record alone, or all that were ever published.
    Withdraw(usize),
    Unpublish(usize),
    Dns(Health),
    Organization(usize, bool),
    Suspend(usize, bool),
    /// For so many hours, or until it is removed.
    Approve(usize, Option<i64>),
    Disapprove(usize),
    Request(usize),
    Create(usize),
    Delete(usize),
    /// Deleted, though a finalizer keeps it.
    Terminate(usize),
    LoseStatus(usize),
    BackUp(usize),
    /// The status alone, or the object under another uid.
    RestoreStatus(usize),
    RestoreObject(usize),
    RemoveHolding,
    EditHolding(Edit),
    /// So many days wrong.
    Clock(i64),
    Restart,
    /// After so many writes more.
    Crash(u32),
    /// The second operator hears of one kind of object, or acts on what it knows.
    Hear(Kind),
    Act(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Edit {
    Strategy,
    TokenHash,
    /// To the object in this place.
    Holder(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Objects,
    Holding,
    Organizations,
    Namespaces,
    Approvals,
}

impl World {
    pub fn happen(&mut self, event: Event) {
        let holder = self.api.holder();
        match event {
            Event::Publish(n) => {
                if let Some(token) = self.token(n) {
                    self.dns.publish(&token);
                }
            }
            Event::PublishOld(n) => {
                let current = self.token(n);
                let mut issued = self.watcher.issued[n].iter();
                if let Some(old) = issued.find(|&token| Some(token) != current.as_ref()) {
                    self.dns.publish(old);
                }
            }
            Event::Withdraw(n) => {
                if let Some(token) = self.token(n) {
                    self.dns.withdraw(&token);
                }
            }
            Event::Unpublish(n) => {
                for token in &self.watcher.issued[n] {
                    self.dns.withdraw(token);
                }
            }
            Event::Dns(health) => self.dns.health = health,
            Event::Organization(n, exists) => {
                self.api.organizations[n] = exists;
                self.watcher.keeps &= exists || holder != Some(n);
            }
            Event::Suspend(n, suspended) => self.api.suspended[n] = suspended,
            Event::Approve(n, length) => {
                let end = length.map(|length| schedule::add(self.clock(), hours(length)));
                self.api.approvals[n] = Some(end.unwrap_or(Timestamp::MAX));
                self.watcher.keeps &= holder != Some(n);
            }
            Event::Disapprove(n) => self.api.approvals[n] = None,
            Event::Request(n) => {
                self.requests += 1;
                let request = self.requests.to_string();
                self.api
                    .change_object(n, |object| object.requested = Some(request));
            }
            Event::Create(n) => {
                if self.api.objects[n].is_none() {
                    self.api
                        .create_object(n, OrganizationDomainStatus::default());
                }
            }
            Event::Delete(n) => {
                self.api.objects[n] = None;
                self.watcher.keeps &= holder != Some(n);
            }
            Event::Terminate(n) => {
                self.api.change_object(n, |object| object.deleting = true);
                self.watcher.keeps &= holder != Some(n);
            }
            Event::LoseStatus(n) => self.put_status(n, OrganizationDomainStatus::default()),
            Event::BackUp(n) => {
                if let Some(object) = &self.api.objects[n] {
                    self.backups[n] = object.status.clone();
                }
            }
            Event::RestoreStatus(n) => self.put_status(n, self.backups[n].clone()),
            Event::RestoreObject(n) => {
                if self.api.objects[n].is_some() {
                    self.api
                        .create_object(n, OrganizationDomainStatus::default());
                    self.put_status(n, self.backups[n].clone());
                }
            }
            Event::RemoveHolding => self.api.held = None,
            Event::EditHolding(edit) => self.edit_holding(edit),
            Event::Clock(wrong) => {
                self.skew = days(wrong);
                self.watcher.slack = days(2);
            }
            Event::Restart => self.leader = Operator::new(),
            Event::Crash(writes) => self.crash = Some(writes),
            Event::Hear(kind) => self.second.hear(kind, &self.api),
            Event::Act(n) => self.act(n),
        }
        self.watcher.happened(&self.api, &self.dns);
        self.leader.requeue_all();
    }

    fn token(&self, n: usize) -> Option<Token> {
        self.api.objects[n].as_ref()?.token()
    }

    fn put_status(&mut self, n: usize, status: OrganizationDomainStatus) {
        self.api.change_object(n, |object| object.status = status);
        self.watcher.tampered[n] = true;
        let held = self.api.held.as_ref().filter(|held| held.place() == n);
        let token = self.token(n).map(|token| token.hash());
        let lost = held.is_some_and(|held| Some(&held.spec.holder.token_hash) != token.as_ref());
        self.watcher.keeps &= !lost;
    }

    fn edit_holding(&mut self, edit: Edit) {
        let version = self.api.next();
        let Some(held) = &mut self.api.held else {
            return;
        };
        held.version = version;
        match edit {
            Edit::Strategy => {
                held.spec.strategy = match held.spec.strategy {
                    Strategy::Dns => Strategy::Manual,
                    Strategy::Manual => Strategy::Dns,
                }
            }
            Edit::TokenHash => held.spec.holder.token_hash = token(0).hash(),
            Edit::Holder(n) => {
                if let Some(object) = &self.api.objects[n] {
                    held.spec.holder.uid = object.uid.to_string();
                    api::namespace(n).clone_into(&mut held.spec.holder.namespace);
                }
            }
        }
        self.watcher.keeps = false;
    }
}
