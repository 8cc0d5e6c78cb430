//! An organization: a customer or tenant.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions;

/// Most names that a status lists; the counts go on.
pub const MAX_LISTED_DOMAINS: usize = 100;

/// A customer or tenant that states which domains are its own. Its domains are objects of kind
/// OrganizationDomain in the same namespace that name it in organizationRef.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "Organization",
    namespaced,
    status = "OrganizationStatus",
    doc = "A customer or tenant that states which domains are its own. Its domains are objects of kind OrganizationDomain in the same namespace that name it in spec.organizationRef.",
    shortname = "org",
    category = "freehold",
    printcolumn(name = "Display Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Domains", type_ = "integer", json_path = ".status.counts.total"),
    printcolumn(name = "Verified", type_ = "integer", json_path = ".status.counts.verified"),
    printcolumn(name = "External ID", type_ = "string", json_path = ".spec.externalID", priority = 1),
    printcolumn(name = "Names", type_ = "string", json_path = ".status.verifiedDomains", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("size(self.metadata.name) <= 230", "metadata.name may have at most 230 characters, so that Events about the object can be named after it")
)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationSpec {
    /// The organization's name as people read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub display_name: Option<String>,

    /// The identifier by which another system knows the organization.
    #[serde(
        default,
        rename = "externalID",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 255))]
    pub external_id: Option<String>,

    /// Free key-value pairs for the systems that read this object; Freehold does not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "metadata_schema")]
    pub metadata: BTreeMap<String, String>,

    /// E-mail addresses of the people who publish the organization's DNS records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 3, max = 254)))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub it_contacts: Vec<String>,
}

/// What the operator sums up of the organization's domains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct OrganizationStatus {
    /// The metadata.generation that this status was made from; -1 before the operator saw it.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    /// How many organization domains name this organization, by state.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub counts: Option<DomainCounts>,

    /// The canonical names of the verified domains, sorted; the first hundred.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 100), inner(length(max = 253)))]
    pub verified_domains: Vec<String>,

    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// Organization domains by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainCounts {
    /// All organization domains of the organization.
    #[schemars(range(min = 0))]
    pub total: i64,
    /// Those that wait for their record.
    #[schemars(range(min = 0))]
    pub pending: i64,
    /// Those that are verified.
    #[schemars(range(min = 0))]
    pub verified: i64,
    /// Those that failed and wait for somebody.
    #[schemars(range(min = 0))]
    pub failed: i64,
}

fn metadata_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Free key-value pairs for the systems that read this object; Freehold does not read them.",
        "type": "object",
        "maxProperties": 50,
        "additionalProperties": { "type": "string", "maxLength": 600 },
        "x-kubernetes-validations": [{
            "rule": "self.all(key, size(key) <= 63)",
            "message": "a key of metadata may have at most 63 characters",
        }],
    })
}
