//! An organization: a customer or tenant.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::HistoryEntry;
use super::{conditions, lenient};

/// Most names that a status lists; the counts go on.
pub const MAX_LISTED_DOMAINS: usize = 100;

/// A customer or tenant that states which domains are its own. Its domains are OrganizationDomains in
/// the same namespace that name it in spec.organizationRef.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "Organization",
    namespaced,
    status = "OrganizationStatus",
    doc = "A customer or tenant that states which domains are its own. Its domains are OrganizationDomains in the same namespace that name it in spec.organizationRef.",
    shortname = "org",
    category = "freehold",
    printcolumn(name = "Display Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Domains", type_ = "integer", json_path = ".status.counts.total"),
    printcolumn(name = "Verified", type_ = "integer", json_path = ".status.counts.verified"),
    printcolumn(name = "External ID", type_ = "string", json_path = ".spec.externalID", priority = 1),
    printcolumn(name = "Names", type_ = "string", json_path = ".status.verifiedDomains", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("size(self.metadata.name) <= 230", "metadata.name must have at most 230 characters, because Events about the object are named after it")
)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationSpec {
    /// The organization's name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub display_name: Option<String>,

    /// The organization's identifier in another system.
    #[serde(rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_id: Option<String>,

    /// Key-value pairs for other systems that read this object. Freehold does not use them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "metadata_schema")]
    pub metadata: BTreeMap<String, String>,

    /// E-mail addresses of the people who publish the organization's DNS records. Freehold keeps them
    /// for whoever reads the object, and sends them nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(
            length(min = 3, max = 254),
            regex(pattern = r#"^[^@\s"<>(),;:]{1,64}@[^@\s"<>(),;:]+\.?[^@\s"<>(),;:]+$"#)
        )
    )]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub it_contacts: Vec<String>,
}

/// A summary of the organization's domains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct OrganizationStatus {
    /// The metadata.generation that this status was computed from; -1 before the operator has
    /// processed the object.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    /// The number of OrganizationDomains that name this organization, by state.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub counts: Option<DomainCounts>,

    /// The canonical names of the verified domains, sorted. Limited to the first 100.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 253)))]
    pub verified_domains: Vec<String>,

    /// The latest transitions of the organization, oldest first: when it was created, and each change
    /// of its spec that the operator processed.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub history: Vec<HistoryEntry>,

    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// The number of OrganizationDomains by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainCounts {
    /// All OrganizationDomains of the organization.
    #[schemars(range(min = 0))]
    pub total: i64,
    /// Those that wait for their record.
    #[schemars(range(min = 0))]
    pub pending: i64,
    /// Those that are verified.
    #[schemars(range(min = 0))]
    pub verified: i64,
    /// Those that failed and need somebody to act.
    #[schemars(range(min = 0))]
    pub failed: i64,
}

fn metadata_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Key-value pairs for other systems that read this object. Freehold does not use them.",
        "type": "object",
        "maxProperties": 50,
        "additionalProperties": { "type": "string", "maxLength": 600 },
        "x-kubernetes-validations": [{
            "rule": "self.all(key, size(key) <= 63)",
            "message": "a key of metadata must have at most 63 characters",
        }],
    })
}
