//! Namespaces, organizations and the domains that they state, made through the API server.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{DeleteParams, ListParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::calls::post;
use super::kinds::{self, Seen};

/// The label of every domain, with the run that it belongs to.
pub const RUN_LABEL: &str = "bench.freehold.dev/run";
pub const IN_A_NAMESPACE: usize = 500;
pub const IN_AN_ORGANIZATION: usize = 100;
/// As many calls as the operator makes at once.
pub const CONCURRENCY: usize = 64;

/// One organization domain of a run.
#[derive(Debug, Clone)]
pub struct Domain {
    pub namespace: String,
    pub organization: String,
    pub name: String,
    pub stated: String,
    /// One label more.
    pub label: Option<(&'static str, String)>,
}

impl Domain {
    /// The `n`th of a run.
    pub fn of(run: &str, n: usize) -> Self {
        Self {
            namespace: format!("{run}-{:03}", n / IN_A_NAMESPACE),
            organization: format!("org-{}", n % IN_A_NAMESPACE / IN_AN_ORGANIZATION),
            name: format!("domain-{n:06}"),
            stated: format!("{run}-{n:06}.example"),
            label: None,
        }
    }

    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

pub fn domains(run: &str, count: usize) -> Vec<Domain> {
    (0..count).map(|n| Domain::of(run, n)).collect()
}

/// States domains, with the namespaces and organizations that they need.
pub async fn state(client: &Client, run: &str, domains: &[Domain]) -> Result<()> {
    tenants(client, domains).await?;
    state_beside(client, run, domains).await
}

/// States domains of organizations that are there.
pub async fn state_beside(client: &Client, run: &str, domains: &[Domain]) -> Result<()> {
    let kind = kinds::organization_domains();
    let objects = domains.iter().map(|domain| {
        let mut labels = json!({ RUN_LABEL: run });
        if let Some((key, value)) = &domain.label {
            labels[key] = value.as_str().into();
        }
        json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {
                "name": domain.name,
                "namespace": domain.namespace,
                "labels": labels,
            },
            "spec": {
                "organizationRef": { "name": domain.organization },
                "domain": domain.stated,
            },
        })
    });
    create_all(client, &kind, objects).await
}

/// Takes away the domains of a run.
pub async fn remove(client: &Client, run: &str, domains: &[Domain]) -> Result<()> {
    let mut namespaces: Vec<&str> = domains.iter().map(|d| &*d.namespace).collect();
    namespaces.dedup();
    let of_run = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
    for namespace in namespaces {
        let kind = kinds::organization_domains();
        let api = Api::<Seen>::namespaced_with(client.clone(), namespace, &kind);
        api.delete_collection(&DeleteParams::default(), &of_run)
            .await
            .context("removing the domains of a run")?;
    }
    Ok(())
}

/// Makes the namespaces and organizations of domains.
pub async fn tenants(client: &Client, domains: &[Domain]) -> Result<()> {
    let mut namespaces: Vec<&str> = domains.iter().map(|d| &*d.namespace).collect();
    namespaces.dedup();
    let objects = namespaces.iter().map(
        |name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
    );
    create_all(client, &kinds::namespaces(), objects).await?;
    let kind = kinds::organizations();
    let mut organizations: Vec<(&str, &str)> = domains
        .iter()
        .map(|d| (&*d.namespace, &*d.organization))
        .collect();
    organizations.dedup();
    let objects = organizations.iter().map(|(namespace, name)| {
        json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": { "name": name, "namespace": namespace },
            "spec": {},
        })
    });
    create_all(client, &kind, objects).await
}

async fn create_all(
    client: &Client,
    kind: &ApiResource,
    objects: impl Iterator<Item = Value>,
) -> Result<()> {
    stream::iter(objects)
        .map(|object| async move {
            let namespace = object["metadata"]["namespace"].as_str();
            post(client, kind, namespace, object.to_string()).await
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}
