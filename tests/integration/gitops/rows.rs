//! Objects in every row of the condition matrix, each brought there by an operator.

use std::pin::Pin;
use std::time::Duration;

use freehold::api::conditions::RECORD_PRESENT;
use freehold::api::{DomainApproval, OrganizationDomain, SUSPENDED};
use freehold_testbed::{Behaviour, ResponseCode};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{Approval, Stated, Tenant, World, condition, eventually, publish};

/// An object in a row, as the API server has it.
#[derive(Clone)]
pub struct Row {
    pub what: &'static str,
    pub object: Value,
    /// What the matrix says of it: types and statuses.
    pub conditions: &'static [(&'static str, &'static str)],
    pub kstatus: &'static str,
    pub argo: &'static str,
}

type Conditions = &'static [(&'static str, &'static str)];

const PENDING: Conditions = &[
    ("Ready", "False"),
    ("Verified", "False"),
    ("Reconciling", "True"),
];
const FAILED: Conditions = &[
    ("Ready", "False"),
    ("Verified", "False"),
    ("Stalled", "True"),
];
const VERIFIED: Conditions = &[
    ("Ready", "True"),
    ("Verified", "True"),
    ("RecordPresent", "True"),
];
const RECORD_MISSING: Conditions = &[
    ("Ready", "True"),
    ("Verified", "True"),
    ("RecordPresent", "False"),
];
const STALE: Conditions = &[("Ready", "False"), ("Verified", "Unknown")];
const STALE_AND_MISSING: Conditions = &[
    ("Ready", "False"),
    ("Verified", "Unknown"),
    ("RecordPresent", "False"),
];
const MANUAL: Conditions = &[("Ready", "True"), ("Verified", "True")];
const HOLDER_WITHOUT_ORGANIZATION: Conditions = &[
    ("Ready", "False"),
    ("Verified", "True"),
    ("RecordPresent", "True"),
];
const READY: Conditions = &[("Ready", "True")];
const WAITING: Conditions = &[("Ready", "False"), ("Reconciling", "True")];
const STALLED: Conditions = &[("Ready", "False"), ("Stalled", "True")];

impl Row {
    fn new(
        what: &'static str,
        object: impl Serialize,
        conditions: Conditions,
        (kstatus, argo): (&'static str, &'static str),
    ) -> Self {
        Self {
            what,
            object: serde_json::to_value(object).unwrap(),
            conditions,
            kstatus,
            argo,
        }
    }

    async fn domain(
        what: &'static str,
        stated: &Stated,
        conditions: Conditions,
        said: (&'static str, &'static str),
    ) -> Self {
        Self::new(what, stated.get().await, conditions, said)
    }

    async fn approval(
        what: &'static str,
        tenant: &Tenant,
        name: &str,
        conditions: Conditions,
        said: (&'static str, &'static str),
    ) -> Self {
        let api = Api::<DomainApproval>::namespaced(tenant.client.clone(), &tenant.namespace);
        Self::new(what, api.get(name).await.unwrap(), conditions, said)
    }

    async fn organization(
        what: &'static str,
        tenant: &Tenant,
        conditions: Conditions,
        said: (&'static str, &'static str),
    ) -> Self {
        let organization = tenant.organizations().get("acme").await.unwrap();
        Self::new(what, organization, conditions, said)
    }
}

const DONE: (&str, &str) = ("Current", "Healthy");
const UNDER_WAY: (&str, &str) = ("InProgress", "Progressing");
const BROKEN: (&str, &str) = ("Failed", "Degraded");
/// Nobody is to wait for a thing that may never come, nor to be told that it is there.
const DOUBTFUL: (&str, &str) = ("InProgress", "Degraded");
/// It goes away as soon as whoever keeps it lets it; Argo CD says so itself, and asks no script.
const GOING: (&str, &str) = ("Terminating", "Progressing");
/// The operator has not seen it as it is now.
const UNSEEN: (&str, &str) = ("InProgress", "Progressing");

fn is(kind: &'static str, value: &'static str) -> impl Fn(&OrganizationDomain) -> bool {
    move |object| condition(object, kind).is_some_and(|condition| condition.status == value)
}

/// What is under way, or can never be, with the durations that users have.
async fn pending() -> Vec<Row> {
    let world = World::new().await;
    let (main, other, suspended) = (
        world.tenant().await,
        world.tenant().await,
        world.tenant().await,
    );
    suspend(&suspended).await;
    let without = world.empty_tenant().await;
    let tenants = [&main, &other, &suspended, &without];
    let operator = world.operator(&tenants).every("1s").start().await;
    let pending = main.state("pending", &world.name("pending")).await;
    let held = world.verified(&main, "verified", &world.name("held")).await;
    let contender = other.state("contender", &held.domain).await;
    publish(&world.dns, &contender.challenge().await.records[0]);
    let paused = suspended.state("paused", &world.name("paused")).await;
    let orphan = without.state("orphan", &world.name("orphan")).await;
    let refused = main.state("refused", "example").await;
    pending.until_reason("RecordAbsent").await;
    contender.until_reason("HeldByAnother").await;
    paused.until_reason("NamespaceSuspended").await;
    orphan.until_reason("OrganizationMissing").await;
    refused.until_reason("NameRefused").await;
    assert!(operator.terminate().await.success());
    vec![
        Row::domain("pending", &pending, PENDING, UNDER_WAY).await,
        Row::domain("held by another", &contender, PENDING, UNDER_WAY).await,
        Row::domain("suspended", &paused, PENDING, ("InProgress", "Suspended")).await,
        Row::domain("organization missing", &orphan, PENDING, UNDER_WAY).await,
        Row::domain("refused by name", &refused, FAILED, BROKEN).await,
    ]
}

/// What is verified, with the durations that users have.
async fn verified() -> Vec<Row> {
    let world = World::new().await;
    let (main, left) = (world.tenant().await, world.tenant().await);
    let tenants = [&main, &left];
    let operator = world.operator(&tenants).every("1s").start().await;
    let verified = async |tenant: &Tenant, object: &str| {
        let domain = world.verified(tenant, object, &world.name(object)).await;
        domain.checked("again").await;
        domain
    };
    let proved = verified(&main, "proved").await;
    let changed = verified(&main, "changed").await;
    let missing = verified(&main, "missing").await;
    world.dns.remove(&missing.challenge().await.records[0].name);
    missing.request("once more").await;
    missing
        .until("its record is missing", is(RECORD_PRESENT, "False"))
        .await;
    let orphan = verified(&left, "orphan").await;
    until_it_counts(&main, 3).await;
    left.organizations()
        .delete("acme", &DeleteParams::default())
        .await
        .unwrap();
    orphan.until_reason("OrganizationMissing").await;
    assert!(operator.terminate().await.success());
    let joinable = json!({ "spec": { "joinable": true } });
    changed.patch(joinable).await.unwrap();
    vec![
        Row::domain("verified", &proved, VERIFIED, DONE).await,
        Row::domain("record missing in grace", &missing, RECORD_MISSING, DONE).await,
        Row::domain(
            "verified without organization",
            &orphan,
            HOLDER_WITHOUT_ORGANIZATION,
            DOUBTFUL,
        )
        .await,
        Row::domain("verified, then changed", &changed, VERIFIED, UNSEEN).await,
        Row::organization("organization", &main, READY, DONE).await,
    ]
}

async fn until_it_counts(tenant: &Tenant, verified: i64) {
    eventually("the organization is summed up", async || {
        let organization = tenant.organizations().get("acme").await.unwrap();
        let counts = organization.status.unwrap_or_default().counts;
        match counts.map(|counts| counts.verified) {
            Some(count) if count == verified => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn approvals() -> Vec<Row> {
    let world = World::new().await;
    let (main, other) = (world.tenant().await, world.tenant().await);
    let operator = world.operator(&[&main, &other]).every("1s").start().await;
    let held = world.verified(&main, "held", &world.name("held")).await;
    let contender = other.state("contender", &held.domain).await;
    publish(&world.dns, &contender.challenge().await.records[0]);
    let pending = main.state("pending", &world.name("pending")).await;
    // Approved before a check is made, as the test data has it.
    let by_hand = world.name("by-hand");
    let approved = Approval::of(&main, "approved", "by-hand", &by_hand, None).await;
    let by_hand = main.state("by-hand", &by_hand).await;
    let past = Some(Timestamp::now() - Duration::from_mins(1));
    let expired = Approval::of(&main, "expired", "pending", &pending.domain, past).await;
    let astray = Approval::of(&main, "astray", "nothing", "astray.example", None).await;
    let differs = Approval::of(&main, "differs", "pending", "differs.example", None).await;
    let against = Approval::of(&other, "against", "contender", &held.domain, None).await;
    approved.until_reason("Approved").await;
    expired.until_reason("ApprovalExpired").await;
    astray.until_reason("TargetMissing").await;
    differs.until_reason("DomainDiffers").await;
    against.until_reason("HeldByAnother").await;
    assert!(operator.terminate().await.success());
    let rows = [
        ("approved", &main, "approved", READY, DONE),
        ("approval expired", &main, "expired", STALLED, BROKEN),
        ("approval of nothing", &main, "astray", WAITING, UNDER_WAY),
        (
            "approval of another domain",
            &main,
            "differs",
            STALLED,
            BROKEN,
        ),
        (
            "approval against a holder",
            &other,
            "against",
            WAITING,
            UNDER_WAY,
        ),
    ];
    let mut read = vec![Row::domain("verified by hand", &by_hand, MANUAL, DONE).await];
    for (what, tenant, name, conditions, said) in rows {
        read.push(Row::approval(what, tenant, name, conditions, said).await);
    }
    read
}

/// What no operator has seen.
async fn fresh() -> Vec<Row> {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let domain = tenant.state("fresh", &world.name("fresh")).await;
    Approval::of(&tenant, "fresh", "fresh", &domain.domain, None).await;
    vec![
        Row::domain("fresh", &domain, &[], UNSEEN).await,
        Row::approval("fresh approval", &tenant, "fresh", &[], UNSEEN).await,
        Row::organization("fresh organization", &tenant, &[], UNSEEN).await,
    ]
}

async fn suspend(tenant: &Tenant) {
    let label = json!({ "metadata": { "labels": { SUSPENDED: "true" } } });
    Api::<Namespace>::all(tenant.client.clone())
        .patch(
            &tenant.namespace,
            &PatchParams::default(),
            &Patch::Merge(&label),
        )
        .await
        .unwrap();
}

/// From here on with durations that end in the test.
async fn window_over() -> Vec<Row> {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s");
    let operator = settings
        .with("--window", "1s")
        .with("--hand-over-period", "1s")
        .start()
        .await;
    let late = tenant.state("late", &world.name("late")).await;
    late.until_reason("WindowExpired").await;
    assert!(operator.terminate().await.success());
    vec![Row::domain("window over", &late, FAILED, BROKEN).await]
}

async fn record_lost() -> Vec<Row> {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "3s")
        .start()
        .await;
    let lost = world.verified(&tenant, "lost", &world.name("lost")).await;
    world.dns.remove(&lost.challenge().await.records[0].name);
    lost.until_reason("RecordLost").await;
    assert!(operator.terminate().await.success());
    vec![Row::domain("record lost", &lost, FAILED, BROKEN).await]
}

async fn handed_over() -> Vec<Row> {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let operator = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--hand-over-period", "3s")
        .start()
        .await;
    let name = world.name("sold");
    let seller = world.verified(&first, "seller", &name).await;
    let buyer = second.state("buyer", &name).await;
    let record = buyer.challenge().await.records[0].clone();
    world.dns.set_txt(&record.name, vec![record.value.clone()]);
    buyer.until_verified().await;
    seller.until_reason("HandedOver").await;
    assert!(operator.terminate().await.success());
    vec![
        Row::domain("handed over", &seller, FAILED, BROKEN).await,
        Row::domain("taken over", &buyer, VERIFIED, DONE).await,
    ]
}

async fn proof_stale() -> Vec<Row> {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--max-proof-age", "3s")
        .start()
        .await;
    let stale = world.verified(&tenant, "stale", &world.name("stale")).await;
    let missing = world
        .verified(&tenant, "missing", &world.name("missing"))
        .await;
    world.dns.remove(&missing.challenge().await.records[0].name);
    missing
        .until("its record is missing", is(RECORD_PRESENT, "False"))
        .await;
    world
        .dns
        .set_behaviour("*", Behaviour::Rcode(ResponseCode::ServFail));
    stale.until_reason("ProofStale").await;
    missing.until_reason("ProofStale").await;
    assert!(operator.terminate().await.success());
    vec![
        Row::domain("proof stale", &stale, STALE, DOUBTFUL).await,
        Row::domain(
            "proof stale and record missing",
            &missing,
            STALE_AND_MISSING,
            DOUBTFUL,
        )
        .await,
    ]
}

/// One domain more than its namespace may have checked.
async fn over_quota() -> Vec<Row> {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s");
    let settings = settings.with("--max-pending-per-namespace", "1");
    let operator = settings.start().await;
    let first = tenant.state("first", &world.name("first")).await;
    first.until_reason("RecordAbsent").await;
    let waiting = tenant.state("waiting", &world.name("waiting")).await;
    waiting.until_reason("QuotaExceeded").await;
    assert!(operator.terminate().await.success());
    vec![Row::domain("quota exceeded", &waiting, PENDING, UNDER_WAY).await]
}

/// One that gave its name up, and that somebody's finalizer keeps.
async fn deleting() -> Vec<Row> {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("1s").start().await;
    let going = world.verified(&tenant, "going", &world.name("going")).await;
    going
        .patch(json!({ "metadata": { "finalizers": ["example.com/keep"] } }))
        .await
        .unwrap();
    going.delete().await;
    going.until_reason("Deleting").await;
    world.until_released(&going.domain).await;
    assert!(operator.terminate().await.success());
    vec![Row::domain("deleting", &going, PENDING, GOING).await]
}

/// Every row; the operators that made them have stopped, so that they stay.
pub async fn all() -> Vec<Row> {
    let rows: Vec<Pin<Box<dyn Future<Output = Vec<Row>>>>> = vec![
        Box::pin(pending()),
        Box::pin(verified()),
        Box::pin(approvals()),
        Box::pin(fresh()),
        Box::pin(window_over()),
        Box::pin(record_lost()),
        Box::pin(handed_over()),
        Box::pin(proof_stale()),
        Box::pin(over_quota()),
        Box::pin(deleting()),
    ];
    join_all(rows).await.concat()
}
