//! Many domains on their way to Verified in several namespaces, and what must be true of them
//! whatever happened meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use freehold::api::organization_domain::ChallengeRecord;
use freehold::api::{OrganizationDomain, State, VerifiedDomain};
use freehold::model::challenge::Token;
use freehold_testbed::{DnsServer, Tree};
use futures::future::join_all;
use futures::{StreamExt, stream};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio::time::{sleep, sleep_until};

use super::Size;
use super::watcher::{Change, Watcher, watch};
use crate::support::{
    Cluster, OperatorSettings, Tenant, eventually_within, place, random_label, ready_reason,
    status, uid,
};

/// Two cores have one campaign at a time to carry on the shared control plane; a private one has a
/// turn of its own.
static TURN: AsyncMutex<()> = AsyncMutex::const_new(());

const NAMESPACES: usize = 4;
/// After a fault the wait before the next attempt may still be the longest one.
const RECOVERY: Duration = Duration::from_secs(150);
/// What is wrong may come late: a holding that seems to be nobody's is looked at after two seconds.
const AFTERMATH: Duration = Duration::from_secs(5);
const BETWEEN_LISTS: Duration = Duration::from_millis(500);
/// So many of what is wrong are told.
const TOLD: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Its record is published as soon as it is known.
    Proven,
    /// As Proven; another namespace states and proves the same name.
    Contender,
    /// Nothing is published for it.
    Unproven,
    /// What is published for it is another one's value.
    Copied,
}

#[derive(Debug)]
struct Planned {
    tenant: usize,
    object: String,
    name: String,
    role: Role,
}

impl Planned {
    /// The name becomes somebody's.
    fn is_published(&self) -> bool {
        matches!(self.role, Role::Proven | Role::Contender)
    }
}

/// Who answers for the names.
pub enum Dns {
    /// As a resolver does.
    Server(DnsServer),
    /// The servers of one zone.
    Zone { tree: Tree, origin: String },
}

impl Dns {
    fn set(&self, name: &str, values: &[String]) {
        match self {
            Self::Server(server) => server.set_txt(name, values.to_vec()),
            Self::Zone { tree, origin } => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                tree.zone(origin).set_txt(name, &values);
            }
        }
    }
}

/// What the watches saw.
#[derive(Default)]
struct Seen {
    lives: BTreeMap<(String, String), Life>,
    holdings: BTreeMap<String, BTreeSet<String>>,
    released: Vec<String>,
}

#[derive(Default)]
struct Life {
    uids: BTreeSet<String>,
    tokens: BTreeSet<String>,
    last: Option<OrganizationDomain>,
    verified: bool,
    lost: bool,
}

#[derive(Default)]
struct Records {
    /// By their names.
    published: BTreeMap<String, Vec<String>>,
    lying: bool,
}

struct Shared {
    plan: BTreeMap<(String, String), Planned>,
    dns: Dns,
    records: Mutex<Records>,
    seen: Mutex<Seen>,
}

pub struct Campaign {
    pub cluster: Cluster,
    pub size: Size,
    tenants: Vec<Tenant>,
    suffix: String,
    shared: Arc<Shared>,
    fault_began: Mutex<Option<usize>>,
    _watchers: Vec<Watcher>,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Campaign {
    /// Asked through one recursive server.
    pub async fn new(cluster: Cluster) -> Self {
        let suffix = format!("{}.example", random_label());
        let dns = Dns::Server(DnsServer::start().await.unwrap());
        Self::with(cluster, suffix, dns).await
    }

    /// Asked at the servers of a zone.
    pub async fn of_zone(cluster: Cluster, tree: Tree, origin: &str) -> Self {
        let origin = origin.to_owned();
        Self::with(cluster, origin.clone(), Dns::Zone { tree, origin }).await
    }

    async fn with(cluster: Cluster, suffix: String, dns: Dns) -> Self {
        let shared = cluster.kubeconfig == Cluster::shared().await.kubeconfig;
        let turn = if shared {
            Some(TURN.lock().await)
        } else {
            None
        };
        let size = Size::of_this_run();
        let mut tenants = Vec::new();
        for _ in 0..NAMESPACES {
            let tenant = Tenant::empty(&cluster.client).await;
            tenant.organization("acme").await;
            tenants.push(tenant);
        }
        let planned = plan(size, &suffix).into_iter().map(|planned| {
            let namespace = tenants[planned.tenant].namespace.clone();
            ((namespace, planned.object.clone()), planned)
        });
        let shared = Arc::new(Shared {
            plan: planned.collect(),
            dns,
            records: Mutex::default(),
            seen: Mutex::default(),
        });
        let mut watchers: Vec<Watcher> = tenants
            .iter()
            .map(|tenant| {
                let shared = Arc::clone(&shared);
                watch(tenant.domains(), move |change| shared.see(change))
            })
            .collect();
        let holdings = Api::<VerifiedDomain>::all(cluster.client.clone());
        watchers.push(watch(holdings, {
            let (shared, suffix) = (Arc::clone(&shared), suffix.clone());
            move |change| shared.see_holding(&suffix, &change)
        }));
        Self {
            cluster,
            size,
            tenants,
            suffix,
            shared,
            fault_began: Mutex::default(),
            _watchers: watchers,
            _turn: turn,
        }
    }

    /// An operator for these namespaces.
    pub fn operator(&self) -> OperatorSettings {
        let settings = match &self.shared.dns {
            Dns::Server(server) => OperatorSettings::new(&self.cluster.kubeconfig, server.addr()),
            Dns::Zone { tree, .. } => OperatorSettings::walking(&self.cluster.kubeconfig, tree),
        };
        let settings = settings
            .every(&format!("{}:36h,1h", self.size.check_period()))
            .with("--recheck-period", &self.size.recheck_period())
            .with("--grace-check-period", &self.size.recheck_period())
            .with("--api-timeout", "2s")
            // What seems to be nobody's is looked at while the fault lasts.
            .with("--orphan-delay", "2s");
        self.tenants.iter().fold(settings, |settings, tenant| {
            settings.with("--watch-namespace", &tenant.namespace)
        })
    }

    pub fn dns(&self) -> &Dns {
        &self.shared.dns
    }

    /// For every name with a record other values are told: those of the next name.
    pub fn lie(&self) {
        let mut records = self.shared.records.lock().unwrap();
        records.lying = true;
        let values: Vec<&Vec<String>> = records.published.values().collect();
        for (n, name) in records.published.keys().enumerate() {
            self.shared.dns.set(name, values[(n + 1) % values.len()]);
        }
    }

    pub fn tell_the_truth(&self) {
        let mut records = self.shared.records.lock().unwrap();
        records.lying = false;
        for (name, values) in &records.published {
            self.shared.dns.set(name, values);
        }
    }

    /// Waits until this part of the domains is Verified, for a fault in the midst of it.
    pub async fn until_verified(&self, percent: usize) {
        let wanted = self.expected() * percent / 100;
        let what = format!("{wanted} domains are Verified");
        eventually_within(RECOVERY, &what, async || {
            let verified = self.verified();
            if verified < wanted {
                return Err(verified);
            }
            // The first fault's beginning is what counts.
            self.fault_began.lock().unwrap().get_or_insert(verified);
            Ok(())
        })
        .await;
    }

    /// States the domains while `fault` is at work, then waits until all are what they should be.
    pub async fn run<T>(&self, fault: &str, act: impl AsyncFnOnce() -> T) -> T {
        let start = Instant::now();
        let ((), (acted, ended)) =
            tokio::join!(self.state_all(), async { (act().await, self.verified()) });
        let over = Instant::now();
        let began = self.fault_began.lock().unwrap().unwrap_or(0);
        assert!(
            began < self.expected(),
            "{fault}: all were Verified before it began"
        );
        eventually_within(
            RECOVERY,
            &format!("all recover from: {fault}"),
            async || told(&self.unsettled()),
        )
        .await;
        let recovered = over.elapsed();
        eventually_within(RECOVERY, &format!("Events after: {fault}"), async || {
            sleep(BETWEEN_LISTS).await;
            told(&self.missing_events().await)
        })
        .await;
        sleep(AFTERMATH).await;
        let wrong = self.wrong().await;
        assert!(
            wrong.is_empty(),
            "{fault}: {:#?}",
            &wrong[..wrong.len().min(TOLD)]
        );
        println!(
            "{fault}: {} domains, {began} Verified when it began, {ended} when it ended, {} at last, {:.1} s in all, recovered after {:.1} s",
            self.shared.plan.len(),
            self.expected(),
            start.elapsed().as_secs_f64(),
            recovered.as_secs_f64(),
        );
        acted
    }

    /// Labels every domain that is there, by its number; returns how many.
    pub async fn place(&self, shard: impl Fn(usize) -> Option<&'static str>) -> usize {
        let objects: Vec<_> = self.objects().await.unwrap().into_keys().collect();
        let shard = &shard;
        stream::iter(objects.iter().enumerate())
            .for_each_concurrent(16, |(n, (namespace, object))| async move {
                let api =
                    Api::<OrganizationDomain>::namespaced(self.cluster.client.clone(), namespace);
                place(&api, object, shard(n)).await.unwrap();
            })
            .await;
        objects.len()
    }

    /// How many domains are to be Verified in the end.
    fn expected(&self) -> usize {
        self.names().len()
    }

    fn names(&self) -> BTreeSet<&str> {
        let published = self.shared.plan.values().filter(|p| p.is_published());
        published.map(|planned| planned.name.as_str()).collect()
    }

    fn verified(&self) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.lives.values().filter(|life| life.verified).count()
    }

    /// One after the other over some time, each until the API server has it.
    async fn state_all(&self) {
        let start = tokio::time::Instant::now();
        let mut plan: Vec<&Planned> = self.shared.plan.values().collect();
        plan.sort_by_key(|planned| planned.object.clone());
        let step = self.size.spread() / u32::try_from(plan.len()).unwrap();
        stream::iter((0..).zip(plan))
            .for_each_concurrent(16, |(n, planned)| async move {
                sleep_until(start + step * n).await;
                let tenant = &self.tenants[planned.tenant];
                while let Err(error) = tenant
                    .try_state("acme", &planned.object, &planned.name)
                    .await
                {
                    // The answer to the first attempt may have been lost.
                    if matches!(&error, kube::Error::Api(status) if status.is_already_exists()) {
                        break;
                    }
                    sleep(Duration::from_millis(200)).await;
                }
            })
            .await;
    }

    /// What is not yet as it should be, as the watches tell: asking again and again would be a load
    /// of its own.
    fn unsettled(&self) -> Vec<String> {
        let seen = self.shared.seen.lock().unwrap();
        let mut wrong = Vec::new();
        for (key, planned) in &self.shared.plan {
            let last = seen.lives.get(key).and_then(|life| life.last.as_ref());
            let reason = last.map(ready_reason).unwrap_or_default();
            let good = match planned.role {
                Role::Proven => reason == "Verified",
                Role::Contender => reason == "Verified" || reason == "HeldByAnother",
                Role::Unproven => reason == "RecordAbsent",
                Role::Copied => reason == "RecordMismatch",
            };
            if !good {
                let role = planned.role;
                wrong.push(format!("{key:?}, {role:?}: {:?}", last.map(status)));
            }
        }
        wrong
    }

    async fn objects(&self) -> kube::Result<BTreeMap<(String, String), OrganizationDomain>> {
        let mut objects = BTreeMap::new();
        for tenant in &self.tenants {
            for object in tenant.domains().list(&ListParams::default()).await? {
                objects.insert((tenant.namespace.clone(), object.name_any()), object);
            }
        }
        Ok(objects)
    }

    async fn holdings(&self) -> BTreeMap<String, VerifiedDomain> {
        let all = Api::<VerifiedDomain>::all(self.cluster.client.clone());
        let all = all.list(&ListParams::default()).await.unwrap();
        all.into_iter()
            .map(|holding| (holding.name_any(), holding))
            .filter(|(name, _)| name.ends_with(&self.suffix))
            .collect()
    }

    /// How often each reason was told of each object, by uid.
    async fn events(&self) -> BTreeMap<(String, String), usize> {
        let mut count = BTreeMap::new();
        for events in join_all(self.tenants.iter().map(Tenant::events)).await {
            for event in events {
                let uid = event.regarding.and_then(|object| object.uid);
                let fact = (uid.unwrap_or_default(), event.reason.unwrap_or_default());
                *count.entry(fact).or_default() += 1;
            }
        }
        count
    }

    /// Events that are published beside the statuses and may be late.
    async fn missing_events(&self) -> Vec<String> {
        let Ok(objects) = self.objects().await else {
            return vec!["the domains cannot be listed".to_owned()];
        };
        let events = self.events().await;
        let mut missing = Vec::new();
        for (key, object) in &objects {
            let verified = status(object).state == Some(State::Verified);
            if verified && !events.contains_key(&(uid(object), "Verified".to_owned())) {
                missing.push(format!("{key:?}: no Event Verified"));
            }
        }
        missing
    }

    /// What must not be, and can be no more mended.
    async fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let objects = self.objects().await.unwrap();
        let holdings = self.holdings().await;
        let events = self.events().await;
        for (key, object) in &objects {
            let planned = &self.shared.plan[key];
            let state = status(object);
            let holder = holdings.get(&planned.name).map(|h| &h.spec.holder);
            let ours = holder.is_some_and(|holder| holder.uid == uid(object));
            let verified = state.state == Some(State::Verified);
            if verified != ours {
                wrong.push(format!("{key:?}: Verified {verified}, holder {ours}"));
            }
            if verified && !planned.is_published() {
                wrong.push(format!("{key:?}: Verified without a record"));
            }
            let token = state.challenge.map(|challenge| challenge.token);
            let hash = token.and_then(|token| Some(Token::parse(&token)?.hash()));
            if ours && holder.map(|holder| &holder.token_hash) != hash.as_ref() {
                wrong.push(format!("{key:?}: held by another token"));
            }
            let told = events.get(&(uid(object), "Verified".to_owned()));
            if told.copied().unwrap_or(0) != usize::from(verified) {
                wrong.push(format!("{key:?}: {told:?} Events Verified"));
            }
            for reason in ["RecordLost", "HoldingLost", "HandedOver", "HandOverStarted"] {
                if events.contains_key(&(uid(object), reason.to_owned())) {
                    wrong.push(format!("{key:?}: an Event {reason}"));
                }
            }
        }
        let held: BTreeSet<&str> = holdings.keys().map(String::as_str).collect();
        if held != self.names() {
            let differ = held.symmetric_difference(&self.names()).count();
            wrong.push(format!(
                "{differ} names are held and should not be, or the reverse"
            ));
        }
        let seen = self.shared.seen.lock().unwrap();
        wrong.extend(
            seen.released
                .iter()
                .map(|name| format!("{name} was released")),
        );
        for (name, holdings) in &seen.holdings {
            if holdings.len() != 1 {
                wrong.push(format!("{name}: one after the other {holdings:?}"));
            }
        }
        for (key, life) in &seen.lives {
            if (life.uids.len(), life.tokens.len()) != (1, 1) {
                wrong.push(format!("{key:?}: uids and tokens {:?}", life.tokens));
            }
            if life.lost {
                wrong.push(format!("{key:?}: was Verified and then was not"));
            }
        }
        wrong
    }
}

fn told(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() {
        return Ok(());
    }
    let first = wrong[..wrong.len().min(TOLD)].join("\n");
    Err(format!("{} are not:\n{first}", wrong.len()))
}

/// Of twenty domains two are contested, two unproven, one copied.
fn plan(size: Size, suffix: &str) -> Vec<Planned> {
    let mut plan = Vec::new();
    for n in 0..usize::try_from(size.domains).unwrap() {
        let role = match n % 20 {
            3 | 13 => Role::Contender,
            6 | 16 => Role::Unproven,
            9 => Role::Copied,
            _ => Role::Proven,
        };
        let contenders = if role == Role::Contender { 2 } else { 1 };
        for m in 0..contenders {
            plan.push(Planned {
                tenant: (n + m) % NAMESPACES,
                object: format!("d{n:05}"),
                name: format!("d{n}.{suffix}"),
                role,
            });
        }
    }
    plan
}

impl Shared {
    fn see(&self, change: Change<OrganizationDomain>) {
        let Change::Is(object) = change else {
            return;
        };
        let key = (object.namespace().unwrap(), object.name_any());
        let Some(planned) = self.plan.get(&key) else {
            return;
        };
        let state = status(&object);
        let mut seen = self.seen.lock().unwrap();
        let life = seen.lives.entry(key).or_default();
        life.uids.insert(uid(&object));
        let verified = state.state == Some(State::Verified);
        life.lost |= life.verified && !verified;
        life.verified |= verified;
        life.last = Some(object);
        if let Some(challenge) = state.challenge
            && life.tokens.insert(challenge.token)
        {
            drop(seen);
            self.publish(planned, &challenge.records[0]);
        }
    }

    fn see_holding(&self, suffix: &str, change: &Change<VerifiedDomain>) {
        let (Change::Is(holding) | Change::Deleted(holding)) = change;
        let name = holding.name_any();
        if !name.ends_with(suffix) {
            return;
        }
        let mut seen = self.seen.lock().unwrap();
        let identity = format!("{} of {}", uid(holding), holding.spec.holder.uid);
        seen.holdings
            .entry(name.clone())
            .or_default()
            .insert(identity);
        if matches!(change, Change::Deleted(_)) {
            seen.released.push(name);
        }
    }

    fn publish(&self, planned: &Planned, record: &ChallengeRecord) {
        let mut records = self.records.lock().unwrap();
        let value = match planned.role {
            Role::Unproven => return,
            Role::Copied => match records.published.values().flatten().next() {
                Some(other) => other.clone(),
                None => record.value.replace(['2', '3', '4', '5', '6', '7'], "a"),
            },
            Role::Proven | Role::Contender => record.value.clone(),
        };
        let values = records.published.entry(record.name.clone()).or_default();
        values.push(value);
        let values = values.clone();
        if !records.lying {
            self.dns.set(&record.name, &values);
        }
    }
}
