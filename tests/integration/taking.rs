//! What changes between the last look at an object and the taking of its name.

use axum::http::Method;

use crate::support::{At, HttpProxy, World, publish};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_taken_for_an_object_that_is_gone_is_given_back_at_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = world
        .operator(&[&tenant])
        .every("7d")
        .kubeconfig(proxy.kubeconfig())
        .start()
        .await;
    let domain = tenant.state("main", &world.name("main")).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    let taking = proxy.hold(At::Request, Method::POST, "/verifieddomains");
    let written = proxy.hold(At::Request, Method::PUT, "/organizationdomains/main/status");
    domain.request("1").await;
    taking.came().await;
    domain.delete().await;
    taking.let_go();
    written.came().await;
    assert!(world.holding(&domain.domain).await.is_some());
    written.let_go();
    world.until_released(&domain.domain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_is_told_while_the_namespace_is_read_counts() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = world
        .operator(&[&tenant])
        .every("7d")
        .kubeconfig(proxy.kubeconfig())
        .start()
        .await;
    let (domain, beside) = (
        tenant.state("main", &world.name("main")).await,
        tenant.state("beside", &world.name("beside")).await,
    );
    beside.challenge().await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    let path = format!("/namespaces/{}", tenant.namespace);
    let read = proxy.hold(At::Answer, Method::GET, &path);
    domain.request("1").await;
    read.came().await;
    tenant.suspend(true).await;
    beside.until_reason("NamespaceSuspended").await;
    read.let_go();
    domain.until_reason("NamespaceSuspended").await;
    assert!(world.holding(&domain.domain).await.is_none());
    tenant.suspend(false).await;
    domain.request("2").await;
    domain.until_verified().await;
}
