//! Writes of an organization domain's status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::api::organization_domain::{
    OrganizationDomain, OrganizationDomainSpec, OrganizationDomainStatus, OrganizationRef,
};
use crate::cluster::Cluster;
use crate::cluster::client::FIELD_MANAGER;
use crate::cluster::decode::Decoded;
use crate::cluster::error::ApiError;
use crate::cluster::store::domain::Domain;
use crate::controller::mirror::Mirror;

/// Replaces the whole status, so that nothing of an edit by hand survives in it. The resource
/// version makes it fail where the object is not the one that was decided on.
pub async fn write(
    cluster: &Cluster,
    domain: &Domain,
    status: &OrganizationDomainStatus,
) -> Result<Decoded<OrganizationDomain>, ApiError> {
    let object = OrganizationDomain {
        metadata: ObjectMeta::default(),
        // Part of what the type must say.
        spec: OrganizationDomainSpec {
            organization_ref: OrganizationRef {
                name: domain.organization.name().to_owned(),
            },
            domain: domain.stated.to_string(),
            joinable: false,
        },
        status: Some(status.clone()),
    };
    let at = (&domain.key, &domain.uid, domain.version);
    cluster.client.replace_status(at, object).await
}

/// Replaces the status of an object that changed since it was decided on, though in nothing that
/// the decision rests on: a tenant that changes its object without end puts nothing off. The API
/// server holds the object against what was read, and tries again by itself when others come first.
///
/// None where the object differs in more than that.
pub async fn write_over(
    mirror: &Mirror,
    decided_on: &Domain,
    live: &Domain,
    status: &OrganizationDomainStatus,
) -> Result<Option<Decoded<OrganizationDomain>>, ApiError> {
    let Some(before) = live.whole() else {
        return Ok(None);
    };
    let stored = mirror.unwritten.read().stored(live).cloned();
    let before = stored.as_ref().unwrap_or(before);
    if !is_same_to_decide_on(decided_on, live) || *before == OrganizationDomainStatus::default() {
        return Ok(None);
    }
    let operations = json!([
        { "op": "test", "path": "/metadata/uid", "value": live.uid.to_string() },
        { "op": "test", "path": "/spec/domain", "value": *live.stated },
        { "op": "test", "path": "/spec/organizationRef/name", "value": live.organization.name() },
        { "op": "test", "path": "/status", "value": before },
        { "op": "replace", "path": "/status", "value": status },
    ]);
    let Ok(operations) = serde_json::from_value(operations) else {
        return Ok(None);
    };
    let patch = Patch::<OrganizationDomain>::Json(operations);
    let client = &mirror.cluster.client;
    let api = client.namespaced(live.key.namespace());
    let params = PatchParams::apply(FIELD_MANAGER);
    let written = client
        .call(api.patch_status(live.key.name(), &params, &patch))
        .await;
    match written {
        Ok(written) => Ok(Some(written)),
        // A test that failed is reported as an invalid request.
        Err(ApiError::Conflict | ApiError::NotFound | ApiError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether nothing but labels, annotations and the like are different.
fn is_same_to_decide_on(decided_on: &Domain, live: &Domain) -> bool {
    let same = Domain {
        version: live.version,
        generation: live.generation,
        requested: live.requested.clone(),
        ..decided_on.clone()
    };
    same == *live
}
