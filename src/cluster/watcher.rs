//! A list and what changes after it, as kube's `watcher` delivers it. That one reads a whole page of
//! objects into memory before it hands out the first.

use std::mem;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use kube::Resource;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{Error, Event, Result};
use serde::de::DeserializeOwned;

use super::decode::{Decoded, decode};
use super::objects::{Objects, PAGE};
use super::pages::Page;

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
    Watching(String, Changes<K>),
}

type Changes<K> = BoxStream<'static, kube::Result<WatchEvent<Decoded<K>>>>;

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
                    if let Some(token) = some(metadata.continue_) {
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
                State::Watching(version, mut changes) => {
                    let Some(change) = changes.next().await else {
                        self.state = State::Listed(version);
                        continue;
                    };
                    let (version, event) = match change {
                        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                            (version_of(&object)?, Some(Ok(Event::Apply(object))))
                        }
                        Ok(WatchEvent::Deleted(object)) => {
                            (version_of(&object)?, Some(Ok(Event::Delete(object))))
                        }
                        Ok(WatchEvent::Bookmark(bookmark)) => {
                            (bookmark.metadata.resource_version, None)
                        }
                        Ok(WatchEvent::Error(status)) if status.code == GONE => {
                            return Err(Error::WatchError(status));
                        }
                        Ok(WatchEvent::Error(status)) => {
                            (version, Some(Err(Error::WatchError(status))))
                        }
                        Err(error) => (version, Some(Err(Error::WatchFailed(error)))),
                    };
                    self.state = State::Watching(version, changes);
                    if let Some(event) = event {
                        return event;
                    }
                }
            }
        }
    }

    async fn changes(&mut self, version: &str) -> kube::Result<Changes<K>> {
        let params = WatchParams {
            label_selector: self.params.label_selector.clone(),
            field_selector: self.params.field_selector.clone(),
            ..WatchParams::default()
        };
        let request = self.objects.requests.watch(&params, version);
        let request = request.map_err(kube::Error::BuildRequest)?;
        let events = self.objects.client.request_events(request).await?;
        Ok(events.boxed())
    }
}

fn version_of<K: Resource>(object: &Decoded<K>) -> Result<String> {
    let version = object.metadata().resource_version.clone();
    let version = version.filter(|version| !version.is_empty());
    version.ok_or(Error::NoResourceVersion)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::pin::pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;

    use super::*;
    use crate::api::Organization;

    /// Answers each request with the next of its texts, and then no more.
    #[derive(Clone, Default)]
    struct Server {
        answers: Arc<Mutex<VecDeque<(u16, String)>>>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl tower::Service<Request<Body>> for Server {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let query = request.uri().query().unwrap_or_default().to_owned();
            self.asked.lock().unwrap().push(query);
            let answer = self.answers.lock().unwrap().pop_front();
            let (code, text) = answer.unwrap_or((503, "no more".to_owned()));
            let response = Response::builder().status(code);
            ready(Ok(response.body(Body::from(text.into_bytes())).unwrap()))
        }
    }

    fn object(name: &str, version: u64, managed: &str) -> String {
        format!(
            r#"{{"apiVersion":"freehold.dev/v1alpha1","kind":"Organization","metadata":{{"name":"{name}","namespace":"acme","uid":"{name}","resourceVersion":"{version}","managedFields":[{managed}]}},"spec":{{}}}}"#
        )
    }

    fn list(items: &[String], metadata: &str) -> (u16, String) {
        let items = items.join(",");
        (
            200,
            format!(r#"{{"kind":"OrganizationList","items":[{items}],"metadata":{{{metadata}}}}}"#),
        )
    }

    fn said(event: Result<Event<Decoded<Organization>>>) -> String {
        let of = |object: Decoded<Organization>| {
            let name = object.metadata().name.clone().unwrap_or_default();
            let broken = if object.0.is_err() { " broken" } else { "" };
            format!("{name}{broken}")
        };
        match event {
            Ok(Event::Init) => "begins".to_owned(),
            Ok(Event::InitApply(object)) => format!("there is {}", of(object)),
            Ok(Event::InitDone) => "that is all".to_owned(),
            Ok(Event::Apply(object)) => format!("changed {}", of(object)),
            Ok(Event::Delete(object)) => format!("gone {}", of(object)),
            Err(Error::InitialListFailed(_)) => "no list".to_owned(),
            Err(Error::WatchStartFailed(_)) => "no watch".to_owned(),
            Err(Error::WatchError(status)) => format!("error {}", status.code),
            Err(Error::WatchFailed(_)) => "no event".to_owned(),
            Err(Error::NoResourceVersion) => "no version".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_list_is_told_page_by_page_and_then_each_change() {
        let far = r#"{"manager":"x","time":"9999-12-31T23:59:59Z"}"#;
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let deep_spec = object("deep", 3, "").replace(r#""spec":{}"#, &format!(r#""spec":{deep}"#));
        let event = |kind: &str, object: &str| format!(r#"{{"type":"{kind}","object":{object}}}"#);
        let gone = r#"{"kind":"Status","status":"Failure","reason":"Expired","code":410}"#;
        let events = [
            event("ADDED", &object("c", 12, far)),
            event("MODIFIED", &deep_spec),
            event(
                "BOOKMARK",
                r#"{"kind":"Organization","apiVersion":"v1","metadata":{"resourceVersion":"20"}}"#,
            ),
            event("DELETED", &object("c", 21, &deep)),
        ];
        let server = Server::default();
        server.answers.lock().unwrap().extend([
            list(
                &[
                    object("a", 1, far),
                    deep_spec.clone(),
                    object("b", 2, &deep),
                ],
                r#""continue":"next","resourceVersion":"10""#,
            ),
            list(&[], r#""resourceVersion":"11""#),
            (200, events.join("\n")),
            // The watch ended, and goes on where it was.
            (200, event("ERROR", gone)),
            // Too long ago: all from the beginning.
            list(&[object("a", 30, "")], r#""resourceVersion":"31""#),
            (410, gone.to_owned()),
            (200, r#"{"items":[{"#.to_owned()),
            list(&[], ""),
        ]);
        let client = Client::new(server.clone(), "default");
        let params = ListParams::default().labels("a=b");
        let mut events = pin!(watch(Objects::<Organization>::all(client), params));
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "no version") {
            told.push(said(events.next().await.unwrap()));
        }
        assert_eq!(
            told,
            [
                "begins",
                "there is a",
                "there is deep broken",
                "there is b",
                "that is all",
                "changed c",
                "changed deep broken",
                "gone c",
                "error 410",
                "begins",
                "there is a",
                "that is all",
                "no watch",
                "begins",
                "no list",
                "begins",
                "no version",
            ]
        );
        let asked = server.asked.lock().unwrap().clone();
        assert!(
            asked
                .iter()
                .all(|query| query.contains("labelSelector=a%3Db"))
        );
        assert!(asked[1].contains("continue=next"), "{asked:?}");
        for (n, version) in [(2, 11), (3, 21), (5, 31)] {
            let version = format!("resourceVersion={version}");
            assert!(asked[n].contains(&version), "{n} {asked:?}");
        }
    }

    #[tokio::test]
    async fn whatever_managed_fields_say_an_answer_is_decoded() {
        let server = Server::default();
        let client = Client::new(server.clone(), "default");
        let objects = Objects::<Organization>::namespaced(client, "acme");
        let organization = Organization::new("a", crate::api::OrganizationSpec::default());
        let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
        for managed in [r#"{"time":"9999-12-31T23:59:59Z"}"#, &deep] {
            let answer = (200, object("a", 1, managed));
            let answers = std::iter::repeat_n(answer, 6);
            server.answers.lock().unwrap().extend(answers);
            let (params, name) = (kube::api::PostParams::default(), "a");
            let patched = kube::api::PatchParams::default();
            let patch = kube::api::Patch::Merge(serde_json::json!({}));
            for decoded in [
                objects.get(name).await,
                objects.create(&params, &organization).await,
                objects.replace(name, &params, &organization).await,
                objects.replace_status(name, &params, &organization).await,
                objects.patch_status(name, &patched, &patch).await,
            ] {
                assert_eq!(
                    decoded.unwrap().0.unwrap().metadata.uid.as_deref(),
                    Some("a")
                );
            }
            let metadata = objects.get_metadata(name).await.unwrap();
            assert_eq!(metadata.uid.as_deref(), Some("a"));
        }
    }
}
