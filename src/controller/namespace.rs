//! Namespaces: a suspension reaches every domain in them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::ObjectMeta;

use super::operator::Operator;
use crate::cluster::decode::Unreadable;
use crate::cluster::error::ApiError;
use crate::cluster::objects::Objects;
use crate::cluster::store::Key;
use crate::cluster::store::namespaces::is_suspended;
use crate::cluster::watch;
use crate::model::uid::Uid;

/// What the watch of namespaces does.
pub struct Handler(pub Arc<Operator>);

impl watch::Handler for Handler {
    type Kind = Namespace;

    fn objects(client: &kube::Client, _: Option<&str>) -> Objects<Namespace> {
        Objects::all(client.clone())
    }

    fn selected(&self, scope: Option<&str>) -> ListParams {
        let all = ListParams::default();
        match scope {
            Some(name) => all.fields(&format!("metadata.name={name}")),
            None => all,
        }
    }

    fn applied(&self, object: Namespace, _listed: bool) {
        self.0.remember_namespace(&object.metadata);
    }

    fn invalid(&self, _: Key, object: &Unreadable) {
        self.0.remember_namespace(&object.metadata);
    }

    fn deleted(&self, key: &Key, _: Option<&Uid>) {
        self.0.stores.namespaces_mut().remove(key.name());
    }

    fn listed(&self) {
        self.0.retry_failed();
    }

    fn known(&self, scope: Option<&str>) -> Vec<Key> {
        if let Some(name) = scope {
            return vec![Key::new("", name)];
        }
        let names = self.0.stores.namespaces().names();
        names.iter().map(|name| Key::new("", name)).collect()
    }
}

impl Operator {
    fn remember_namespace(&self, namespace: &ObjectMeta) {
        if self.stores.namespaces_mut().upsert(namespace) {
            let name = namespace.name.as_deref().unwrap_or_default();
            let keys = self.stores.domains().keys_in(Some(name));
            for key in keys {
                self.domains.add(key);
            }
        }
    }

    /// Whether the namespace is suspended, by a live read that is a moment old at most.
    pub(super) async fn is_suspended_live(&self, namespace: &str) -> Result<bool, ApiError> {
        let api = self.client.all::<Namespace>();
        self.live_namespaces
            .suspended(namespace, self.client.deadline, || async {
                Ok(is_suspended(
                    &self.client.call(api.get_metadata(namespace)).await?,
                ))
            })
            .await
    }
}
