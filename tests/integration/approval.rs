//! What an administrator's approval does, where it ends, and what it cannot do.

use std::time::Duration;

use freehold::api::conditions::{READY, STALLED};
use freehold::api::spec_time::SpecTime;
use freehold::api::{DomainApproval, State, Strategy, conditions};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::support::{
    Approval, PrivatePlane, Stated, World, eventually, publish, ready_message, ready_reason,
    status, uid,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_ends_when_it_expires_and_the_name_is_free() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world.operator(&[&first, &second]).every("1s").start().await;
    let name = world.name("expires");
    let domain = first.state("main", &name).await;
    let waits = second.state("waits", &name).await;
    let expiry = Timestamp::now() + Duration::from_hours(1);
    let approval = Approval::of(&first, "approval", "main", &name, Some(expiry)).await;
    let manual = domain.until_verified().await;
    assert_eq!(status(&manual).strategy, Some(Strategy::Manual));
    approval.until_reason("Approved").await;
    publish(&world.dns, &waits.challenge().await.records[0]);
    waits.until_reason("HeldByAnother").await;

    approval
        .set_expiry(Some(Timestamp::now() + Duration::from_secs(2)))
        .await;
    domain.until_event("ApprovalEnded").await;
    let ended = approval.until_reason("ApprovalExpired").await;
    assert_eq!(conditions::find(&ended, READY).unwrap().status, "False");
    assert_eq!(conditions::find(&ended, STALLED).unwrap().status, "True");
    waits.until_verified().await;
    assert_eq!(status(&domain.get().await).state, Some(State::Pending));
    assert_eq!(
        world.holding(&name).await.unwrap().spec.holder.uid,
        waits.uid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_domain_says_until_when_it_is_approved_by_now() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.name("prolonged")).await;
    let in_hours = |hours| {
        let time = Timestamp::now() + Duration::from_hours(hours);
        (time, time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    let (first, first_text) = in_hours(1);
    let approval = Approval::of(&tenant, "approval", "main", &domain.domain, Some(first)).await;
    let says = async |text: &str| {
        let what = format!("the message has {text:?}");
        domain
            .until(&what, |object| ready_message(object).contains(text))
            .await
    };
    says(&first_text).await;
    let (later, later_text) = in_hours(9);
    approval.set_expiry(Some(later)).await;
    says(&later_text).await;
    approval.set_expiry(None).await;
    let says_no_end = says("approved by hand. ").await;
    assert_eq!(status(&says_no_end).state, Some(State::Verified));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_one_object_and_one_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let (approved, other) = (world.name("approved"), world.name("other"));
    let before = tenant.state("main", &approved).await;
    let missing = Approval::of(&tenant, "missing", "nobody", &approved, None).await;
    let right = Approval::of(&tenant, "right", "main", &approved, None).await;
    let neighbour = tenant.state("neighbour", &approved).await;
    before.until_verified().await;
    missing.until_reason("TargetMissing").await;

    // An object of the same name for another domain is not the one that was approved.
    before.delete().await;
    let after = tenant.state("main", &other).await;
    right.until_reason("DomainDiffers").await;
    world.until_released(&approved).await;
    after.until_reason("RecordAbsent").await;
    neighbour.until_reason("RecordAbsent").await;
    assert!(world.own_holdings().await.is_empty());

    // Once more for the approved one.
    after.delete().await;
    let again = tenant.state("main", &approved).await;
    again.until_verified().await;
    right.until_reason("Approved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_follows_no_name_to_another_organization_or_object() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.organization("evil").await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let name = world.name("followed");
    let approved = tenant.state("main", &name).await;
    let approval = Approval::of(&tenant, "any-object", "main", &name, None).await;
    approved.until_verified().await;
    approved.delete().await;
    let evil = tenant.state_for("evil", "main", &name).await;
    approval
        .until_it_says("DomainDiffers", "a different organization")
        .await;
    evil.until_reason("RecordAbsent").await;
    world.until_released(&name).await;
    evil.delete().await;
    approval.remove().await;

    let approved = tenant.state("main", &name).await;
    let approval = Approval::of_object(&tenant, "this-object", &approved).await;
    approved.until_verified().await;
    approved.delete().await;
    let again = tenant.state("main", &name).await;
    approval
        .until_it_says("DomainDiffers", "a different uid")
        .await;
    again.until_reason("RecordAbsent").await;
    world.until_released(&name).await;
}

fn approval_of(name: &str, domain: &Stated, spec: &Value) -> DynamicObject {
    let mut object = DynamicObject::new(name, &ApiResource::erase::<DomainApproval>(&()));
    object.data = json!({ "spec": {
        "organizationDomainRef": { "name": domain.object },
        "domain": domain.domain, "reason": "a contract shows it"
    } });
    for (field, value) in spec.as_object().unwrap() {
        object.data["spec"][field] = value.clone();
    }
    object
}

/// The CRDs as they were before they bounded times and required an organization.
fn earlier_definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = freehold::api::crds();
    let approvals = definitions
        .iter_mut()
        .find(|crd| crd.spec.names.kind == "DomainApproval")
        .unwrap();
    for version in &mut approvals.spec.versions {
        let schema = version.schema.as_mut().unwrap();
        let root = schema.open_api_v3_schema.as_mut().unwrap();
        let spec = root.properties.as_mut().unwrap().get_mut("spec").unwrap();
        spec.x_kubernetes_validations = None;
        let fields = spec.properties.as_mut().unwrap();
        let time = fields.get_mut("expiryTime").unwrap();
        time.pattern = None;
        time.x_kubernetes_validations = None;
    }
    definitions
}

const REFUSED_TIMES: [&str; 12] = [
    "9999-12-31T23:59:59Z",
    "9999-01-01T00:00:00Z",
    "9998-12-31T23:59:59-01:00",
    "1969-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "2030-01-01T00:00:00,5Z",
    "2030-01-01T00:00:00.1234567891Z",
    "2030-01-01T00:00:00+24:00",
    "2030-01-01T00:00:00+01:60",
    "2030-01-01t00:00:00Z",
    "2030-02-30T00:00:00Z",
    "2030-01-01T00:00:60Z",
];

const TAKEN_TIMES: [&str; 4] = [
    "1970-01-01T00:00:00Z",
    "2030-01-01T00:00:00.5+14:00",
    "9998-12-31T23:59:59.999999999Z",
    "9999-01-01T00:00:00+01:00",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_no_definition_takes_by_now_says_why_it_does_not_stand() {
    let private = PrivatePlane::start().await;
    let cluster = private.cluster().await;
    cluster.install(earlier_definitions()).await;
    let world = World::on(cluster).await;
    let tenant = world.tenant().await;
    let domain = tenant.state("main", &world.name("earlier")).await;
    let api = Api::<DynamicObject>::namespaced_with(
        tenant.client.clone(),
        &tenant.namespace,
        &ApiResource::erase::<DomainApproval>(&()),
    );
    let for_ever = json!({ "organization": "acme", "expiryTime": REFUSED_TIMES[0] });
    let of_nobody = json!({});
    for (name, spec) in [("for-ever", &for_ever), ("of-nobody", &of_nobody)] {
        let object = approval_of(name, &domain, spec);
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    world.cluster.install(freehold::api::crds()).await;
    let tried = async |spec: Value| {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let object = approval_of("tried", &domain, &spec);
        match api.create(&params, &object).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    };
    eventually("the CRD requires an organization", async || {
        let refusal = tried(of_nobody.clone()).await.err().ok_or("taken")?;
        assert!(refusal.contains("organization is required"), "{refusal}");
        Ok::<_, &str>(())
    })
    .await;
    let at = |time: &str| json!({ "organization": "acme", "expiryTime": time });
    for time in REFUSED_TIMES {
        let refusal = tried(at(time)).await.expect_err(time);
        assert!(refusal.contains("spec.expiryTime"), "{time}: {refusal}");
    }
    for time in TAKEN_TIMES {
        tried(at(time)).await.expect(time);
        let time = SpecTime::from(time.to_owned());
        assert!(matches!(time, SpecTime::At(_)), "{time:?}");
    }

    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let for_ever = Approval::named(&tenant, "for-ever");
    let of_nobody = Approval::named(&tenant, "of-nobody");
    for_ever
        .until_it_says("ApprovalExpired", "years 1970 to 9998")
        .await;
    of_nobody
        .until_it_says("DomainDiffers", "Add spec.organization")
        .await;
    domain.until_reason("RecordAbsent").await;
    of_nobody.set(json!({ "organization": "acme" })).await;
    of_nobody.until_reason("Approved").await;
    domain.until_verified().await;
    drop(private);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_approval_overrides_a_refused_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    for (object, name) in [
        ("suffix", "co.uk"),
        ("mail", "gmail.com"),
        ("special", "localhost"),
    ] {
        let domain = tenant.state(object, name).await;
        let approval = Approval::of(&tenant, object, object, name, None).await;
        let says = approval.until_reason("NameRefused").await;
        assert_eq!(conditions::find(&says, STALLED).unwrap().status, "True");
        let refused = domain.until_reason("NameRefused").await;
        assert_eq!(status(&refused).state, Some(State::Failed));
        assert!(world.holding(name).await.is_none());
    }
}

/// Events about cluster-scoped objects.
async fn events_about(world: &World, uid: &str) -> Vec<Event> {
    Api::<Event>::namespaced(world.cluster.client.clone(), "default")
        .list(&ListParams::default())
        .await
        .unwrap()
        .into_iter()
        .filter(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|object| object.uid.as_deref()) == Some(uid)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_holder_yields_to_no_proof_and_administrators_hear_of_it() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--hand-over-period", "1s")
        .start()
        .await;
    let name = world.name("by-contract");
    let holder = first.state("holder", &name).await;
    let approval = Approval::of(&first, "approval", "holder", &name, None).await;
    holder.until_verified().await;
    let holding = world.holding(&name).await.unwrap();
    let contender = second.state("contender", &name).await;
    let record = contender.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    contender.until_reason("HeldByAnother").await;
    let event = eventually("administrators hear of it", async || {
        let mut events = events_about(&world, &uid(&holding)).await;
        events.pop().ok_or("no Event yet")
    })
    .await;
    assert_eq!(event.reason.as_deref(), Some("HeldByApproval"));
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let note = event.note.unwrap();
    let who = format!("{}/contender", second.namespace);
    assert!(note.contains(&who) && note.contains("acme"), "{note}");

    // Checks enough for a hand-over: nothing passes on, nothing is told again.
    let asked = world.dns.queries_for(&record.name);
    eventually("six more checks", async || {
        match world.dns.queries_for(&record.name) - asked {
            0..6 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;
    let held = contender.get().await;
    assert_eq!(ready_reason(&held), "HeldByAnother");
    assert_eq!(status(&held).hand_over, None);
    assert_eq!(world.holding(&name).await.unwrap().spec, holding.spec);
    assert_eq!(events_about(&world, &uid(&holding)).await.len(), 1);
    assert_eq!(status(&holder.get().await).state, Some(State::Verified));

    // An approval of the contender waits for the holder's.
    let waits = Approval::of(&second, "waits", "contender", &name, None).await;
    waits.until_reason("HeldByAnother").await;
    approval.remove().await;
    contender.until_verified().await;
    waits.until_reason("Approved").await;
    holder.until_state(State::Pending).await;
    let holding = world.holding(&name).await.unwrap();
    assert_eq!(holding.spec.holder.uid, contender.uid);
    assert_eq!(holding.spec.strategy, Strategy::Manual);
}
