//! Keeps a store in step with the API server. One object that cannot be read never stops the rest.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use kube::Resource;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Error as WatchError, Event};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::access_monitor::AccessMonitor;
use super::decode::{Decoded, InvalidObject};
use super::events::Events;
use super::gap::{Cause, Gap};
use super::interruptions::Interruptions;
use super::key::Key;
use super::objects::Objects;
use super::{invalid, watcher};
use crate::model::uid::Uid;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::readiness::Readiness;

const NO_CRDS: &str = "the CRDs are not installed: run kubectl apply --server-side -f crds/";

/// What happens with the objects of whatever kind.
pub trait Listener: Send + Sync + 'static {
    /// A full list of a kind came to its end.
    fn listed(&self);
}

/// What happens with the objects of one kind.
pub trait Handler<K: Resource<DynamicType = ()>>: Listener {
    /// What is watched of the kind: all that is in the namespace, or everywhere.
    fn watched(&self, client: kube::Client, namespace: Option<&str>) -> (Objects<K>, ListParams) {
        (Objects::within(client, namespace), ListParams::default())
    }

    /// The object as it is now; `listed` where it comes from a full list.
    fn applied(&self, object: K, listed: bool);

    /// The object with this key exists and cannot be read as a whole.
    fn invalid(&self, _key: Key, _object: &InvalidObject) {}

    /// The object with this key and, where it is known, this uid is gone.
    fn deleted(&self, key: &Key, uid: Option<&Uid>);

    /// The keys that the store has in the namespace, or in all.
    fn known(&self, namespace: Option<&str>) -> Vec<Key>;
}

/// What all watches share.
#[derive(Clone)]
pub struct Watching {
    /// Watches stay open and quiet for minutes, so their client has time limits of its own.
    pub client: kube::Client,
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    pub access_monitor: Arc<AccessMonitor>,
    pub events: Arc<Events>,
    pub interruptions: Arc<Interruptions>,
}

impl Watching {
    /// Starts a watch; the receiver hears when the store has its first full list.
    pub fn start<K>(
        &self,
        handler: &Arc<impl Handler<K>>,
        namespace: Option<&str>,
        tasks: &mut JoinSet<()>,
    ) -> oneshot::Receiver<()>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let (synced, receiver) = oneshot::channel();
        let (watching, handler) = (self.clone(), Arc::clone(handler));
        tasks.spawn(run(watching, handler, namespace.map(str::to_owned), synced));
        receiver
    }
}

async fn run<K>(
    watching: Watching,
    handler: Arc<impl Handler<K>>,
    namespace: Option<String>,
    synced: oneshot::Sender<()>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let mut synced = Some(synced);
    // Of a full list under way: what it has not shown yet, of all that was there when its first page
    // came. What comes into the store meanwhile is newer than the list.
    let mut unseen = None;
    // Those that exist and cannot be read.
    let mut invalid = HashSet::new();
    let mut counted = 0;
    let start = || {
        let (objects, params) = handler.watched(watching.client.clone(), namespace.as_deref());
        watcher::watch(objects, params).default_backoff().boxed()
    };
    let known = |invalid: &HashSet<Key>| -> HashSet<Key> {
        let stored = handler.known(namespace.as_deref());
        stored.into_iter().chain(invalid.iter().cloned()).collect()
    };
    let mut events = start();
    let kind = K::kind(&());
    let mut gap = Gap::new(&kind, namespace.clone(), Arc::clone(&watching.readiness));
    while let Some(event) = events.next().await {
        if matches!(&event, Ok(event) if !matches!(event, Event::Init)) {
            watching.interruptions.ended(&kind);
        }
        match event {
            Ok(Event::Init) => unseen = None,
            Ok(Event::InitApply(object)) => {
                unseen
                    .get_or_insert_with(|| known(&invalid))
                    .remove(&Key::of_metadata(object.metadata()));
                apply(&watching, &*handler, object, true, &mut invalid);
            }
            Ok(Event::InitDone) => {
                let gone = unseen.take();
                for key in gone.unwrap_or_else(|| known(&invalid)) {
                    invalid.remove(&key);
                    handler.deleted(&key, None);
                }
                watching.access_monitor.accepted();
                gap.ended();
                handler.listed();
                if let Some(synced) = synced.take() {
                    // The receiver goes when the process is stopped before it was ready.
                    let _ = synced.send(());
                }
            }
            Ok(Event::Apply(object)) => apply(&watching, &*handler, object, false, &mut invalid),
            Ok(Event::Delete(object)) => {
                let key = Key::of_metadata(object.metadata());
                invalid.remove(&key);
                let uid = object.metadata().uid.as_deref().map(Uid::from);
                handler.deleted(&key, uid.as_ref());
            }
            Err(error) => {
                watching.metrics.watch_error(&kind);
                let cause = Cause::of::<K>(&error);
                let why = match cause {
                    Cause::Undefined => NO_CRDS.to_owned(),
                    Cause::Forbidden | Cause::Other => error.to_string(),
                };
                tracing::debug!(%kind, why, "a watch was interrupted");
                watching.interruptions.failed(&kind, why);
                // What an open watch ends with says nothing about those that begin.
                if let WatchError::InitialListFailed(error) | WatchError::WatchStartFailed(error) =
                    error
                {
                    watching.access_monitor.record(&Err::<(), _>(error.into()));
                }
                if let Some(pause) = gap.restart_after(cause) {
                    tokio::time::sleep(pause).await;
                    events = start();
                }
            }
        }
        if invalid.len() != counted {
            let metrics = &watching.metrics;
            metrics.invalid_objects(&kind, counted, invalid.len());
            counted = invalid.len();
        }
    }
}

fn apply<K: Resource<DynamicType = ()>>(
    watching: &Watching,
    handler: &impl Handler<K>,
    object: Decoded<K>,
    listed: bool,
    invalid: &mut HashSet<Key>,
) {
    let key = Key::of_metadata(object.metadata());
    match object.0 {
        Ok(object) => {
            invalid.remove(&key);
            handler.applied(object, listed);
        }
        Err(object) => {
            invalid.insert(key.clone());
            handler.invalid(key, &object);
            invalid::report::<K>(&watching.events, *object);
        }
    }
}
