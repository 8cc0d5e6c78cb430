//! What became of every object, by watches that go on through any fault.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Ends when it is dropped.
pub struct Watcher(AbortHandle);

pub enum Change<K> {
    Is(K),
    Deleted(K),
}

/// Tells of every change that the API server tells of.
pub fn watch<K>(api: Api<K>, tell: impl Fn(Change<K>) + Send + 'static) -> Watcher
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let task = tokio::spawn(async move {
        let mut events = watcher(api, watcher::Config::default()).boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => tell(Change::Is(object)),
                Ok(Event::Delete(object)) => tell(Change::Deleted(object)),
                Ok(Event::Init | Event::InitDone) => {}
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    });
    Watcher(task.abort_handle())
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}
