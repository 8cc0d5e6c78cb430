//! A list and what changes after it, as kube's `watcher` tells of it. That one reads a whole page of
//! objects into memory before it hands out the first.

use std::mem;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use kube::Resource;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{Error, Event, Result};
use serde::de::DeserializeOwned;

use super::list::Page;
use super::{Decoded, Objects, PAGE, decode};

/// The API server has forgotten what happened since a version.
const GONE: u16 = 410;

/// Tells of all objects that the parameters select, and then of each change. After an error it goes on
/// where it can.
pub fn watch<K>(
    objects: Objects<K>,
    params: ListParams,
) -> impl Stream<Item = Result<Event<Decoded<K>>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Send + 'static,
{
    let watch = Watch {
        objects,
        params: params.limit(PAGE),
        state: State::Begin,
    };
    stream::unfold(watch, async |mut watch| {
        let event = watch.next().await;
        Some((event, watch))
    })
}

struct Watch<K> {
    objects: Objects<K>,
    params: ListParams,
    state: State<K>,
}

#[derive(Default)]
enum State<K> {
    /// Nothing is known.
    #[default]
    Begin,
    /// The next page of a list, by its token.
    NextPage(Option<String>),
    Reading(Page),
    /// Everything up to this version is known.
    Listed(String),
    Watching(
        String,
        BoxStream<'static, kube::Result<WatchEvent<Decoded<K>>>>,
    ),
}

impl<K> Watch<K>
where
    K: Resource + Clone + DeserializeOwned + Send + 'static,
{
    /// A step that fails begins anew, unless it says otherwise.
    async fn next(&mut self) -> Result<Event<Decoded<K>>> {
        loop {
            match mem::take(&mut self.state) {
                State::Begin => {
                    self.state = State::NextPage(None);
                    return Ok(Event::Init);
                }
                State::NextPage(token) => {
                    let params = ListParams {
                        continue_token: token,
                        ..self.params.clone()
                    };
                    let page = self.objects.page(&params).await;
                    self.state = State::Reading(page.map_err(Error::InitialListFailed)?);
                }
                State::Reading(mut page) => {
                    let item = page.next().await.map_err(Error::InitialListFailed)?;
                    if let Some(item) = item {
                        self.state = State::Reading(page);
                        return Ok(Event::InitApply(decode(&item, self.objects.extent)));
                    }
                    let metadata = page.end().map_err(Error::InitialListFailed)?;
                    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
                    if let Some(token) = some(metadata.r#continue) {
                        self.state = State::NextPage(Some(token));
                        continue;
                    }
                    let version = some(metadata.resource_version);
                    self.state = State::Listed(version.ok_or(Error::NoResourceVersion)?);
                    return Ok(Event::InitDone);
                }
                State::Listed(version) => match self.changes(&version).await {
                    Ok(changes) => self.state = State::Watching(version, changes),
                    Err(error) => {
                        if !matches!(&error, kube::Error::Api(status) if status.code == GONE) {
                            self.state = State::Listed(version);
                        }
                        return Err(Error::WatchStartFailed(error));
                    }
                },
                State::Watching(version, mut changes) => match changes.next().await {
                    Some(change) => {
                        if let Some(event) = self.change(change, version, changes) {
                            return event;
                        }
                    }
                    None => self.state = State::Listed(version),
                },
            }
        }
    }

    async fn changes(
        &mut self,
        version: &str,
    ) -> kube::Result<BoxStream<'static, kube::Result<WatchEvent<Decoded<K>>>>> {
        let params = WatchParams {
            label_selector: self.params.label_selector.clone(),
            field_selector: self.params.field_selector.clone(),
            ..WatchParams::default()
        };
        let Objects {
            client, requests, ..
        } = &self.objects;
        let request = requests
            .watch(&params, version)
            .map_err(kube::Error::BuildRequest)?;
        let events = client.request_events(request).await?;
        Ok(events.boxed())
    }

    fn change(
        &mut self,
        change: kube::Result<WatchEvent<Decoded<K>>>,
        version: String,
        changes: BoxStream<'static, kube::Result<WatchEvent<Decoded<K>>>>,
    ) -> Option<Result<Event<Decoded<K>>>> {
        let (event, object): (fn(_) -> _, _) = match change {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => (Event::Apply, object),
            Ok(WatchEvent::Deleted(object)) => (Event::Delete, object),
            Ok(WatchEvent::Bookmark(bookmark)) => {
                self.state = State::Watching(bookmark.metadata.resource_version, changes);
                return None;
            }
            Ok(WatchEvent::Error(status)) => {
                if status.code != GONE {
                    self.state = State::Watching(version, changes);
                }
                return Some(Err(Error::WatchError(status)));
            }
            Err(error) => {
                self.state = State::Watching(version, changes);
                return Some(Err(Error::WatchFailed(error)));
            }
        };
        let version = object.metadata().resource_version.clone();
        let Some(version) = version.filter(|version| !version.is_empty()) else {
            return Some(Err(Error::NoResourceVersion));
        };
        self.state = State::Watching(version, changes);
        Some(Ok(event(object)))
    }
}
