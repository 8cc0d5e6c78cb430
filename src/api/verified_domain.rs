//! The authority on who holds a name.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::organization_domain::Strategy;

/// The authority on who holds a name: the object's own name is the canonical domain name, so that
/// the API server lets one holder have it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "VerifiedDomain",
    doc = "The authority on who holds a domain name. Its own name is the canonical domain name, so that the API server lets one holder have it. Written by the operator alone; every other status and look-up mirrors it.",
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
    /// The one organization domain whose proof stands for this name.
    pub holder: Holder,
    /// How it was verified.
    pub strategy: Strategy,
    /// The metadata.uid of the organization domain that held the name before, where it was handed
    /// over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub handed_over_from: Option<String>,
    /// Whether freehold import has yet to make the holder in this cluster, whose uid is still that of
    /// the cluster it was exported from. Until it has, nobody is given the name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub importing: bool,
}

/// The organization domain that holds a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The namespace of the organization domain.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// The metadata.name of the organization domain.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The metadata.uid of the organization domain: one made again under the same name is another.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// The metadata.name of its organization.
    #[schemars(length(min = 1, max = 253))]
    pub organization: String,
    /// SHA-256 of the token that was proved, in lower-case hex.
    #[schemars(length(min = 64, max = 64))]
    pub token_hash: String,
}
