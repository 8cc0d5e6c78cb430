//! Namespaces: a suspension reaches every domain in them.

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::ListParams;
use kube::core::ObjectMeta;

use super::calls::CallError;
use super::operator::Operator;
use super::store::Key;
use super::store::namespaces::is_suspended;
use super::watch;
use crate::model::uid::Uid;
use crate::objects::{Objects, Unreadable};

/// What the watch of namespaces does.
pub struct Sink;

impl watch::Sink for Sink {
    type Kind = Namespace;

    fn objects(client: &Client, _: Option<&str>) -> Objects<Namespace> {
        Objects::all(client.clone())
    }

    fn selected(_: &Operator, scope: Option<&str>) -> ListParams {
        let all = ListParams::default();
        match scope {
            Some(name) => all.fields(&format!("metadata.name={name}")),
            None => all,
        }
    }

    fn applied(operator: &Operator, object: Namespace, _listed: bool) {
        operator.remember_namespace(&object.metadata);
    }

    fn unreadable(operator: &Operator, _: Key, object: &Unreadable) {
        operator.remember_namespace(&object.metadata);
    }

    fn deleted(operator: &Operator, key: &Key, _: Option<&Uid>) {
        operator.stores.namespaces_mut().remove(key.name());
    }

    fn known(operator: &Operator, scope: Option<&str>) -> Vec<Key> {
        if let Some(name) = scope {
            return vec![Key::new("", name)];
        }
        let names = operator.stores.namespaces().names();
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
    pub(super) async fn is_suspended_live(&self, namespace: &str) -> Result<bool, CallError> {
        let api = Objects::<Namespace>::all(self.client.clone());
        self.live_namespaces
            .suspended(namespace, self.calls.deadline, || async {
                Ok(is_suspended(&self.call(api.get_metadata(namespace)).await?))
            })
            .await
    }
}
