//! Organizations: missing, there again, and summed up.

use std::time::Instant;

use futures::future::join_all;
use kube::api::DeleteParams;

use freehold::api::State;

use crate::support::{History, World, eventually, publish, ready_message, status};

#[tokio::test(flavor = "multi_thread")]
async fn without_its_organization_a_domain_says_so_and_is_not_checked() {
    let world = World::new().await;
    let tenant = world.empty_tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state_for("late", "main", &world.name("late")).await;
    let missing = domain.until_reason("OrganizationMissing").await;
    assert_eq!(status(&missing).state, Some(State::Pending));
    assert!(ready_message(&missing).contains("Organization late does not exist"));
    domain.until_event("OrganizationMissing").await;
    assert_eq!(world.dns.queries(), 0);

    tenant.organization("late").await;
    let challenge = domain.challenge().await;
    let record = &challenge.records[0];
    domain.until_reason("RecordAbsent").await;

    // Gone again: the token stays, the window stands still.
    tenant
        .organizations()
        .delete("late", &DeleteParams::default())
        .await
        .unwrap();
    let paused = domain.until_reason("OrganizationMissing").await;
    assert!(status(&paused).paused_time.is_some());
    publish(&world.dns, record);
    let asked = world.dns.queries();
    // A request is handled, and is no way round it.
    let handled = domain.checked("1").await;
    assert_eq!(status(&handled).state, Some(State::Pending));
    assert_eq!(world.dns.queries(), asked);

    tenant.organization("late").await;
    let verified = domain.until_verified().await;
    assert_eq!(status(&verified).challenge.unwrap().token, challenge.token);
    assert_eq!(status(&verified).paused_time, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_domain_outlives_its_organization_by_the_grace() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s");
    let operator = settings.start().await;
    let domain = tenant.state("main", &world.name("grace")).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.until_verified().await;
    tenant
        .organizations()
        .delete("acme", &DeleteParams::default())
        .await
        .unwrap();
    let paused = domain.until_reason("OrganizationMissing").await;
    assert_eq!(status(&paused).state, Some(State::Verified));
    assert!(domain.holding().await.is_some());
    assert!(operator.terminate().await.success());
    let _operator = settings
        .with("--grace-check-period", "1s")
        .with("--grace", "3s")
        .start()
        .await;
    domain.until_state(State::Pending).await;
    world.until_released(&domain.domain).await;
    domain.get().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_back_within_the_grace_costs_nothing() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "60s")
        .start()
        .await;
    let domain = world.verified(&tenant, "main", &world.name("back")).await;
    let record = domain.challenge().await.records[0].name.clone();
    let holding = domain.holding().await.unwrap();
    let first = status(&domain.get().await);
    // Away twice: each time has a grace of its own.
    let mut away = Vec::new();
    for _ in 0..2 {
        tenant
            .organizations()
            .delete("acme", &DeleteParams::default())
            .await
            .unwrap();
        let paused = domain.until_reason("OrganizationMissing").await;
        away.push(status(&paused).paused_time.unwrap().0);
        assert_eq!(status(&paused).state, Some(State::Verified));
        let asked = world.dns.queries_for(&record);
        // Its record is looked for all the same, and a request is answered.
        domain.checked(&format!("away-{}", away.len())).await;
        eventually("it is checked thrice", async || {
            match world.dns.queries_for(&record) - asked {
                0..3 => Err("not yet"),
                _ => Ok(()),
            }
        })
        .await;
        tenant.organization("acme").await;
        domain.until_reason("Verified").await;
        domain.checked(&format!("back-{}", away.len())).await;
    }
    let kept = status(&domain.get().await);
    assert_eq!(kept.paused_time, None);
    assert_eq!(kept.verified_time, first.verified_time);
    let now = domain.holding().await.unwrap();
    assert_eq!(
        now.metadata.resource_version,
        holding.metadata.resource_version
    );
    assert!(away[1] > away[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_summed_up_at_most_once_in_five_seconds() {
    const DOMAINS: usize = 40;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let history = History::of(tenant.organizations()).await;
    let start = Instant::now();
    let stated = join_all((0..DOMAINS).map(|n| {
        let (tenant, domain) = (&tenant, world.name(&format!("d{n:02}")));
        async move { tenant.state(&format!("d{n}"), &domain).await }
    }))
    .await;
    // The last one stays pending, one more is refused.
    for domain in &stated[..DOMAINS - 1] {
        publish(&world.dns, &domain.challenge().await.records[0]);
    }
    tenant.state("refused", "localhost").await;
    let mut names: Vec<_> = stated[..DOMAINS - 1]
        .iter()
        .map(|domain| domain.domain.clone())
        .collect();
    names.sort();
    let verified = i64::try_from(DOMAINS - 1).unwrap();
    eventually("the summary is complete", async || {
        let organization = tenant.organizations().get("acme").await.unwrap();
        let summary = organization.status.unwrap_or_default();
        let counts = summary.counts.unwrap_or_default();
        let wanted = (verified + 2, 1, verified, 1);
        let found = (counts.total, counts.pending, counts.verified, counts.failed);
        if found == wanted && summary.verified_domains == names {
            assert_eq!(summary.conditions[0].type_, "Ready");
            assert_eq!(summary.conditions[0].status, "True");
            assert_eq!(
                summary.observed_generation,
                organization.metadata.generation
            );
            Ok(())
        } else {
            Err(format!("{found:?} {:?}", summary.verified_domains))
        }
    })
    .await;
    let seconds = start.elapsed().as_secs_f64();
    // The first version is the creation.
    let writes = history.all().len() - 1;
    println!("{DOMAINS} domains verified in {seconds:.1} s: {writes} summaries written");
    #[allow(clippy::cast_precision_loss)]
    let rate = writes as f64;
    assert!(
        writes > 0 && rate <= seconds / 5.0 + 1.0,
        "{writes} in {seconds} s"
    );

    stated[0].delete().await;
    eventually("the summary shrinks", async || {
        let organization = tenant.organizations().get("acme").await.unwrap();
        let listed = organization.status.unwrap_or_default().verified_domains;
        if listed == names[1..] {
            Ok(())
        } else {
            Err(format!("{listed:?}"))
        }
    })
    .await;
}
