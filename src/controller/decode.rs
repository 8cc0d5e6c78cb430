//! Objects as the API server sends them. Managed fields, which are larger than the rest, are left
//! out while they are decoded, and one object that cannot be read never stops the others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::core::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// An object, or what is wrong with it; as kube's `DeserializeGuard`, which keeps all three copies
/// of the managed fields that it makes.
#[derive(Clone, Debug)]
pub struct Decoded<K>(pub Result<K, InvalidObject>);

/// What is read of an object's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            labels: metadata.labels,
            annotations: metadata.annotations,
            ..Self::default()
        }
    }
}

struct Fields<K>(PhantomData<K>);

impl<'de, K: DeserializeOwned + Resource> Visitor<'de> for Fields<K> {
    type Value = Decoded<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut metadata = ObjectMeta::default();
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "metadata" {
                metadata = map.next_value::<Metadata>()?.into();
                fields.insert(name, json!({}));
            } else {
                fields.insert(name, map.next_value()?);
            }
        }
        Ok(Decoded(match K::deserialize(Value::Object(fields)) {
            Ok(mut object) => {
                *object.meta_mut() = metadata;
                Ok(object)
            }
            Err(error) => Err(InvalidObject {
                error: error.to_string(),
                metadata,
            }),
        }))
    }
}

impl<'de, K: DeserializeOwned + Resource> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

impl<K: Resource> Resource for Decoded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(invalid) => &invalid.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(object) => object.meta_mut(),
            Err(invalid) => &mut invalid.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;
    use crate::api::Organization;

    fn organization(spec: &Value) -> Decoded<Organization> {
        serde_json::from_value(json!({
            "apiVersion": "freehold.dev/v1alpha1",
            "kind": "Organization",
            "metadata": {
                "name": "acme",
                "namespace": "acme",
                "uid": "1",
                "resourceVersion": "7",
                "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-02T00:00:00Z",
                "labels": { "a": "b" },
                "annotations": { "c": "d" },
                "managedFields": [{ "manager": "kubectl", "fieldsV1": { "f:spec": {} } }],
            },
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn an_object_comes_with_its_metadata_but_for_managed_fields() {
        let mut object = organization(&json!({ "displayName": "Acme" })).0.unwrap();
        let whole: ObjectMeta = serde_json::from_value(json!({
            "name": "acme",
            "namespace": "acme",
            "uid": "1",
            "resourceVersion": "7",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-02T00:00:00Z",
            "labels": { "a": "b" },
            "annotations": { "c": "d" },
        }))
        .unwrap();
        assert_eq!(*object.meta(), whole);
        assert_eq!(object.spec.display_name.as_deref(), Some("Acme"));
        assert!(object.managed_fields_mut().is_empty());
    }

    #[test]
    fn one_that_cannot_be_read_says_which_it_is_and_why() {
        let decoded = organization(&json!({ "displayName": 7 }));
        assert_eq!(decoded.name_any(), "acme");
        assert_eq!(decoded.uid().as_deref(), Some("1"));
        let error = decoded.0.unwrap_err().error;
        assert!(error.contains("integer `7`"), "{error}");
    }
}
