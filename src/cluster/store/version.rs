//! Which of two versions of an object is the newer one.

use kube::core::ObjectMeta;

/// A resource version as the number that it is (KEP-5504 makes them comparable); our own writes
/// reach a store before the watch delivers older ones.
pub fn version(metadata: &ObjectMeta) -> u64 {
    metadata
        .resource_version
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Whether a store that has one version of an object need not take another.
pub fn is_known(has: u64, other: u64, listed: bool) -> bool {
    has == other || (has > other && !listed)
}
