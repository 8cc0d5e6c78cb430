//! Kubernetes Events (events.k8s.io/v1), published beside the reconciles. An Event's name is made
//! from its fact, so that the API server keeps one of each, whoever publishes it however often.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};

use super::client::Client;
use super::error::ApiError;
use super::key::Key;
use crate::model::lifecycle::Notice;
use crate::model::uid::Uid;
use crate::telemetry::metrics::EventResult;
use crate::telemetry::outage::Outage;

/// Who reports, in every Event.
const CONTROLLER: &str = "freehold.dev/operator";
/// Longest note that the API takes, in octets.
const MAX_NOTE_OCTETS: usize = 1024;
/// Events that wait for the API server before further ones are dropped.
const MAX_WAITING: usize = 16_384;
/// Calls at once, or waits for the end of an outage.
const CONCURRENCY: usize = 8;
/// Events under way, of which nearly all wait for their turn or were refused. One tenant's, in a namespace
/// that takes none, are not to hold up the others'.
const UNDER_WAY: usize = 1024;
/// An Event outlives an outage of the API server of some minutes.
const ATTEMPTS: u32 = 10;
/// The API server's start is over in seconds; an account without the right must not hold up others.
const ATTEMPTS_FORBIDDEN: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longest name of an object.
const MAX_NAME_OCTETS: usize = 253;

/// The object that an Event is about; the namespace in the key of a cluster-scoped one is empty.
#[derive(Clone, Debug)]
pub struct Subject {
    pub kind: Cow<'static, str>,
    pub key: Key,
    pub uid: Uid,
}

/// Kept by an Event on its way, and dropped once the Event is written or given up.
pub type Receipt = Arc<dyn Send + Sync>;

struct Waiting {
    subject: Subject,
    notice: Notice,
    receipt: Option<Receipt>,
}

/// Where Events are handed in; never waits.
pub struct Events {
    sender: mpsc::Sender<Waiting>,
    writer: Writer,
}

/// Writes what was handed in.
pub struct Publisher {
    receiver: mpsc::Receiver<Waiting>,
    writer: Writer,
}

#[derive(Clone)]
struct Writer {
    client: Client,
    instance: String,
    failing: Arc<Outage>,
}

impl Events {
    #[must_use]
    pub fn new(client: Client, instance: String) -> (Self, Publisher) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let writer = Writer {
            client,
            instance,
            failing: Arc::new(Outage::new(1)),
        };
        let publisher = Publisher {
            receiver,
            writer: writer.clone(),
        };
        (Self { sender, writer }, publisher)
    }

    /// Hands an Event in; a standby publishes none. Where too many wait it is dropped and counted: a status
    /// says the same.
    pub fn publish(&self, subject: Subject, notice: Notice) {
        let client = &self.writer.client;
        if client.leads() && !self.try_publish(subject, notice, None) {
            client.metrics.event(EventResult::Dropped);
        }
    }

    /// Hands an Event in; false where too many wait.
    #[must_use]
    pub fn try_publish(&self, subject: Subject, notice: Notice, receipt: Option<Receipt>) -> bool {
        let waiting = Waiting {
            subject,
            notice,
            receipt,
        };
        self.sender.try_send(waiting).is_ok()
    }

    /// Writes an Event at once: tried one time, within the deadline of any call.
    pub async fn publish_now(&self, subject: Subject, notice: Notice) {
        let event = event(&subject, notice, &self.writer.instance);
        let result = self.writer.create(&event).await;
        self.writer.finish(&event, result);
    }
}

impl Publisher {
    /// Runs until every [`Events`] is gone and all they handed in is written.
    pub async fn run(self) {
        let Self {
            mut receiver,
            writer,
        } = self;
        let slots = Semaphore::new(CONCURRENCY);
        futures::stream::poll_fn(move |context| receiver.poll_recv(context))
            .for_each_concurrent(UNDER_WAY, |waiting| {
                let event = event(&waiting.subject, waiting.notice, &writer.instance);
                let (writer, slots) = (&writer, &slots);
                async move {
                    let result = writer.write(&event, slots).await;
                    writer.finish(&event, result);
                    drop(waiting.receipt);
                }
            })
            .await;
    }
}

impl Writer {
    async fn create(&self, event: &Event) -> Result<EventResult, ApiError> {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api = self.client.namespaced(namespace);
        let params = PostParams::default();
        match self.client.call(api.create(&params, event)).await {
            Ok(_) => Ok(EventResult::Published),
            Err(ApiError::AlreadyExists) => Ok(EventResult::Known),
            Err(error) => Err(error),
        }
    }

    /// As `create`, again and again where waiting may help.
    async fn write(&self, event: &Event, slots: &Semaphore) -> Result<EventResult, ApiError> {
        // Counted apart: an API server that was away refuses everybody when it is back.
        let mut forbidden = 0;
        // Nobody closes it. An outage is everybody's: who waits for its end keeps the slot, or there would be
        // a storm. A refusal is one namespace's.
        let mut slot = slots.acquire().await;
        for attempt in 0..ATTEMPTS {
            match self.create(event).await {
                // A new object meets no other version: a conflict is a store's trouble, which passes.
                Err(
                    error @ (ApiError::Unavailable(_)
                    | ApiError::Untrusted(_)
                    | ApiError::TimedOut(_)
                    | ApiError::Conflict),
                ) => {
                    tracing::debug!(%error, attempt, "cannot write an Event yet; it is retried");
                    tokio::time::sleep(LONGEST_WAIT.min(Duration::from_secs(1 << attempt))).await;
                }
                Err(error @ ApiError::Forbidden(_)) if forbidden < ATTEMPTS_FORBIDDEN => {
                    tracing::debug!(%error, attempt, "cannot write an Event yet; it is retried");
                    drop(slot);
                    tokio::time::sleep(Duration::from_secs(1 << forbidden)).await;
                    forbidden += 1;
                    slot = slots.acquire().await;
                }
                result => return result,
            }
        }
        Ok(EventResult::Dropped)
    }

    fn finish(&self, event: &Event, result: Result<EventResult, ApiError>) {
        let result = match result {
            Ok(result) => {
                let _ = self.failing.ended();
                result
            }
            Err(error) => {
                if let Some(failures) = self.failing.failed() {
                    tracing::warn!(%error, event = event.metadata.name, failures, "cannot write Events");
                }
                EventResult::Dropped
            }
        };
        self.client.metrics.event(result);
    }
}

fn event(subject: &Subject, notice: Notice, instance: &str) -> Event {
    let Notice {
        reason,
        warning,
        message,
        fact,
        about: _,
    } = notice;
    let digest = Sha256::digest(format!("{}\n{reason}\n{fact}", subject.uid).as_bytes());
    let hash: String = HEXLOWER.encode(&digest).chars().take(16).collect();
    let stem = cut(subject.key.name().to_owned(), MAX_NAME_OCTETS - 17);
    let namespace = Some(subject.key.namespace().to_owned()).filter(|text| !text.is_empty());
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{hash}", stem.trim_end_matches(['.', '-']))),
            // Events about cluster-scoped objects live in the default namespace.
            namespace: Some(namespace.clone().unwrap_or_else(|| "default".to_owned())),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(Timestamp::now())),
        action: Some("Verify".to_owned()),
        reason: Some(reason.as_str().to_owned()),
        note: Some(cut(message, MAX_NOTE_OCTETS)),
        type_: Some(if warning { "Warning" } else { "Normal" }.to_owned()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some("freehold.dev/v1alpha1".to_owned()),
            kind: Some(subject.kind.to_string()),
            namespace,
            name: Some(subject.key.name().to_owned()),
            uid: Some(subject.uid.to_string()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

fn cut(mut text: String, octets: usize) -> String {
    text.truncate(text.floor_char_boundary(octets));
    text
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::api::reason::Reason;
    use crate::cluster::fake_api::{self, Answer, failure};
    use crate::model::lifecycle::About;

    /// What an API server says with this code.
    fn answer(code: u16) -> Answer {
        match code {
            201 => (code, json!({ "metadata": {}, "eventTime": null })),
            403 => failure(code, "Forbidden"),
            _ => failure(code, ""),
        }
    }

    fn notice(reason: Reason, fact: &str) -> Notice {
        Notice {
            about: About::OrganizationDomain,
            reason,
            warning: true,
            message: "ä".repeat(1000),
            fact: fact.into(),
        }
    }

    fn subject(namespace: &str, uid: &str) -> Subject {
        Subject {
            kind: "OrganizationDomain".into(),
            key: Key::new(namespace, "a"),
            uid: uid.into(),
        }
    }

    fn events(answers: impl Fn(&str) -> u16 + Send + Sync + 'static) -> (Events, Publisher) {
        let deadline = Duration::from_secs(10);
        let client = fake_api::calls(deadline, move |asked| answer(answers(&asked.path)));
        Events::new(client, "pod".into())
    }

    /// How one Event ends with an API server that answers so, one request after the other.
    async fn written(answers: &[u16]) -> String {
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let left = Arc::clone(&answers);
        let (events, publisher) = events(move |_| answers.lock().unwrap().pop_front().unwrap());
        events.publish(subject("ns", "u"), notice(Reason::Verified, "t"));
        let metrics = Arc::clone(&events.writer.client.metrics);
        drop(events);
        publisher.run().await;
        assert_eq!(left.lock().unwrap().len(), 0, "asked again");
        let page = metrics.encode().unwrap();
        let mut lines = page.lines();
        let counted =
            lines.find(|line| line.starts_with("freehold_events_total{") && !line.ends_with(" 0"));
        counted.unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_was_away_may_refuse_everybody_at_first() {
        let counted = written(&[503, 503, 503, 503, 503, 403, 403, 403, 201]).await;
        assert!(counted.contains("published"), "{counted}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_again_and_again_is_dropped() {
        let counted = written(&[403, 403, 403, 403]).await;
        assert!(counted.contains("dropped"), "{counted}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_takes_no_events_holds_up_no_other() {
        let (told, mut hears) = mpsc::unbounded_channel();
        let (events, publisher) = events(move |path| {
            if path.contains("/closed/") {
                return 403;
            }
            told.send(tokio::time::Instant::now()).unwrap();
            201
        });
        for n in 0..100 {
            events.publish(
                subject("closed", &n.to_string()),
                notice(Reason::Verified, "t"),
            );
        }
        events.publish(subject("open", "u"), notice(Reason::Verified, "t"));
        let begun = tokio::time::Instant::now();
        drop(events);
        publisher.run().await;
        let waited = hears.recv().await.unwrap() - begun;
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }

    fn name(uid: &str, reason: Reason, fact: &str) -> Option<String> {
        let event = event(&subject("ns", uid), notice(reason, fact), "pod");
        assert!(event.note.unwrap().len() <= MAX_NOTE_OCTETS);
        event.metadata.name
    }

    #[test]
    fn one_fact_is_one_event_and_another_is_another() {
        let first = name("u", Reason::Verified, "t");
        assert_eq!(first, name("u", Reason::Verified, "t"));
        assert_ne!(first, name("v", Reason::Verified, "t"));
        assert_ne!(first, name("u", Reason::RecordLost, "t"));
        assert_ne!(first, name("u", Reason::Verified, "s"));
    }
}
