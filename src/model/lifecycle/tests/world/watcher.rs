//! Whoever knows the truth and holds the operators to it.

use super::api::{Held, Object};
use super::dns::{Dns, Health};
use super::operator::Who;
use super::*;

/// What a check would have seen, had it been told the truth.
#[derive(Clone, Debug)]
struct Observation {
    time: Timestamp,
    token: Token,
    health: Health,
    found: bool,
    /// Whether the holder's record was there, where one object holds the name.
    holder_found: Option<bool>,
}

impl Observation {
    fn denies(&self) -> bool {
        self.health != Health::Outage && !self.found
    }

    fn proves(&self) -> bool {
        self.health != Health::Outage && self.found
    }

    fn passes_on(&self) -> bool {
        self.health == Health::Fine && self.found && self.holder_found == Some(false)
    }
}

#[derive(Default)]
pub struct Watcher {
    observations: Vec<Observation>,
    /// The tokens of each place, in their order.
    pub issued: [Vec<Token>; 2],
    /// Whether the holder's record was in place, and its object, organization and holding were left
    /// alone, since it holds by DNS.
    pub keeps: bool,
    /// Whether the status with this token was put there by hand.
    pub tampered: [bool; 2],
    /// By how much the operators' clock may have misled them.
    pub slack: SignedDuration,
    pub stretch: Stretch,
    second: (i64, u32),
}

/// What was done since something last happened.
#[derive(Debug, Default)]
pub struct Stretch {
    pub writes: u32,
    /// Checks at periods that a status tells the times of.
    pub long_checks: u32,
}

impl Watcher {
    pub fn checked(&mut self, time: Timestamp, token: &Token, api: &Api, dns: &Dns, long: bool) {
        self.stretch.long_checks += u32::from(long);
        self.observations.push(Observation {
            time,
            token: token.clone(),
            health: dns.health,
            found: dns.has(token),
            holder_found: self.holders_token(api).map(|token| dns.has(&token)),
        });
    }

    /// The token that was proved for the name.
    fn holders_token(&self, api: &Api) -> Option<Token> {
        let held = api.held.as_ref()?;
        let mut issued = self.issued[held.place()].iter();
        issued
            .find(|token| token.hash() == held.spec.holder.token_hash)
            .cloned()
    }

    fn holder_found(&self, api: &Api, dns: &Dns) -> bool {
        self.holders_token(api).is_some_and(|token| dns.has(&token))
    }

    /// The check that was made a moment ago, about the token with this hash.
    fn now(&self, time: Timestamp, hash: &str) -> Option<&Observation> {
        let last = self.observations.last()?;
        let fresh = time.duration_since(last.time) <= seconds(1);
        (fresh && last.token.hash() == hash).then_some(last)
    }

    /// Whether there were three such checks since the last contrary one, so far apart.
    fn repeated(
        &self,
        hash: &str,
        period: SignedDuration,
        counts: impl Fn(&Observation) -> bool,
        contrary: impl Fn(&Observation) -> bool,
    ) -> bool {
        let about = self.observations.iter().rev();
        let about = about.filter(|observation| observation.token.hash() == hash);
        let times: Vec<Timestamp> = about
            .take_while(|observation| !contrary(observation))
            .filter(|observation| counts(observation))
            .map(|observation| observation.time)
            .collect();
        let (Some(last), Some(first)) = (times.first(), times.last()) else {
            return false;
        };
        // A status has whole seconds.
        times.len() >= 3 && last.duration_since(*first) + self.slack + seconds(1) >= period
    }

    pub fn name_taken(&mut self, time: Timestamp, approved: bool, api: &Api, dns: &Dns) {
        let held = api.held.as_ref().unwrap();
        let hash = &held.spec.holder.token_hash;
        // One that is behind may have taken it without its organization, or for an object that is gone.
        self.keeps = held.spec.strategy == Strategy::Dns
            && self.holder_found(api, dns)
            && api.holder().is_some()
            && api.organizations[held.place()];
        if held.spec.strategy == Strategy::Manual {
            assert!(approved, "taken by no approval: {held:?}");
            return;
        }
        let observation = self.now(time, hash);
        assert!(
            observation.is_some_and(Observation::proves),
            "no proof: {observation:?}"
        );
        let settled = observation.is_some_and(|observation| observation.health == Health::Fine)
            || self.repeated(hash, hours(1), Observation::proves, Observation::denies);
        assert!(
            settled || self.tampered[held.place()],
            "too early: {held:?}"
        );
    }

    /// By the same object, or its restored back-up.
    pub fn rewritten(&mut self, before: &Held, approved: bool, api: &Api, dns: &Dns) {
        let after = api.held.as_ref().unwrap();
        let (old, new) = (&before.spec.holder, &after.spec.holder);
        assert_eq!(old.namespace, new.namespace);
        assert!(old.uid == new.uid || old.token_hash == new.token_hash);
        let manual = after.spec.strategy == Strategy::Manual;
        assert!(!manual || approved || before.spec.strategy == Strategy::Manual);
        self.keeps &= self.holder_found(api, dns);
    }

    pub fn handed_over(&mut self, time: Timestamp, from: &Held, api: &Api, dns: &Dns) {
        assert!(!self.keeps, "a loss without a cause: {from:?}");
        let held = api.held.as_ref().unwrap();
        let hash = &held.spec.holder.token_hash;
        let observation = self.now(time, hash);
        assert!(
            observation.is_some_and(Observation::passes_on),
            "no proof: {observation:?}"
        );
        let kept = |observation: &Observation| {
            observation.proves() && observation.holder_found == Some(true)
        };
        let settled = self.repeated(hash, days(3), Observation::passes_on, kept);
        assert!(
            settled || self.tampered[held.place()],
            "too early: {held:?}"
        );
        self.keeps = self.holder_found(api, dns) && api.organizations[held.place()];
    }

    pub fn released(&mut self, time: Timestamp, clock: Timestamp, held: &Held, before: &Api) {
        assert!(!self.keeps, "a loss without a cause: {held:?}");
        let n = held.place();
        let holder = &held.spec.holder;
        let gone = before.objects[n]
            .as_ref()
            .is_none_or(|live| live.deleting || live.uid != *holder.uid);
        let approved = before.approvals[n].is_some_and(|end| end > clock);
        let ended = held.spec.strategy == Strategy::Manual && !approved;
        // Why the status says so was looked at when it was written.
        let lost = before.objects[n].as_ref().is_some_and(|live| {
            live.uid == *holder.uid && reason(&live.status) == Reason::RecordLost
        });
        let lost = lost && (!self.tampered[n] || self.denied(time, &holder.token_hash));
        let caused = gone || ended || lost || !before.organizations[n];
        assert!(caused, "released without a cause: {held:?}");
    }

    fn denied(&self, time: Timestamp, hash: &str) -> bool {
        self.now(time, hash).is_some_and(Observation::denies)
    }

    pub fn status_written(
        &mut self,
        time: Timestamp,
        who: Who,
        before: &Object,
        status: &OrganizationDomainStatus,
        api: &Api,
    ) {
        self.stretch.writes += 1;
        let n = before.n;
        let token = before.token();
        if status.state == Some(State::Failed)
            && reason(status) == Reason::RecordLost
            && before.status.state != Some(State::Failed)
        {
            let hash = token.as_ref().map(Token::hash).unwrap_or_default();
            assert!(self.denied(time, &hash), "lost without a check: {before:?}");
            let settled = self.repeated(&hash, days(7), Observation::denies, Observation::proves);
            assert!(settled || self.tampered[n], "lost too early: {before:?}");
        }
        // The second one may write what the leader mends at once.
        if status.state == Some(State::Verified) && who == Who::Leader {
            assert_eq!(api.holder(), Some(n), "verified without the name");
        }
        let issued = status.challenge.as_ref();
        let issued = issued.and_then(|challenge| Token::parse(&challenge.token));
        if let Some(issued) = issued.filter(|issued| !self.issued[n].contains(issued)) {
            self.issued[n].push(issued);
            self.tampered[n] = false;
        }
    }

    /// Something happened; since it last did, nothing was written without end.
    pub fn happened(&mut self, api: &Api, dns: &Dns) {
        let Stretch {
            writes,
            long_checks,
        } = std::mem::take(&mut self.stretch);
        assert!(
            writes <= long_checks + 24,
            "{writes} writes for {long_checks} checks: {api:?}"
        );
        // What happens at one moment, one thing after the other, makes work each time.
        self.second.1 = 0;
        self.keeps &= self.holder_found(api, dns);
    }

    /// Nothing runs in circles.
    pub fn count_work(&mut self, time: Timestamp) {
        let second = time.as_second();
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        assert!(self.second.1 <= 60, "busy");
    }

    /// The statuses say who has the name, and nobody else says so.
    pub fn assert_settled(&self, api: &Api) {
        let holder = api.holder();
        for object in api.objects.iter().flatten() {
            let status = &object.status;
            let verified = status.state == Some(State::Verified);
            assert_eq!(
                verified,
                holder == Some(object.n),
                "{object:?} {:?}",
                api.held
            );
            let says = condition(status, conditions::VERIFIED);
            assert_eq!(verified, says != "False", "{object:?}");
        }
        assert!(!self.keeps || api.held.is_some());
    }
}
