//! The kinds that the bench reads, with no more of each than it looks at.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, GroupVersionKind};
use serde::Deserialize;

/// The annotation that asks for a check.
pub const REQUESTED_AT: &str = "freehold.dev/requestedAt";

/// An object of any of the kinds.
#[derive(Debug, Clone, Deserialize)]
pub struct Seen {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: Option<Status>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub state: Option<String>,
    pub challenge: Option<Challenge>,
    pub last_handled_request: Option<String>,
    pub next_check_time: Option<Time>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Challenge {
    pub records: Vec<Record>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub name: String,
    pub value: String,
}

impl Resource for Seen {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        kind.group.as_str().into()
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        kind.version.as_str().into()
    }

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        kind.kind.as_str().into()
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        kind.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Seen {
    /// `namespace/name`.
    pub fn key(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let (namespace, name) = (part(&self.metadata.namespace), part(&self.metadata.name));
        format!("{namespace}/{name}")
    }

    pub fn is_verified(&self) -> bool {
        let state = self
            .status
            .as_ref()
            .and_then(|status| status.state.as_deref());
        state == Some("Verified")
    }
}

pub fn kind(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn freehold(name: &str, plural: &str) -> ApiResource {
    kind("freehold.dev", "v1alpha1", name, plural)
}

pub fn organization_domains() -> ApiResource {
    freehold("OrganizationDomain", "organizationdomains")
}

pub fn organizations() -> ApiResource {
    freehold("Organization", "organizations")
}

pub fn verified_domains() -> ApiResource {
    freehold("VerifiedDomain", "verifieddomains")
}

pub fn namespaces() -> ApiResource {
    kind("", "v1", "Namespace", "namespaces")
}

pub fn events() -> ApiResource {
    kind("events.k8s.io", "v1", "Event", "events")
}

/// What the operator watches.
pub fn watched() -> [ApiResource; 5] {
    [
        namespaces(),
        freehold("DomainApproval", "domainapprovals"),
        organizations(),
        verified_domains(),
        organization_domains(),
    ]
}
