//! One domain that the operator took all the way, as the pattern for others: what a floor writes and
//! what a restore brings back is of the very kind and size that the operator writes.

use std::path::Path;

use anyhow::{Context, Result};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::calls::url;
use super::fleet::{self, Domain};
use super::kinds;
use super::parts::{DEADLINE, Parts, until};
use super::watch::Watch;

const RUN: &str = "sample";
const VERSION: &str = "SAMPLE-VERSION";
const UID: &str = "SAMPLE-UID";
/// Octets of one request, unless `--max-request-bytes` says otherwise.
const ETCD_LIMIT: usize = 1_572_864;
const NEXT_CHECK: &str = "2001-01-01T00:00:00Z";

/// Texts of objects, to be filled in for other domains.
pub struct Sample {
    /// Bodies of the two writes of a status.
    pub pending: String,
    pub verified: String,
    /// Body of the create of a holding.
    pub holding: String,
    /// Body of the create of the Event.
    pub event: String,
    /// Body of the write of an organization's status.
    pub organization: String,
    /// As the API server stores them.
    pub stored_domain: String,
    pub stored_holding: String,
    markers: Markers,
}

struct Markers {
    domain: Domain,
    uid: String,
    token: String,
    holding_uid: String,
}

/// For whom a text is filled in.
pub struct Target<'a> {
    pub domain: &'a Domain,
    /// Makes the uids and the token its own.
    pub number: usize,
    /// The object's real uid, where it has one.
    pub uid: Option<&'a str>,
    pub version: &'a str,
    pub next_check: Timestamp,
}

/// A control plane that has seen one domain through, and is filled from it: an API server is busy with
/// itself after its start.
pub async fn parts(freehold: &Path) -> Result<(Parts, Sample)> {
    let parts = Parts::start(freehold).await?;
    let sample = Sample::take(&parts).await?;
    Ok((parts, sample))
}

impl Sample {
    async fn take(parts: &Parts) -> Result<Self> {
        let operator = parts.operator(&["--check-ladder=1s"]).await?;
        let watch = Watch::start(&parts.client, RUN, None).await?;
        let domain = Domain::of(RUN, 0);
        fleet::state(&parts.client, RUN, std::slice::from_ref(&domain)).await?;
        let key = domain.key();
        watch
            .until("the sample has a challenge", |seen| {
                seen.records.contains_key(&key)
            })
            .await?;
        let kind = kinds::organization_domains();
        let pending = get(&parts.client, &kind, &domain.namespace, &domain.name).await?;
        let record = watch.look(|seen| seen.records.get(&key).cloned());
        let record = record.context("the sample's record")?;
        parts.dns.set_txt(&record.name, vec![record.value.clone()]);
        watch.until_verified(1).await?;
        let verified = get(&parts.client, &kind, &domain.namespace, &domain.name).await?;
        let holdings = kinds::verified_domains();
        let holding = get(&parts.client, &holdings, "", &domain.stated).await?;
        let client = &parts.client;
        let events = Api::<DynamicObject>::namespaced_with(
            client.clone(),
            &domain.namespace,
            &kinds::events(),
        );
        let listed = || async { events.list(&ListParams::default()).await };
        until("the sample has its Event", DEADLINE, || async {
            Ok(!listed().await?.items.is_empty())
        })
        .await?;
        let event = listed().await?.items.pop().context("an Event")?;
        let organizations = kinds::organizations();
        let summed = || {
            get(
                client,
                &organizations,
                &domain.namespace,
                &domain.organization,
            )
        };
        until(
            "the sample's organization is summed up",
            DEADLINE,
            || async { Ok(summed().await?["status"]["counts"]["verified"] == 1) },
        )
        .await?;
        let organization = summed().await?;
        operator.stop().await?;

        let text = |value: &Value, pointer: &str| -> Result<String> {
            let found = value.pointer(pointer).and_then(Value::as_str);
            Ok(found.with_context(|| format!("no {pointer}"))?.to_owned())
        };
        Ok(Self {
            markers: Markers {
                uid: text(&verified, "/metadata/uid")?,
                token: text(&verified, "/status/challenge/token")?,
                holding_uid: text(&holding, "/metadata/uid")?,
                domain,
            },
            pending: written(&pending).to_string(),
            verified: written(&verified).to_string(),
            holding: created(&holding).to_string(),
            event: created(&serde_json::to_value(event)?).to_string(),
            organization: written(&organization).to_string(),
            stored_domain: stored(&verified).to_string(),
            stored_holding: stored(&holding).to_string(),
        })
    }

    /// A text of the sample, for another domain.
    pub fn fill(&self, text: &str, target: &Target<'_>) -> String {
        let Markers {
            domain,
            uid,
            token,
            holding_uid,
        } = &self.markers;
        let new = target.domain;
        let own_uid = target
            .uid
            .map_or_else(|| fresh_uid(1, target.number), str::to_owned);
        let own_token = fresh_token(target.number);
        text.replace(&domain.stated, &new.stated)
            .replace(&domain.name, &new.name)
            .replace(&domain.namespace, &new.namespace)
            .replace(&domain.organization, &new.organization)
            .replace(&hash(token), &hash(&own_token))
            .replace(token, &own_token)
            .replace(uid, &own_uid)
            .replace(UID, &own_uid)
            .replace(holding_uid, &fresh_uid(2, target.number))
            .replace(VERSION, target.version)
            .replace(NEXT_CHECK, &format!("{:.0}", target.next_check))
    }
}

/// A stored domain as large as etcd takes it, of which the API server takes an annotation of 250 kB, and
/// managed fields without a limit of their own.
pub fn enlarged(stored: &str) -> Result<String> {
    let mut object: Value = serde_json::from_str(stored)?;
    let metadata = &mut object["metadata"];
    metadata["annotations"] = json!({ "freehold.dev/requestedAt": "x".repeat(250_000) });
    let mut entry = json!({
        "manager": "tenant",
        "operation": "Update",
        "apiVersion": "freehold.dev/v1alpha1",
        "fieldsType": "FieldsV1",
        "time": "2026-01-01T00:00:00Z",
    });
    entry["fieldsV1"] = json!({ format!("f:{}", "x".repeat(ETCD_LIMIT - 300_000)): {} });
    metadata["managedFields"] = json!([entry]);
    Ok(object.to_string())
}

/// The value of the record of a filled-in domain.
pub fn record_value(number: usize) -> String {
    format!("token={}", fresh_token(number))
}

fn fresh_uid(space: u32, number: usize) -> String {
    format!("{space:08x}-0000-4000-8000-{number:012x}")
}

fn fresh_token(number: usize) -> String {
    let digest = Sha256::digest(number.to_be_bytes());
    BASE32_NOPAD.encode(&digest[..20]).to_ascii_lowercase()
}

fn hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

async fn get(client: &Client, kind: &ApiResource, namespace: &str, name: &str) -> Result<Value> {
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    let url = url(kind, namespace);
    let request = http::Request::get(format!("{url}/{name}")).body(Vec::new())?;
    Ok(client.request(request).await?)
}

/// The body by which the operator replaces a status.
fn written(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut status = object["status"].clone();
    if status["nextCheckTime"].is_string() {
        status["nextCheckTime"] = NEXT_CHECK.into();
    }
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": UID,
            "resourceVersion": VERSION,
        },
        "spec": object["spec"],
        "status": status,
    })
}

/// The body by which an object is created.
fn created(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = json!({
        "name": object["metadata"]["name"],
        "namespace": object["metadata"]["namespace"],
    });
    object["metadata"] = metadata;
    object
}

/// As it lies in etcd a day later: a start publishes anew what became so within the last hour, which is
/// none of a restored cluster's cost.
fn stored(object: &Value) -> Value {
    let mut object = object.clone();
    let yesterday = format!("{:.0}", Timestamp::now() - SignedDuration::from_hours(24));
    for time in [
        "/status/challenge/issuedTime",
        "/status/verifiedTime",
        "/status/lastProvenTime",
        "/status/lastCheck/time",
    ] {
        if let Some(time) = object.pointer_mut(time).filter(|time| time.is_string()) {
            *time = yesterday.as_str().into();
        }
    }
    if let Some(history) = object["status"]["history"].as_array_mut() {
        for entry in history {
            entry["time"] = yesterday.as_str().into();
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    if object["status"]["nextCheckTime"].is_string() {
        object["status"]["nextCheckTime"] = NEXT_CHECK.into();
    }
    object
}
