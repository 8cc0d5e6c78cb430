//! Keeps a store in step with the API server. One object that cannot be read never stops the rest.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::calls::CallError;
use super::gap::{Cause, Gap};
use super::operator::Operator;
use super::store::Key;
use super::unreadable;
use crate::model::uid::Uid;
use crate::objects::{self, Decoded, Objects, Unreadable};

/// How often it is said that definitions are missing.
const REMINDER: Duration = Duration::from_mins(1);

/// One namespace, or all.
pub type Scope = Option<String>;

/// What a watch does to the operator.
pub trait Sink: Send + Sync + 'static {
    type Kind: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static;

    fn objects(client: &Client, scope: Option<&str>) -> Objects<Self::Kind>;

    /// What is watched of the kind.
    fn selected(_operator: &Operator, _scope: Option<&str>) -> ListParams {
        ListParams::default()
    }

    /// The object as it is now; `listed` where it comes from a full list.
    fn applied(operator: &Operator, object: Self::Kind, listed: bool);

    /// The object with this key is there and cannot be read as a whole.
    fn unreadable(_operator: &Operator, _key: Key, _object: &Unreadable) {}

    /// The object with this key and, where it is known, this uid is gone.
    fn deleted(operator: &Operator, key: &Key, uid: Option<&Uid>);

    /// What the store has of the scope.
    fn known(operator: &Operator, scope: Option<&str>) -> Vec<Key>;
}

/// Starts a watch; the receiver hears when the store has its first full list.
pub fn start<S: Sink>(
    operator: &Arc<Operator>,
    client: &Client,
    scope: Scope,
    tasks: &mut JoinSet<()>,
) -> oneshot::Receiver<()> {
    let (synced, receiver) = oneshot::channel();
    tasks.spawn(run::<S>(
        Arc::clone(operator),
        client.clone(),
        scope,
        synced,
    ));
    receiver
}

async fn run<S: Sink>(
    operator: Arc<Operator>,
    client: Client,
    scope: Scope,
    synced: oneshot::Sender<()>,
) {
    let mut synced = Some(synced);
    // Of a full list under way: what it has not told of yet, of all that was there when its first page
    // came. What comes into the store meanwhile is newer than the list.
    let mut unseen = None;
    // Those that are there and cannot be read.
    let mut broken = HashSet::new();
    let mut told = 0;
    let start = || {
        let listed = S::objects(&client, scope.as_deref());
        objects::watch(listed, S::selected(&operator, scope.as_deref()))
            .default_backoff()
            .boxed()
    };
    let mut events = start();
    let kind = S::Kind::kind(&());
    let mut gap = Gap::new(&kind, scope.clone(), Arc::clone(&operator.readiness));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => unseen = None,
            Ok(Event::InitApply(object)) => {
                unseen
                    .get_or_insert_with(|| known::<S>(&operator, scope.as_deref(), &broken))
                    .remove(&Key::of_metadata(object.metadata()));
                apply::<S>(&operator, object, true, &mut broken);
            }
            Ok(Event::InitDone) => {
                let gone = unseen.take();
                for key in gone.unwrap_or_else(|| known::<S>(&operator, scope.as_deref(), &broken))
                {
                    broken.remove(&key);
                    S::deleted(&operator, &key, None);
                }
                operator.calls.access.let_in();
                gap.ended();
                operator.retry_failed();
                if let Some(synced) = synced.take() {
                    // The receiver goes when the operator is stopped before it was ready.
                    let _ = synced.send(());
                }
            }
            Ok(Event::Apply(object)) => apply::<S>(&operator, object, false, &mut broken),
            Ok(Event::Delete(object)) => {
                let key = Key::of_metadata(object.metadata());
                broken.remove(&key);
                let uid = object.metadata().uid.as_deref().map(Uid::from);
                S::deleted(&operator, &key, uid.as_ref());
            }
            Err(error) => {
                operator.metrics.watch_error(&kind);
                let cause = Cause::of::<S::Kind>(&error);
                if cause == Cause::Undefined {
                    operator.definitions.missing(&kind);
                } else {
                    tracing::warn!(%kind, %error, "the watch was interrupted and starts again");
                }
                if let Some(error) = refusal(error) {
                    operator.calls.access.heard(&Err::<(), _>(error));
                }
                if let Some(pause) = gap.goes_on(cause) {
                    tokio::time::sleep(pause).await;
                    events = start();
                }
            }
        }
        if broken.len() != told {
            operator
                .metrics
                .unreadable_objects(&kind, told, broken.len());
            told = broken.len();
        }
    }
}

/// What is there as far as this process knows, readable or not.
fn known<S: Sink>(operator: &Operator, scope: Option<&str>, broken: &HashSet<Key>) -> HashSet<Key> {
    let stored = S::known(operator, scope);
    stored.into_iter().chain(broken.iter().cloned()).collect()
}

/// How a watch was answered that could not begin. What an open one ends with says nothing about
/// those that begin.
fn refusal(error: watcher::Error) -> Option<CallError> {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            Some(error.into())
        }
        _ => None,
    }
}

/// Says that definitions are missing, seldom enough to be read.
#[derive(Debug, Default)]
pub struct Definitions {
    said: Mutex<Option<Instant>>,
}

impl Definitions {
    fn missing(&self, kind: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|said| said.elapsed() < REMINDER) {
            return;
        }
        *said = Some(Instant::now());
        tracing::error!(
            kind,
            "the custom resource definitions are not installed, and nothing is done until they are: kubectl apply --server-side -f crds/"
        );
    }
}

fn apply<S: Sink>(
    operator: &Arc<Operator>,
    object: Decoded<S::Kind>,
    listed: bool,
    broken: &mut HashSet<Key>,
) {
    let key = Key::of_metadata(object.metadata());
    match object.0 {
        Ok(object) => {
            broken.remove(&key);
            S::applied(operator, object, listed);
        }
        Err(unreadable) => {
            broken.insert(key.clone());
            S::unreadable(operator, key, &unreadable);
            unreadable::report::<S::Kind>(operator, *unreadable);
        }
    }
}
