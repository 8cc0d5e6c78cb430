//! Whatever an object says, what is read of it is what its type reads, and is bounded.

#![no_main]

use freehold::api::{OrganizationDomain, OrganizationDomainStatus};
use freehold::cluster::decode::{Extent, decode};
use kube::core::ObjectMeta;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|text: &str| {
    let Ok(object) = serde_json::from_str::<&RawValue>(text) else {
        return;
    };
    let whole = decode::<OrganizationDomain>(object, Extent::Whole);
    assert_eq!(whole.metadata().managed_fields, None);
    let plain = serde_json::from_str::<OrganizationDomain>(text);
    if let (Ok(read), Ok(plain)) = (&whole.0, plain) {
        let metadata = ordinary(plain.metadata);
        let plain = OrganizationDomain { metadata, ..plain };
        assert_eq!(value(read), value(&plain));
    }
    let needed = decode::<OrganizationDomain>(object, Extent::Needed);
    assert_eq!(needed.0.is_ok(), whole.0.is_ok());
    assert!(
        needed
            .metadata()
            .annotations
            .as_ref()
            .is_none_or(|kept| kept.len() == 1)
    );
    if let Err(invalid) = &needed.0 {
        assert!(invalid.why.chars().count() <= 512, "{}", invalid.why);
        let _ = invalid.text(&["spec", "domain"]);
        let _: OrganizationDomainStatus = invalid.status();
    }
});

/// The fields that belong to the object in any cluster.
fn ordinary(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        generation: metadata.generation,
        creation_timestamp: metadata.creation_timestamp,
        deletion_timestamp: metadata.deletion_timestamp,
        labels: metadata.labels.filter(|labels| !labels.is_empty()),
        annotations: metadata
            .annotations
            .filter(|annotations| !annotations.is_empty()),
        finalizers: metadata.finalizers,
        owner_references: metadata.owner_references,
        ..ObjectMeta::default()
    }
}

fn value(object: &OrganizationDomain) -> serde_json::Value {
    serde_json::to_value(object).expect("it has a form in JSON")
}
