//! One approval, and what a test does with it.

use freehold::api::conditions::{self, READY};
use freehold::api::domain_approval::{DomainApproval, DomainApprovalSpec, OrganizationDomainRef};
use freehold::api::spec_time::SpecTime;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::stated::Stated;
use super::tenant::{ORGANIZATION, Tenant};
use super::wait::eventually;

pub struct Approval {
    api: Api<DomainApproval>,
    object: String,
}

impl Approval {
    /// Approves the organization domain `target` for this domain.
    pub async fn of(
        tenant: &Tenant,
        object: &str,
        target: &str,
        domain: &str,
        expiry: Option<Timestamp>,
    ) -> Self {
        Self::make(tenant, object, spec(target, None, domain, expiry)).await
    }

    /// Approves this very object.
    pub async fn of_object(tenant: &Tenant, object: &str, target: &Stated) -> Self {
        let uid = Some(target.uid.clone());
        let spec = spec(&target.object, uid, &target.domain, None);
        Self::make(tenant, object, spec).await
    }

    async fn make(tenant: &Tenant, object: &str, spec: DomainApprovalSpec) -> Self {
        let made = Self::named(tenant, object);
        made.api
            .create(&PostParams::default(), &DomainApproval::new(object, spec))
            .await
            .unwrap();
        made
    }

    /// One that is there.
    pub fn named(tenant: &Tenant, object: &str) -> Self {
        Self {
            api: Api::namespaced(tenant.client.clone(), &tenant.namespace),
            object: object.to_owned(),
        }
    }

    /// Waits until it says why it does not stand, with these words.
    pub async fn until_it_says(&self, reason: &str, words: &str) {
        let conditions = self.until_reason(reason).await;
        let message = &conditions::find(&conditions, READY).unwrap().message;
        assert!(message.contains(words), "{message}");
    }

    pub async fn conditions(&self) -> Vec<Condition> {
        let approval = self.api.get(&self.object).await.unwrap();
        approval.status.unwrap_or_default().conditions
    }

    /// Waits until it says why it is in force or not; returns all that it says.
    pub async fn until_reason(&self, reason: &str) -> Vec<Condition> {
        let what = format!("the approval {} says {reason}", self.object);
        eventually(&what, async || {
            let conditions = self.conditions().await;
            match conditions::find(&conditions, READY) {
                Some(ready) if ready.reason == reason => Ok(conditions),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    pub async fn set_expiry(&self, expiry: Option<Timestamp>) {
        self.set(json!({ "expiryTime": expiry.map(SpecTime::from) }))
            .await;
    }

    pub async fn set(&self, spec: Value) {
        let change = json!({ "spec": spec });
        self.api
            .patch(
                &self.object,
                &PatchParams::default(),
                &Patch::Merge(&change),
            )
            .await
            .unwrap();
    }

    pub async fn remove(self) {
        self.api
            .delete(&self.object, &DeleteParams::default())
            .await
            .unwrap();
    }
}

fn spec(
    target: &str,
    uid: Option<String>,
    domain: &str,
    expiry: Option<Timestamp>,
) -> DomainApprovalSpec {
    DomainApprovalSpec {
        organization_domain_ref: OrganizationDomainRef {
            name: target.to_owned(),
            uid,
        },
        organization: Some(ORGANIZATION.to_owned()),
        domain: domain.to_owned(),
        reason: "a contract shows it".to_owned(),
        expiry_time: expiry.map(SpecTime::from),
    }
}
