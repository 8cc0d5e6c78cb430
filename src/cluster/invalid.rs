//! Objects that the type no longer parses, for instance ones that an older CRD let through.
//! They are reported and left as they are.

use kube::Resource;

use super::decode::InvalidObject;
use super::events::{Events, Subject};
use super::key::Key;
use crate::api::reason::Reason;
use crate::model::lifecycle::{About, Notice};

/// Reports an invalid object, by log and Event. What the store has of it stays: it is
/// an earlier state of the same object.
pub fn report<K: Resource<DynamicType = ()>>(events: &Events, object: InvalidObject) {
    let metadata = object.metadata;
    let subject = Subject {
        kind: K::kind(&()),
        key: Key::of_metadata(&metadata),
        uid: metadata.uid.as_deref().unwrap_or_default().into(),
    };
    tracing::error!(
        kind = &*subject.kind,
        namespace = subject.key.namespace(),
        name = subject.key.name(),
        error = object.why,
        "the object is invalid, so the operator does not update it"
    );
    events.publish(
        subject,
        Notice {
            about: About::OrganizationDomain,
            reason: Reason::ObjectUnreadable,
            warning: true,
            message: format!(
                "The object is invalid, so the operator does not update it: {}. Correct it, or delete it and create it again.",
                object.why
            ),
            fact: metadata.generation.unwrap_or_default().to_string(),
        },
    );
}
