//! Every version of some objects, as a watch tells of them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

pub struct History<K> {
    seen: Arc<Mutex<Vec<(Instant, K)>>>,
    task: AbortHandle,
}

impl<K> History<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Returns once the watch has begun.
    pub async fn of(api: Api<K>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        let (begun, beginning) = oneshot::channel();
        let mut begun = Some(begun);
        let task = tokio::spawn(async move {
            let mut events = watcher(api, watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                match event.unwrap() {
                    Event::Apply(object) | Event::InitApply(object) => {
                        written.lock().unwrap().push((Instant::now(), object));
                    }
                    Event::InitDone => {
                        if let Some(begun) = begun.take() {
                            begun.send(()).unwrap();
                        }
                    }
                    Event::Init | Event::Delete(_) => {}
                }
            }
        });
        beginning.await.unwrap();
        Self {
            seen,
            task: task.abort_handle(),
        }
    }

    /// All versions so far, oldest first, with the time at which each was seen.
    pub fn all(&self) -> Vec<(Instant, K)> {
        self.seen.lock().unwrap().clone()
    }
}

impl<K> Drop for History<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
