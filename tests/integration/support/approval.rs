//! One approval, and what a test does with it.

use freehold::api::conditions::{self, READY};
use freehold::api::domain_approval::{DomainApproval, DomainApprovalSpec, OrganizationDomainRef};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::tenant::Tenant;
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
        let spec = DomainApprovalSpec {
            organization_domain_ref: OrganizationDomainRef {
                name: target.to_owned(),
            },
            domain: domain.to_owned(),
            reason: "a contract shows it".to_owned(),
            expiry_time: expiry.map(Time),
        };
        let api = Api::namespaced(tenant.client.clone(), &tenant.namespace);
        api.create(&PostParams::default(), &DomainApproval::new(object, spec))
            .await
            .unwrap();
        Self {
            api,
            object: object.to_owned(),
        }
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
        let change = json!({ "spec": { "expiryTime": expiry.map(Time) } });
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
