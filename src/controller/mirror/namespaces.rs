//! Namespaces: a suspension reaches every domain in them.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::ObjectMeta;

use super::Mirror;
use crate::cluster::decode::InvalidObject;
use crate::cluster::key::Key;
use crate::cluster::objects::Objects;
use crate::cluster::watch::Handler;
use crate::model::uid::Uid;

impl Handler<Namespace> for Mirror {
    fn watched(
        &self,
        client: kube::Client,
        namespace: Option<&str>,
    ) -> (Objects<Namespace>, ListParams) {
        let mut params = ListParams::default();
        if let Some(name) = namespace {
            params = params.fields(&format!("metadata.name={name}"));
        }
        (Objects::all(client), params)
    }

    fn applied(&self, object: Namespace, _listed: bool) {
        self.remember_namespace(&object.metadata);
    }

    fn invalid(&self, _: Key, object: &InvalidObject) {
        self.remember_namespace(&object.metadata);
    }

    fn deleted(&self, key: &Key, _: Option<&Uid>) {
        self.cluster.stores.namespaces.write().remove(key.name());
    }

    fn known(&self, namespace: Option<&str>) -> Vec<Key> {
        if let Some(name) = namespace {
            return vec![Key::new("", name)];
        }
        let names = self.cluster.stores.namespaces.read().names();
        names.iter().map(|name| Key::new("", name)).collect()
    }
}

impl Mirror {
    fn remember_namespace(&self, namespace: &ObjectMeta) {
        if self.cluster.stores.namespaces.write().upsert(namespace) {
            let name = namespace.name.as_deref().unwrap_or_default();
            let keys = self.cluster.stores.domains.read().keys_in(Some(name));
            self.enqueue_domains(keys);
        }
    }
}
