//! A platform's word that a domain is an organization's, in place of a DNS record.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec_time::SpecTime;
use super::{conditions, lenient};

/// The platform's approval of a domain for an organization. The OrganizationDomain that it names is
/// verified without a DNS record while this object exists.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "DomainApproval",
    namespaced,
    status = "DomainApprovalStatus",
    doc = "The platform's approval of a domain for an organization. The OrganizationDomain that it names is verified without a DNS record while this object exists and has not expired. An approval yields to no DNS record of another organization, and does not override a refused domain. For platform teams only: tenants must not write it.",
    shortname = "domainapproval",
    category = "freehold",
    selectable = ".spec.organizationDomainRef.name",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Organization Domain", type_ = "string", json_path = ".spec.organizationDomainRef.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiryTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("size(self.metadata.name) <= 230", "metadata.name must have at most 230 characters, because Events about the object are named after it")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.organization)", "organization is required: the metadata.name of the Organization that the OrganizationDomain names"))]
pub struct DomainApprovalSpec {
    /// The OrganizationDomain to approve. It is in the same namespace.
    #[x_kube(validation = ("self == oldSelf", "organizationDomainRef is immutable; create another approval instead"))]
    pub organization_domain_ref: OrganizationDomainRef,

    /// Required. The metadata.name of the Organization to approve. It must be the one that the
    /// OrganizationDomain names, so that an object that another organization creates again with the
    /// same name is not approved by accident. An approval from before this field was required approves
    /// nothing until the field is added.
    // A rule requires it, because the API server refuses every write of a stored object that lacks a
    // field of the schema's own list, the operator's status included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("self == oldSelf", "organization is immutable; create another approval instead"))]
    pub organization: Option<String>,

    /// The domain to approve. It must be the one that the OrganizationDomain states, so that an object
    /// that is created again with the same name for another domain is not approved by accident.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("self == oldSelf", "domain is immutable; create another approval instead"))]
    pub domain: String,

    /// The reason for the approval, for later readers.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,

    /// When the approval expires. Without it, the approval does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<SpecTime>,
}

/// A reference to an OrganizationDomain in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationDomainRef {
    /// The metadata.name of the OrganizationDomain.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The metadata.uid of the OrganizationDomain. If set, the approval is only for this object, not
    /// for one that is created again with the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub uid: Option<String>,
}

/// The state of the approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct DomainApprovalStatus {
    /// The metadata.generation that this status was computed from; -1 before the operator has
    /// processed the object.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
