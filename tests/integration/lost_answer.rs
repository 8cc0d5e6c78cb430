//! A call is carried out or not, and its answer never comes.

use axum::http::Method;
use freehold::api::conditions::RECORD_PRESENT;
use freehold_testbed::Behaviour;

use crate::support::{
    Approval, At, HttpProxy, OperatorSettings, Tenant, World, condition, eventually, publish,
};

/// An operator that waits two seconds for what the proxy holds.
fn operator(world: &World, tenants: &[&Tenant], proxy: &HttpProxy) -> OperatorSettings {
    world
        .operator(tenants)
        .with("--api-timeout", "2s")
        .kubeconfig(proxy.kubeconfig())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_is_told_though_the_release_fails_at_first() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&tenant], &proxy)
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace", "3s")
        .with("--grace-check-period", "1s")
        .start()
        .await;
    let domain = world.verified(&tenant, "main", &world.name("main")).await;
    let release = proxy.hold(At::Request, Method::DELETE, &domain.domain);
    let record = &domain.challenge().await.records[0];
    world.dns.remove(&record.name);
    release.came().await;
    domain.until_reason("RecordLost").await;
    world.until_released(&domain.domain).await;
    domain.until_event("RecordLost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_above_hears_of_a_name_whose_taking_was_not_answered() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&first, &second], &proxy)
        .every("1s")
        .start()
        .await;
    let above = world.name("above");
    let parent = world.verified(&first, "parent", &above).await;
    let below = format!("below.{above}");
    let child = second.state("child", &below).await;
    let record = child.challenge().await.records[0].clone();
    let taking = proxy.hold(At::Answer, Method::POST, "/verifieddomains");
    publish(&world.dns, &record);
    taking.came().await;
    child.until_verified().await;
    let event = parent.until_event("SubdomainVerified").await;
    assert!(event.note.unwrap().contains(&below));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_without_an_answer_is_told() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&tenant], &proxy)
        .every("1h")
        .start()
        .await;
    let domain = tenant.state("main", &world.name("main")).await;
    domain.challenge().await;
    let status = proxy.hold(At::Answer, Method::PUT, "/organizationdomains/main/status");
    tenant.suspend(true).await;
    status.came().await;
    domain.until_event("NamespaceSuspended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_above_hears_of_an_approval_whose_status_was_not_answered() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&first, &second], &proxy)
        .every("1s")
        .start()
        .await;
    let above = world.name("above");
    let parent = world.verified(&first, "parent", &above).await;
    let below = format!("below.{above}");
    let child = second.state("child", &below).await;
    child.until_reason("RecordAbsent").await;
    let status = proxy.hold(At::Answer, Method::PUT, "/organizationdomains/child/status");
    Approval::of(&second, "approval", "child", &below, None).await;
    status.came().await;
    let event = parent.until_event("SubdomainVerified").await;
    assert!(event.note.unwrap().contains(&below));
}

/// By the schedule the next one would come within twenty minutes; after a failure it comes within fifty
/// seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_made_again_where_the_look_fails_after_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settled = world.operator(&[&tenant]).start().await;
    let domain = world.verified(&tenant, "main", &world.name("main")).await;
    settled.terminate().await;
    domain.set_overdue().await;
    let record = domain.challenge().await.records[0].name.clone();
    world.dns.remove(&record);
    world.dns.set_behaviour(&record, Behaviour::DelayMs(3000));
    let asked = world.dns.queries_for(&record);
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&tenant], &proxy)
        .with("--recheck-period", "20m")
        .start()
        .await;
    eventually("the record is asked for", async || {
        let queries = world.dns.queries_for(&record);
        (queries > asked).then_some(()).ok_or(queries)
    })
    .await;
    // It has to be read anew, and cannot.
    let read = proxy.hold(At::Request, Method::GET, "/organizationdomains/main");
    domain.annotate("example.com/changed", "meanwhile").await;
    read.came().await;
    domain
        .until("its record is missing", |object| {
            condition(object, RECORD_PRESENT).is_some_and(|c| c.status == "False")
        })
        .await;
}
