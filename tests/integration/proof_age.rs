//! A proof that could not be renewed for long.

use freehold::api::conditions::{READY, VERIFIED};
use freehold::api::{OrganizationDomain, State};
use freehold_testbed::{Behaviour, ResponseCode};

use crate::support::{World, condition, eventually, ready_message, status};

fn is(object: &OrganizationDomain, kind: &str, value: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition.status == value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_too_old_is_not_relied_on_and_costs_nothing_else() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--max-proof-age", "3s")
        .with("--grace", "1s")
        .with("--grace-check-period", "300ms")
        .start()
        .await;
    let name = world.name("stale");
    let domain = world.verified(&tenant, "main", &name).await;
    let holding = world.holding(&name).await.unwrap();
    let listed = async |wanted: &[String]| {
        eventually("the organization's summary follows", async || {
            let organization = tenant.organizations().get("acme").await.unwrap();
            let listed = organization.status.unwrap_or_default().verified_domains;
            if listed == wanted {
                Ok(())
            } else {
                Err(format!("{listed:?}"))
            }
        })
        .await;
    };
    listed(std::slice::from_ref(&name)).await;

    let fails = Behaviour::Rcode(ResponseCode::ServFail);
    world.dns.set_behaviour("*", fails);
    let stale = domain.until_reason("ProofStale").await;
    assert_eq!(status(&stale).state, Some(State::Verified));
    assert!(is(&stale, VERIFIED, "Unknown") && is(&stale, READY, "False"));
    assert!(ready_message(&stale).contains("still holds the domain"));
    let event = domain.until_event("ProofStale").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    listed(&[]).await;
    // However long it lasts, it is no loss: six checks more, and the grace is over thrice.
    let asked = world.dns.queries();
    eventually("checks go on", async || match world.dns.queries() - asked {
        0..12 => Err("not yet"),
        _ => Ok(()),
    })
    .await;
    assert_eq!(status(&domain.get().await).state, Some(State::Verified));

    world.dns.set_behaviour("*", Behaviour::Normal);
    let back = domain
        .until("it is relied on again", |object| {
            is(object, VERIFIED, "True")
        })
        .await;
    assert!(is(&back, READY, "True"));
    assert!(status(&back).last_proven_time > status(&stale).last_proven_time);
    assert_eq!(status(&back).verified_time, status(&stale).verified_time);
    listed(std::slice::from_ref(&name)).await;
    let now = world.holding(&name).await.unwrap();
    assert_eq!(
        now.metadata.resource_version,
        holding.metadata.resource_version
    );
    let events = domain.events().await;
    let told = events
        .iter()
        .filter(|e| e.reason.as_deref() == Some("ProofStale"));
    assert_eq!(told.count(), 1);
}
