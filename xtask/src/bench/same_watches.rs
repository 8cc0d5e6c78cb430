//! The watches that the operator has open, for a client that only wants them to be open.

use std::collections::HashMap;

use anyhow::Result;
use futures::{StreamExt, future};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::kinds::{self, Seen};

/// By `namespace/name`.
type Listed = HashMap<String, ObjectMeta>;

/// End when they are dropped.
pub struct SameWatches {
    /// What their first lists had.
    pub listed: Listed,
    _tasks: JoinSet<()>,
}

impl SameWatches {
    /// Returns when each has its first list.
    pub async fn open(client: &Client) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let lists = kinds::watched().map(|kind| {
            let (sender, receiver) = oneshot::channel();
            tasks.spawn(keep_open(client.clone(), kind, sender));
            receiver
        });
        let lists = future::try_join_all(lists).await?;
        Ok(Self {
            listed: lists.into_iter().flatten().collect(),
            _tasks: tasks,
        })
    }
}

async fn keep_open(client: Client, kind: ApiResource, listed: oneshot::Sender<Listed>) {
    let mut listed = Some(listed);
    let mut objects = Listed::new();
    let api = Api::<Seen>::all_with(client, &kind);
    let mut events = watcher(api, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitApply(object)) => {
                objects.insert(object.key(), object.metadata);
            }
            Ok(Event::InitDone) => {
                if let Some(listed) = listed.take() {
                    // Nobody waits once the bench is interrupted.
                    let _ = listed.send(std::mem::take(&mut objects));
                }
            }
            Ok(_) => {}
            Err(error) => eprintln!("the floor's watch was interrupted: {error}"),
        }
    }
}
