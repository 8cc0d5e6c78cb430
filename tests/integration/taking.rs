//! What changes between the last look at an object and the taking of its name.

use axum::http::Method;

use crate::support::{At, HttpProxy, OperatorProcess, Tenant, World, publish};

/// An operator that waits for what the proxy holds, and checks when it is asked to.
async fn operator(world: &World, tenants: &[&Tenant], proxy: &HttpProxy) -> OperatorProcess {
    let settings = world.operator(tenants).every("7d");
    let settings = settings.with("--api-timeout", "1m");
    settings.kubeconfig(proxy.kubeconfig()).start().await
}

/// Returns once the operator has heard of what was done before.
async fn told_since(world: &World, tenant: &Tenant) {
    let since = tenant.state("since", &world.name("since")).await;
    since.challenge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_taken_for_an_object_that_is_gone_is_given_back_at_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&tenant], &proxy).await;
    let domain = tenant.state("main", &world.name("main")).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    // The answer is as old as that of an API server that is behind.
    let read = proxy.hold(At::Answer, Method::GET, "/organizationdomains/main");
    let taken = proxy.hold(At::Answer, Method::POST, "/verifieddomains");
    domain.request("1").await;
    read.came().await;
    domain.delete().await;
    told_since(&world, &tenant).await;
    read.let_go();
    taken.came().await;
    assert!(world.holding(&domain.domain).await.is_some());
    taken.let_go();
    world.until_released(&domain.domain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_is_told_while_the_last_look_is_under_way_counts() {
    let world = World::new().await;
    let tenants = [world.tenant().await, world.tenant().await];
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = operator(&world, &[&tenants[0], &tenants[1]], &proxy).await;
    let namespace = format!("/namespaces/{}", tenants[0].namespace);
    let object = format!(
        "/namespaces/{}/organizationdomains/main",
        tenants[1].namespace
    );
    for (n, last_look) in [namespace, object].iter().enumerate() {
        let tenant = &tenants[n];
        let beside = tenant
            .state("beside", &world.name(&format!("beside-{n}")))
            .await;
        beside.challenge().await;
        let name = world.name(&format!("main-{n}"));
        let domain = tenant.state("main", &name).await;
        publish(&world.dns, &domain.challenge().await.records[0]);
        let read = proxy.hold(At::Answer, Method::GET, last_look);
        domain.request("1").await;
        read.came().await;
        tenant.suspend(true).await;
        beside.until_reason("NamespaceSuspended").await;
        read.let_go();
        domain.until_reason("NamespaceSuspended").await;
        assert!(world.holding(&domain.domain).await.is_none());
        tenant.suspend(false).await;
        domain.until_verified().await;
    }
}
