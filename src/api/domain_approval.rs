//! A platform's word that a domain is an organization's, in place of a DNS record.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions;
use super::spec_time::SpecTime;

/// The platform's word that a domain is an organization's: the organization domain that it names is
/// verified by hand for as long as this object stands.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "DomainApproval",
    namespaced,
    status = "DomainApprovalStatus",
    doc = "The platform's word that a domain is an organization's: the organization domain that it names is verified by hand for as long as this object stands and has not expired. It yields to no other organization's DNS record, and overrides no refused name. For platform teams only; tenants must not write it.",
    shortname = "domainapproval",
    category = "freehold",
    selectable = ".spec.organizationDomainRef.name",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Organization Domain", type_ = "string", json_path = ".spec.organizationDomainRef.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiryTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("size(self.metadata.name) <= 230", "metadata.name may have at most 230 characters, so that Events about the object can be named after it")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.organization)", "organization is required: the metadata.name of the Organization that the organization domain names"))]
pub struct DomainApprovalSpec {
    /// The organization domain that is approved, in the same namespace.
    #[x_kube(validation = ("self == oldSelf", "organizationDomainRef cannot be changed; create another approval instead"))]
    pub organization_domain_ref: OrganizationDomainRef,

    /// Required. The metadata.name of the Organization that is approved. It must be the one that the
    /// organization domain names, so that an object made again under the same name by another
    /// organization is not approved by accident. An approval from before this field was required
    /// approves nothing until it is added.
    // A rule requires it, because the API server refuses every write of a stored object that lacks a
    // field of the schema's own list, the operator's status included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("self == oldSelf", "organization cannot be changed; create another approval instead"))]
    pub organization: Option<String>,

    /// The domain that is approved. It must be the one that the organization domain states, so that
    /// an object made again under the same name for another domain is not approved by accident.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("self == oldSelf", "domain cannot be changed; create another approval instead"))]
    pub domain: String,

    /// Why the domain is approved by hand, for those who read it later.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,

    /// When the approval ends; never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<SpecTime>,
}

/// Names an organization domain in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationDomainRef {
    /// The metadata.name of the OrganizationDomain.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The metadata.uid of the OrganizationDomain. With it the approval is for this very object, not
    /// for one made again under the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub uid: Option<String>,
}

/// Whether the approval is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct DomainApprovalStatus {
    /// The metadata.generation that this status was made from; -1 before the operator saw it.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
