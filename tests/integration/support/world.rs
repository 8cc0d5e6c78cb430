//! All that one test has for itself.

use std::time::{Duration, Instant};

use freehold::api::VerifiedDomain;
use freehold_testbed::{DnsServer, Tree};
use kube::Api;
use kube::api::ListParams;
use rand::RngExt;

use super::cluster::Cluster;
use super::operator::OperatorSettings;
use super::stated::{Stated, publish};
use super::tenant::{ORGANIZATION, Tenant};
use super::wait::eventually;

pub struct World {
    pub cluster: Cluster,
    pub dns: DnsServer,
    label: String,
}

/// A label that no other test uses.
pub fn random_label() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = rand::rng();
    let letter = |_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
    format!("x{}", (0..7).map(letter).collect::<String>())
}

impl World {
    /// On the shared control plane.
    pub async fn new() -> Self {
        Self::on(Cluster::shared().await).await
    }

    pub async fn on(cluster: Cluster) -> Self {
        Self {
            cluster,
            dns: DnsServer::start().await.unwrap(),
            label: random_label(),
        }
    }

    /// A domain name below the test's own label.
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}.{}.example", self.label)
    }

    /// A name of the public DNS, which nobody but the test's own DNS server is asked for.
    pub fn public_name(&self, prefix: &str) -> String {
        format!("{prefix}.{}.com", self.label)
    }

    pub async fn empty_tenant(&self) -> Tenant {
        Tenant::empty(&self.cluster.client).await
    }

    pub async fn tenant(&self) -> Tenant {
        let tenant = self.empty_tenant().await;
        tenant.organization(ORGANIZATION).await;
        tenant
    }

    /// An operator for these tenants.
    pub fn operator(&self, tenants: &[&Tenant]) -> OperatorSettings {
        let settings = OperatorSettings::new(&self.cluster.kubeconfig, self.dns.addr());
        watching(settings, tenants)
    }

    /// An operator for these tenants that asks the servers of a tree.
    pub fn walking_operator(&self, tenants: &[&Tenant], tree: &Tree) -> OperatorSettings {
        let settings = OperatorSettings::walking(&self.cluster.kubeconfig, tree);
        watching(settings, tenants)
    }

    /// States a name for a tenant and proves it by DNS.
    pub async fn verified(&self, tenant: &Tenant, object: &str, name: &str) -> Stated {
        let domain = tenant.state(object, name).await;
        publish(&self.dns, &domain.challenge().await.records[0]);
        domain.request("1").await;
        domain.until_verified().await;
        domain
    }

    pub fn holdings(&self) -> Api<VerifiedDomain> {
        Api::all(self.cluster.client.clone())
    }

    pub async fn holding(&self, name: &str) -> Option<VerifiedDomain> {
        self.holdings().get_opt(name).await.unwrap()
    }

    pub async fn until_released(&self, name: &str) {
        let what = format!("{name} is released");
        eventually(&what, async || match self.holding(name).await {
            None => Ok(()),
            Some(holding) => Err(format!("{:?}", holding.spec)),
        })
        .await;
    }

    /// All holdings below the test's own label.
    pub async fn own_holdings(&self) -> Vec<VerifiedDomain> {
        let below = format!(".{}.example", self.label);
        let all = self.holdings().list(&ListParams::default()).await.unwrap();
        let own = |holding: &VerifiedDomain| {
            let name = holding.metadata.name.as_deref();
            name.is_some_and(|name| name.ends_with(&below))
        };
        all.items.into_iter().filter(own).collect()
    }
}

fn watching(settings: OperatorSettings, tenants: &[&Tenant]) -> OperatorSettings {
    tenants.iter().fold(settings, |settings, tenant| {
        settings.with("--watch-namespace", &tenant.namespace)
    })
}

/// The median time of reading an object: what a time is measured in.
pub async fn round_trip(stated: &Stated) -> Duration {
    let mut times = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        stated.get().await;
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

/// A time as a multiple of another.
pub fn times(time: Duration, unit: Duration) -> f64 {
    time.as_secs_f64() / unit.as_secs_f64()
}
