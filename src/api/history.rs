//! The transitions of an object, in their order.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most transitions that a status lists.
pub const MAX_HISTORY: usize = 8;

/// A transition of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The number of the transition. The first one of an object has the number 1.
    #[schemars(range(min = 1))]
    pub sequence: i64,
    /// The reason for the transition, as one word for programs.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// When the transition happened.
    pub time: Time,
}
