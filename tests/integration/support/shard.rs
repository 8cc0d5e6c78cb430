//! Shards: who looks after an object, by its label.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::operator::OperatorSettings;

/// The label by which tools place objects.
pub const SHARD_KEY: &str = "sharding.fluxcd.io/key";

/// The selector of this shard.
pub fn only(shard: &str) -> String {
    format!("{SHARD_KEY}={shard}")
}

/// The selector of a default shard beside these.
pub fn all_but(shards: &[&str]) -> String {
    format!("{SHARD_KEY} notin ({})", shards.join(","))
}

impl OperatorSettings {
    #[must_use]
    pub fn shard(self, selector: &str) -> Self {
        self.with("--watch-label-selector", selector)
    }
}

/// Labels an object for a shard, or for the default one.
pub async fn place<K>(api: &Api<K>, object: &str, shard: Option<&str>) -> kube::Result<K>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let change = json!({ "metadata": { "labels": { SHARD_KEY: shard } } });
    api.patch(object, &PatchParams::default(), &Patch::Merge(&change))
        .await
}
