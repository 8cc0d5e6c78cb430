//! Objects that the API server takes and the types of this program do not hold. A tenant gains nothing by
//! them, and nobody else loses.

use freehold::api::{OrganizationDomain, State};
use freehold::backup::LeftOut;
use freehold::cluster::objects::Objects;
use http::Request;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::plugin::Caller;
use crate::support::{Stated, World, eventually, publish, ready_reason, status};

/// The last second of Go's last year.
const FAR: &str = "9999-12-31T23:59:59Z";

#[derive(Clone, Copy)]
enum Poison {
    Time,
    Depth,
}

impl Poison {
    /// An entry of managed fields.
    fn entry(self) -> Value {
        let mut fields = json!({ "f:spec": { "f:domain": {} } });
        let mut time = "2026-01-01T00:00:00Z";
        match self {
            Self::Time => time = FAR,
            Self::Depth => {
                for _ in 0..150 {
                    fields = json!({ "f:spec": fields });
                }
            }
        }
        json!({
            "manager": "x",
            "operation": "Update",
            "apiVersion": "freehold.dev/v1alpha1",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
            "time": time,
        })
    }
}

/// As a tenant does who may edit its own objects.
async fn poison(domain: &Stated, poison: Poison, finalizers: &[&str]) {
    eventually("the object is poisoned", async || {
        let change = |object: &mut Value| {
            let metadata = &mut object["metadata"];
            let managed = metadata["managedFields"].as_array_mut().unwrap();
            managed.push(poison.entry());
            metadata["finalizers"] = json!(finalizers);
        };
        let written = domain.rewrite(change).await;
        written.map_err(|error| error.to_string())
    })
    .await;
    // No type of the library holds it.
    domain.api.get(&domain.object).await.unwrap_err();
}

async fn read(domain: &Stated) -> Result<OrganizationDomain, String> {
    let objects = Objects::namespaced(domain.client.clone(), &domain.namespace);
    let object = objects.get(&domain.object).await;
    let object = object.map_err(|error| error.to_string())?;
    object.0.map_err(|error| error.to_string())
}

async fn until_reason(domain: &Stated, reason: &str) {
    let what = format!("{} is {reason}", domain.object);
    eventually(&what, async || {
        let object = read(domain).await?;
        let found = ready_reason(&object);
        if found == reason { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_object_no_type_holds_loses_its_name_like_any_other() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world
        .operator(&[&tenant])
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "6s")
        .start()
        .await;
    let mut holders = Vec::new();
    for (name, kind) in [("time", Poison::Time), ("depth", Poison::Depth)] {
        let holder = world.verified(&tenant, name, &world.name(name)).await;
        let challenge = holder.challenge().await;
        poison(&holder, kind, &[]).await;
        world.dns.remove(&challenge.records[0].name);
        holders.push((holder, challenge.token));
    }
    for (holder, _) in &holders {
        until_reason(holder, "RecordLost").await;
        world.until_released(&holder.domain).await;
    }
    let log = operator.log();
    for (_, token) in &holders {
        assert!(!log.contains(token), "a token is in the log");
    }
    assert!(!log.contains(FAR) && !log.contains("managedFields"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_no_type_holds_is_in_nobodys_way() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let settings = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--hand-over-period", "3s");
    let operator = settings.start().await;
    let sold = world.name("sold");
    let holder = world.verified(&first, "sold", &sold).await;
    let gone = world.verified(&first, "gone", &world.name("gone")).await;
    let pending = first.state("pending", &world.name("pending")).await;
    let challenge = pending.challenge().await;
    poison(&holder, Poison::Time, &[]).await;
    poison(&gone, Poison::Depth, &["tenant.example/mine"]).await;
    poison(&pending, Poison::Depth, &[]).await;

    // Its own way goes on.
    publish(&world.dns, &challenge.records[0]);
    eventually("it is verified", async || {
        let state = status(&read(&pending).await?).state;
        match state {
            Some(State::Verified) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // Deleted, and kept by a finalizer that nobody takes off.
    let delete = Request::delete(gone.path()).body(Vec::new()).unwrap();
    gone.client.request_text(delete).await.unwrap();
    world.until_released(&gone.domain).await;
    assert!(
        read(&gone)
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    );

    // The name's new owner.
    let contender = second.state("bought", &sold).await;
    let new = contender.challenge().await.records[0].clone();
    world.dns.set_txt(&new.name, vec![new.value.clone()]);
    contender.until_verified().await;
    until_reason(&holder, "HandedOver").await;
    let holding = world.holding(&sold).await.unwrap();
    assert_eq!(holding.spec.holder.uid, contender.uid);

    // A start with such objects.
    assert!(operator.terminate().await.success());
    let _operator = settings.start().await;

    let mut exported = Vec::new();
    let left_out = freehold::backup::export(&first.client, &mut exported).await;
    let unreadable = left_out.unwrap().left_out.into_iter().any(|left_out| {
        matches!(left_out, LeftOut::Invalid { name, .. } if name.starts_with(&first.namespace))
    });
    assert!(!unreadable);
    let exported = String::from_utf8(exported).unwrap();
    for domain in [&holder, &pending] {
        assert!(
            exported.contains(&domain.uid),
            "{} is missing",
            domain.object
        );
    }
    assert!(!exported.contains("managedFields"));
    let caller = Caller::with_kubeconfig(&first, &world.cluster.kubeconfig);
    let told = caller.freehold(&["status"]).await;
    assert_eq!((told.code, told.error.as_str()), (Some(0), ""), "{told:?}");
    for domain in [&holder, &pending] {
        assert!(told.out.contains(&domain.object), "{told:?}");
    }
    let told = caller.freehold(&["status", "pending"]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(read(&pending).await.unwrap().finalizers().is_empty());
}
