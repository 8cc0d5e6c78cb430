//! One organization domain, and what a test does with it.

use freehold::api::organization_domain::{
    ChallengeRecord, ChallengeStatus, OrganizationDomain, OrganizationDomainStatus, State,
};
use freehold::api::verified_domain::Holder;
use freehold::api::{REQUESTED_AT, VerifiedDomain, conditions};
use freehold::model::challenge::Token;
use freehold_testbed::DnsServer;
use futures::future::join_all;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::wait::{DEADLINE, eventually, eventually_within};

#[derive(Clone)]
pub struct Stated {
    pub api: Api<OrganizationDomain>,
    pub client: Client,
    pub namespace: String,
    pub object: String,
    /// The domain as typed.
    pub domain: String,
    pub uid: String,
}

impl Stated {
    pub fn new(client: &Client, object: &OrganizationDomain) -> Self {
        let namespace = object.namespace().unwrap();
        Self {
            api: Api::namespaced(client.clone(), &namespace),
            client: client.clone(),
            namespace,
            object: object.name_any(),
            domain: object.spec.domain.clone(),
            uid: uid(object),
        }
    }

    pub async fn get(&self) -> OrganizationDomain {
        self.api.get(&self.object).await.unwrap()
    }

    /// Waits until the object is as wanted.
    pub async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&OrganizationDomain) -> bool,
    ) -> OrganizationDomain {
        self.until_within(DEADLINE, what, wanted).await
    }

    pub async fn until_within(
        &self,
        deadline: std::time::Duration,
        what: &str,
        wanted: impl Fn(&OrganizationDomain) -> bool,
    ) -> OrganizationDomain {
        let what = format!("{} ({}): {what}", self.object, self.domain);
        eventually_within(deadline, &what, async || {
            match self.api.get(&self.object).await {
                Ok(object) if wanted(&object) => Ok(object),
                Ok(object) => Err(serde_yaml::to_string(&object).unwrap()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    pub async fn until_state(&self, state: State) -> OrganizationDomain {
        let what = format!("state {state:?}");
        self.until(&what, |object| status(object).state == Some(state))
            .await
    }

    pub async fn until_verified(&self) -> OrganizationDomain {
        self.until_state(State::Verified).await
    }

    pub async fn until_reason(&self, reason: &str) -> OrganizationDomain {
        let what = format!("reason {reason}");
        self.until(&what, |object| ready_reason(object) == reason)
            .await
    }

    /// The challenge, once there is one.
    pub async fn challenge(&self) -> ChallengeStatus {
        let object = self
            .until("has a challenge", |object| {
                status(object).challenge.is_some()
            })
            .await;
        status(&object).challenge.unwrap()
    }

    pub async fn annotate(&self, key: &str, value: &str) {
        self.patch(json!({ "metadata": { "annotations": { key: value } } }))
            .await
            .unwrap();
    }

    /// Asks for a check, or in Failed for a restart.
    pub async fn request(&self, value: &str) {
        self.annotate(REQUESTED_AT, value).await;
    }

    /// Asks for a check and waits until it was made.
    pub async fn checked(&self, request: &str) -> OrganizationDomain {
        self.request(request).await;
        let what = format!("request {request} is handled");
        self.until(&what, |object| {
            status(object).last_handled_request.as_deref() == Some(request)
        })
        .await
    }

    pub async fn patch(&self, change: Value) -> kube::Result<OrganizationDomain> {
        self.api
            .patch(
                &self.object,
                &PatchParams::default(),
                &Patch::Merge(&change),
            )
            .await
    }

    /// Of the object, below the API server.
    pub fn path(&self) -> String {
        format!(
            "/apis/freehold.dev/v1alpha1/namespaces/{}/organizationdomains/{}",
            self.namespace, self.object
        )
    }

    /// Writes the object back with a change, of which no type of a library has to know. Returns the answer.
    pub async fn rewrite(&self, change: impl FnOnce(&mut Value)) -> kube::Result<String> {
        let read = Request::get(self.path()).body(Vec::new()).unwrap();
        let text = self.client.request_text(read).await?;
        let mut object: Value = serde_json::from_str(&text).unwrap();
        change(&mut object);
        let write = Request::put(self.path())
            .header("Content-Type", "application/json")
            .body(object.to_string().into_bytes())
            .unwrap();
        self.client.request_text(write).await
    }

    /// As a tenant might who wants to be in the way: several at once, each as fast as it goes.
    pub async fn change_without_end(&self) {
        join_all((0..4).map(|patcher| async move {
            for n in 0_u64.. {
                let note = format!("{patcher}-{n}");
                let change = json!({ "metadata": { "annotations": { "note": note } } });
                self.patch(change).await.unwrap();
            }
        }))
        .await;
    }

    /// Edits the status by hand.
    pub async fn patch_status(&self, status: Value) -> kube::Result<OrganizationDomain> {
        self.api
            .patch_status(
                &self.object,
                &PatchParams::default(),
                &Patch::Merge(&json!({ "status": status })),
            )
            .await
    }

    /// As if it had been verified yesterday, and its next check had come due while nobody watched.
    pub async fn set_overdue(&self) {
        let ago = |hours| (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
        let overdue = json!({
            "verifiedTime": ago(24),
            "lastProvenTime": ago(2),
            "nextCheckTime": ago(1),
        });
        self.patch_status(overdue).await.unwrap();
    }

    pub async fn delete(&self) {
        self.api
            .delete(&self.object, &DeleteParams::default())
            .await
            .unwrap();
    }

    pub async fn events(&self) -> Vec<Event> {
        Api::<Event>::namespaced(self.client.clone(), &self.namespace)
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .into_iter()
            .filter(|event| {
                let regarding = event.regarding.as_ref();
                regarding.and_then(|object| object.uid.as_deref()) == Some(&self.uid)
            })
            .collect()
    }

    /// Waits until an Event with this reason is about the object.
    pub async fn until_event(&self, reason: &str) -> Event {
        let what = format!("an Event {reason} about {}", self.object);
        eventually(&what, async || {
            let mut events = self.events().await;
            let found = events
                .iter()
                .position(|event| event.reason.as_deref() == Some(reason));
            match found {
                Some(at) => Ok(events.swap_remove(at)),
                None => Err(format!("{events:#?}")),
            }
        })
        .await
    }

    /// Who holds the canonical name.
    pub async fn holding(&self) -> Option<VerifiedDomain> {
        let name = status(&self.get().await).canonical_name.unwrap();
        Api::<VerifiedDomain>::all(self.client.clone())
            .get_opt(&name)
            .await
            .unwrap()
    }
}

pub fn status(object: &OrganizationDomain) -> OrganizationDomainStatus {
    object.status.clone().unwrap_or_default()
}

pub fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap()
}

pub fn condition(object: &OrganizationDomain, kind: &str) -> Option<Condition> {
    conditions::find(&status(object).conditions, kind).cloned()
}

pub fn ready_reason(object: &OrganizationDomain) -> String {
    condition(object, conditions::READY).map_or(String::new(), |ready| ready.reason)
}

pub fn ready_message(object: &OrganizationDomain) -> String {
    condition(object, conditions::READY).map_or(String::new(), |ready| ready.message)
}

/// How a `VerifiedDomain` names the object as its holder.
pub async fn holder_of(domain: &Stated) -> Holder {
    let token = Token::parse(&domain.challenge().await.token).unwrap();
    Holder {
        namespace: domain.namespace.clone(),
        name: domain.object.clone(),
        uid: domain.uid.clone(),
        organization: domain.get().await.spec.organization_ref.name,
        token_hash: token.hash(),
    }
}

/// Publishes a record beside what the name has, as its owner would.
pub fn publish(dns: &DnsServer, record: &ChallengeRecord) {
    dns.add_txt(&record.name, &record.value);
}
