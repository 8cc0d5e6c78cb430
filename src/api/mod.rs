//! The custom resources of group `freehold.dev`, version `v1alpha1`.

// The comments on fields are what `kubectl explain` prints, where backticks only disturb.
#![allow(clippy::doc_markdown)]
// Each printer column has a name of its own; the lint takes them for one attribute.
#![allow(clippy::duplicated_attributes)]

pub mod conditions;
pub mod domain_approval;
pub mod history;
pub mod organization;
pub mod organization_domain;
pub mod reason;
pub mod spec_time;
pub mod verified_domain;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

pub use domain_approval::{DomainApproval, DomainApprovalSpec, DomainApprovalStatus};
pub use organization::{Organization, OrganizationSpec, OrganizationStatus};
pub use organization_domain::{
    OrganizationDomain, OrganizationDomainSpec, OrganizationDomainStatus, State, Strategy,
};
pub use verified_domain::{Holder, VerifiedDomain, VerifiedDomainSpec};

/// The annotation by which anybody who may edit an object asks for a check now.
pub const REQUESTED_AT: &str = "freehold.dev/requestedAt";

/// The label of a namespace whose tenant is suspended: nothing in it becomes Verified.
pub const SUSPENDED: &str = "freehold.dev/suspended";

/// The CRDs to install, in the order in which people read about them.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        Organization::crd(),
        OrganizationDomain::crd(),
        VerifiedDomain::crd(),
        DomainApproval::crd(),
    ];
    crds.iter_mut().for_each(finish);
    crds
}

/// What the derive cannot say: a status may be absent and is not null, a fresh object must not look
/// done to a reader of `status.observedGeneration`, and `kubectl explain` wraps lines by itself.
fn finish(crd: &mut CustomResourceDefinition) {
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .flat_map(|version| &mut version.schema);
    let roots = schemas.flat_map(|schema| &mut schema.open_api_v3_schema);
    for root in roots {
        unwrap_lines(root);
        let Some(properties) = &mut root.properties else {
            continue;
        };
        if let Some(status) = properties.get_mut("status") {
            status.nullable = None;
            let fields = status.properties.as_ref();
            if fields.is_some_and(|fields| fields.contains_key("observedGeneration")) {
                status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
            }
        }
    }
}

/// Joins the lines of every description; an empty line still ends a paragraph.
fn unwrap_lines(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        let paragraphs = text.split("\n\n").map(|text| text.replace('\n', " "));
        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        unwrap_lines(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        unwrap_lines(values);
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|fields| fields.values_mut())
        .for_each(unwrap_lines);
}

/// Reads a field of a status; what the operator could not have written is as if it were not there.
/// An object with a status that cannot be read would never be looked at again, and so never heal.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The paths of all times at and below a schema that are not bounded as [`spec_time`] does it.
    fn unbounded_times(path: &str, schema: &Value, found: &mut Vec<String>) {
        if schema["format"] == "date-time" {
            let bounded = schema["pattern"].is_string()
                && schema["x-kubernetes-validations"]
                    .to_string()
                    .contains("9999-01-01");
            if !bounded {
                found.push(path.to_owned());
            }
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            unbounded_times(&format!("{path}.{name}"), field, found);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                unbounded_times(&format!("{path}[]"), &schema[below], found);
            }
        }
    }

    #[test]
    fn no_spec_takes_a_time_that_cannot_be_represented() {
        let mut found = Vec::new();
        for crd in crds() {
            for version in &crd.spec.versions {
                let schema = serde_json::to_value(&version.schema).unwrap();
                let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
                unbounded_times(&crd.spec.names.kind, spec, &mut found);
            }
        }
        assert_eq!(found, [""; 0]);
    }
}
