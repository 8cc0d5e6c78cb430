//! A namespace with organizations and the domains that they state.

use freehold::api::organization_domain::OrganizationRef;
use freehold::api::{Organization, OrganizationDomain, OrganizationDomainSpec, OrganizationSpec};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::stated::Stated;
use super::world::random_label;

/// The organization that every tenant has.
pub const ORGANIZATION: &str = "acme";

pub struct Tenant {
    pub client: Client,
    pub namespace: String,
}

impl Tenant {
    /// A new namespace without an organization.
    pub async fn empty(client: &Client) -> Self {
        Self::named(client, &format!("tenant-{}", random_label())).await
    }

    /// A namespace of this name, which is new.
    pub async fn named(client: &Client, namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        Self {
            client: client.clone(),
            namespace,
        }
    }

    /// Suspends the namespace, or no longer.
    pub async fn suspend(&self, suspended: bool) {
        let value = suspended.then_some("true");
        let change = json!({ "metadata": { "labels": { "freehold.dev/suspended": value } } });
        Api::<Namespace>::all(self.client.clone())
            .patch(
                &self.namespace,
                &PatchParams::default(),
                &Patch::Merge(change),
            )
            .await
            .unwrap();
    }

    pub fn organizations(&self) -> Api<Organization> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn domains(&self) -> Api<OrganizationDomain> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn organization(&self, name: &str) -> Organization {
        let object = Organization::new(name, OrganizationSpec::default());
        self.organizations()
            .create(&PostParams::default(), &object)
            .await
            .unwrap()
    }

    /// States a domain for the tenant's organization.
    pub async fn state(&self, object: &str, domain: &str) -> Stated {
        self.state_for(ORGANIZATION, object, domain).await
    }

    pub async fn state_for(&self, organization: &str, object: &str, domain: &str) -> Stated {
        self.try_state(organization, object, domain).await.unwrap()
    }

    pub async fn try_state(
        &self,
        organization: &str,
        object: &str,
        domain: &str,
    ) -> kube::Result<Stated> {
        let spec = OrganizationDomainSpec {
            organization_ref: OrganizationRef {
                name: organization.to_owned(),
            },
            domain: domain.to_owned(),
            joinable: false,
        };
        let created = self
            .domains()
            .create(
                &PostParams::default(),
                &OrganizationDomain::new(object, spec),
            )
            .await?;
        Ok(Stated::new(&self.client, &created))
    }

    pub async fn events(&self) -> Vec<Event> {
        Api::<Event>::namespaced(self.client.clone(), &self.namespace)
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
    }
}
