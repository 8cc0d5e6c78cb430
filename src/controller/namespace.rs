//! Namespaces: a suspension reaches every domain in them.

use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};

use super::calls::CallError;
use super::decode::Decoded;
use super::operator::Operator;
use super::store::Key;
use super::store::namespaces::is_suspended;
use super::watch;
use crate::model::uid::Uid;

/// What the watch of namespaces does.
pub struct Sink;

impl watch::Sink for Sink {
    type Kind = Namespace;

    fn api(client: &Client, _: Option<&str>) -> Api<Decoded<Namespace>> {
        Api::all(client.clone())
    }

    fn config(_: &Operator, scope: Option<&str>) -> watcher::Config {
        match scope {
            Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
            None => watcher::Config::default(),
        }
    }

    fn applied(operator: &Operator, object: Namespace, _listed: bool) {
        if operator.stores.namespaces_mut().upsert(&object) {
            let keys = operator.stores.domains().keys_in(Some(&object.name_any()));
            for key in keys {
                operator.domains.add(key);
            }
        }
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
    /// Whether the namespace is suspended, by a live read that is a moment old at most.
    pub(super) async fn is_suspended_live(&self, namespace: &str) -> Result<bool, CallError> {
        let api = Api::<Namespace>::all(self.client.clone());
        self.live_namespaces
            .suspended(namespace, self.calls.deadline, || async {
                Ok(is_suspended(&self.call(api.get(namespace)).await?))
            })
            .await
    }
}
