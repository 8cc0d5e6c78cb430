//! Namespaces: a suspension reaches every domain in them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::ObjectMeta;

use super::Mirror;
use crate::cluster::decode::InvalidObject;
use crate::cluster::key::Key;
use crate::cluster::objects::Objects;
use crate::cluster::watch;
use crate::model::uid::Uid;

/// Takes namespaces in.
pub struct NamespaceHandler(pub Arc<Mirror>);

impl watch::Handler for NamespaceHandler {
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

    fn invalid(&self, _: Key, object: &InvalidObject) {
        self.0.remember_namespace(&object.metadata);
    }

    fn deleted(&self, key: &Key, _: Option<&Uid>) {
        self.0.cluster.stores.namespaces_mut().remove(key.name());
    }

    fn listed(&self) {
        self.0.queues.retry_failed();
    }

    fn known(&self, scope: Option<&str>) -> Vec<Key> {
        if let Some(name) = scope {
            return vec![Key::new("", name)];
        }
        let names = self.0.cluster.stores.namespaces().names();
        names.iter().map(|name| Key::new("", name)).collect()
    }
}

impl Mirror {
    fn remember_namespace(&self, namespace: &ObjectMeta) {
        if self.cluster.stores.namespaces_mut().upsert(namespace) {
            let name = namespace.name.as_deref().unwrap_or_default();
            let keys = self.cluster.stores.domains().keys_in(Some(name));
            for key in keys {
                self.queues.domains.add(key);
            }
        }
    }
}
