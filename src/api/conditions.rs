//! Conditions as the API conventions define them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{Schema, SchemaGenerator, json_schema};
use strum::IntoStaticStr;

use super::reason::Reason;

pub const READY: &str = "Ready";
pub const VERIFIED: &str = "Verified";
pub const RECORD_PRESENT: &str = "RecordPresent";
pub const RECONCILING: &str = "Reconciling";
pub const STALLED: &str = "Stalled";

/// Longest message that a status carries, in characters.
pub const MAX_MESSAGE_CHARS: usize = 2048;

/// A condition to be, before it is known since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub kind: &'static str,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Makes the wanted conditions from those that were: a transition time moves only with its status.
/// What is not wanted is left out; conditions of other owners do not exist on our kinds.
#[must_use]
pub fn transition(
    before: &[Condition],
    wanted: Vec<Wanted>,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|want| {
            let since = before
                .iter()
                .find(|c| c.type_ == want.kind && c.status == want.status.as_str())
                .map_or(Time(now), |c| c.last_transition_time.clone());
            Condition {
                type_: want.kind.to_owned(),
                status: want.status.as_str().to_owned(),
                reason: want.reason.as_str().to_owned(),
                message: cut(want.message),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect()
}

/// What the schema allows, which counts characters.
fn cut(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => message[..end].to_owned(),
        None => message,
    }
}

#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == kind)
}

/// The schema of a list of conditions: bounded, and merged by type.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "The object's state as conditions, one per type. Ready summarizes the others.",
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "description": "One observation of the object's state.",
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "The type of the condition.",
                    "type": "string", "minLength": 1, "maxLength": 64,
                },
                "status": {
                    "description": "The status of the condition.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "description": "The reason for the status, as one word for programs.",
                    "type": "string", "minLength": 1, "maxLength": 64,
                    "pattern": "^[A-Za-z]([A-Za-z0-9]*)?$",
                },
                "message": {
                    "description": "The reason for the status and what to do next, for people.",
                    "type": "string", "maxLength": MAX_MESSAGE_CHARS,
                },
                "observedGeneration": {
                    "description": "The metadata.generation that the condition was computed from.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When the status last changed.",
                    "type": "string", "format": "date-time",
                },
            },
        },
    })
}
