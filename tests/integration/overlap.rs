//! A name below another one that is held.

use crate::support::{Approval, Stated, World, publish};

async fn told(domain: &Stated) -> Vec<String> {
    domain
        .events()
        .await
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some("SubdomainVerified"))
        .map(|event| event.note.unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_hears_of_another_organization_below_its_name() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world.operator(&[&first, &second]).every("1s").start().await;
    let above = world.name("above");
    let parent = world.verified(&first, "parent", &above).await;
    // The same organization below itself is nobody's business.
    let own = format!("own.{above}");
    world.verified(&first, "own", &own).await;

    let below = format!("below.{above}");
    let child = world.verified(&second, "child", &below).await;
    let event = parent.until_event("SubdomainVerified").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let note = event.note.unwrap();
    assert!(note.contains(&below), "{note}");
    for secret in [&second.namespace, &child.uid] {
        assert!(!note.contains(secret), "{note}");
    }

    // Only the nearest holder hears of the next one, which another organization of its own
    // namespace proves.
    second.organization("other").await;
    let deep = format!("deep.er.{below}");
    let grandchild = second.state_for("other", "grandchild", &deep).await;
    publish(&world.dns, &grandchild.challenge().await.records[0]);
    grandchild.until_verified().await;
    let event = child.until_event("SubdomainVerified").await;
    assert!(event.note.unwrap().contains(&deep));

    // An approval is no different.
    let approved = format!("approved.{above}");
    let by_hand = second.state("by-hand", &approved).await;
    Approval::of(&second, "approval", "by-hand", &approved, None).await;
    by_hand.until_verified().await;
    let mut notes = told(&parent).await;
    crate::support::eventually("the parent hears of both", async || {
        notes = told(&parent).await;
        if notes.len() < 2 {
            Err(format!("{notes:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes.iter().any(|note| note.contains(&approved)),
        "{notes:?}"
    );
    assert_eq!(told(&child).await.len(), 1);
    // Nobody below loses or gains anything of the name above.
    assert_eq!(
        world.holding(&above).await.unwrap().spec.holder.uid,
        parent.uid
    );
}
