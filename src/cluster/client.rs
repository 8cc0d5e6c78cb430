//! The client of an API server: each call has a deadline and is counted.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::api::{ObjectMeta, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access_monitor::AccessMonitor;
use super::decode::Decoded;
use super::error::ApiError;
use super::key::Key;
use super::leadership::Leadership;
use super::objects::Objects;
use crate::model::uid::Uid;
use crate::telemetry::metrics::{CallResult, Metrics};

/// Whose the fields of a status are.
pub const FIELD_MANAGER: &str = "freehold";

/// A client with one purpose.
#[derive(Clone)]
pub struct Client {
    pub api: kube::Client,
    pub metrics: Arc<Metrics>,
    /// Of each call.
    pub deadline: Duration,
    /// Calls are made only while it lasts; none where no other replica could lead.
    pub leadership: Option<Leadership>,
    /// Records how the calls ended.
    pub access_monitor: Arc<AccessMonitor>,
}

impl Client {
    /// The objects of a kind in one namespace.
    #[must_use]
    pub fn namespaced<K: Resource<DynamicType = ()>>(&self, namespace: &str) -> Objects<K> {
        Objects::namespaced(self.api.clone(), namespace)
    }

    /// The objects of a kind in all namespaces, or in none.
    #[must_use]
    pub fn all<K: Resource<DynamicType = ()>>(&self) -> Objects<K> {
        Objects::all(self.api.clone())
    }

    /// Whether this process may work: it leads, or no other could.
    #[must_use]
    pub fn leads(&self) -> bool {
        let leadership = self.leadership.as_ref();
        leadership.is_none_or(Leadership::is_current)
    }

    /// Makes one call.
    pub async fn call<T>(
        &self,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ApiError> {
        if !self.leads() {
            return Err(ApiError::NotLeading);
        }
        let (result, counted) = match tokio::time::timeout(self.deadline, request).await {
            Ok(Ok(value)) => (Ok(value), CallResult::Success),
            Ok(Err(error)) => {
                let error = ApiError::from(error);
                let counted = if error.is_answer() {
                    CallResult::Success
                } else {
                    CallResult::Failure
                };
                (Err(error), counted)
            }
            Err(_) => (Err(ApiError::TimedOut(self.deadline)), CallResult::Timeout),
        };
        self.metrics.api_calls(counted);
        self.access_monitor.record(&result);
        result
    }

    /// Makes one call; none where there is no such object.
    pub async fn call_opt<T>(
        &self,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>, ApiError> {
        match self.call(request).await {
            Err(ApiError::NotFound) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Replaces the status of the object that has this key, uid and version. The API server takes nothing
    /// else of it.
    pub async fn replace_status<K>(
        &self,
        (key, uid, version): (&Key, &Uid, u64),
        mut object: K,
    ) -> Result<Decoded<K>, ApiError>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Serialize,
    {
        *object.meta_mut() = ObjectMeta {
            name: Some(key.name().to_owned()),
            namespace: Some(key.namespace().to_owned()),
            uid: Some(uid.to_string()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        };
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let api = self.namespaced(key.namespace());
        self.call(api.replace_status(key.name(), &params, &object))
            .await
    }
}
