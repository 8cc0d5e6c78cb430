//! Objects that have no room for a status: a tenant filled them up to the last octets that etcd takes. No name
//! is held by that, and somebody hears of it.

use futures::future::join_all;
use serde_json::json;

use crate::support::{Approval, OperatorProcess, Stated, World, eventually};

/// The longest request that etcd takes.
const REQUEST: usize = 1_572_864;
/// What a write puts into it beside the object and three times its key.
const ENVELOPE: usize = 22;
/// Less than any status adds to an object without managed fields, which its first writer is entered in.
const ROOM: usize = 32;

/// Fills the object in one write: the name of an owner may have any length, and the API server hardly looks at
/// it.
async fn fill(domain: &Stated) {
    let (namespace, name) = (&domain.namespace, &domain.object);
    let key = format!("/registry/freehold.dev/organizationdomains/{namespace}/{name}");
    let put = async |to: usize| {
        let owner = |name: String| json!([{ "apiVersion": "v1", "kind": "Nothing", "name": name, "uid": "x" }]);
        domain
            .rewrite(|object| {
                let metadata = object["metadata"].as_object_mut().unwrap();
                metadata.remove("managedFields");
                // It is not stored.
                let version = metadata.remove("resourceVersion").unwrap();
                metadata.insert("ownerReferences".to_owned(), owner(String::new()));
                let size = object.to_string().len() + 3 * key.len() + ENVELOPE;
                let metadata = &mut object["metadata"];
                metadata["resourceVersion"] = version;
                metadata["ownerReferences"] = owner("x".repeat(to - size));
                metadata["managedFields"] = json!([{}]);
            })
            .await
    };
    put(REQUEST - ROOM).await.unwrap();
    put(REQUEST + ROOM).await.unwrap_err();
}

async fn unwritten(operator: &OperatorProcess) -> u64 {
    operator.metric("freehold_unwritten_statuses", "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_no_room_for_a_status_keeps_no_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "3s");
    let operator = settings.start().await;
    let (proved, approved) = (world.name("proved"), world.name("approved"));
    let by_record = world.verified(&tenant, "proved", &proved).await;
    let by_hand = tenant.state("approved", &approved).await;
    let approval = Approval::of(&tenant, "approval", "approved", &approved, None).await;
    by_hand.until_verified().await;
    assert!(operator.terminate().await.success());
    // Before its first status.
    let new = tenant.state("new", &world.name("new")).await;
    let all = [&by_record, &by_hand, &new];
    join_all(all.map(fill)).await;
    let record = &by_record.challenge().await.records[0].name;
    world.dns.remove(record);
    approval.remove().await;

    let operator = settings.start().await;
    for domain in all {
        domain.until_event("ObjectTooLarge").await;
    }
    assert_eq!(unwritten(&operator).await, 3);
    // What is in memory alone is decided anew.
    assert!(operator.terminate().await.success());
    let operator = settings.start().await;
    world.until_released(&approved).await;
    world.until_released(&proved).await;
    // Each outcome was said once, and not with each of the checks.
    let events = by_record.events().await.into_iter();
    let said = events.filter(|event| event.reason.as_deref() == Some("ObjectTooLarge"));
    assert!((1..=3).contains(&said.count()));

    // What was decided is written once there is room.
    let no_owners = json!({ "metadata": { "ownerReferences": null } });
    for (domain, reason) in [(&by_record, "RecordLost"), (&by_hand, "RecordAbsent")] {
        domain.patch(no_owners.clone()).await.unwrap();
        domain.until_reason(reason).await;
    }
    new.patch(no_owners).await.unwrap();
    new.challenge().await;
    eventually("nothing is unwritten", async || {
        match unwritten(&operator).await {
            0 => Ok(()),
            count => Err(count.to_string()),
        }
    })
    .await;
}
