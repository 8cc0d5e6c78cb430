//! The authority on who holds a name.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::organization_domain::Strategy;

/// The authority on who holds a domain. The object is named after the canonical domain name, so the
/// API server allows one holder per domain.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "VerifiedDomain",
    doc = "The authority on who holds a domain. The object is named after the canonical domain name, so the API server allows one holder per domain. Only the operator writes it; every other status and lookup mirrors it.",
    shortname = "vdomain",
    category = "freehold",
    selectable = ".spec.holder.namespace",
    selectable = ".spec.holder.organization",
    printcolumn(
        name = "Namespace",
        type_ = "string",
        json_path = ".spec.holder.namespace"
    ),
    printcolumn(
        name = "Organization",
        type_ = "string",
        json_path = ".spec.holder.organization"
    ),
    printcolumn(
        name = "Domain Object",
        type_ = "string",
        json_path = ".spec.holder.name",
        priority = 1
    ),
    printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.strategy"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedDomainSpec {
    /// The OrganizationDomain that holds the domain.
    pub holder: Holder,
    /// How the domain was verified.
    pub strategy: Strategy,
    /// The metadata.uid of the OrganizationDomain that held the domain before it was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub handed_over_from: Option<String>,
    /// True while freehold import has not created the holder in this cluster. The holder's uid is then
    /// still the one of the exporting cluster, and nobody else gets the domain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub importing: bool,
}

/// The OrganizationDomain that holds a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The namespace of the OrganizationDomain.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// The metadata.name of the OrganizationDomain.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The metadata.uid of the OrganizationDomain. It tells apart objects created with the same name.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// The metadata.name of its organization.
    #[schemars(length(min = 1, max = 253))]
    pub organization: String,
    /// SHA-256 hash of the proved token, in lower-case hex.
    #[schemars(length(min = 64, max = 64))]
    pub token_hash: String,
}
