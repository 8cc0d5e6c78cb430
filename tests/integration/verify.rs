//! From a published record to Verified.

use std::time::Instant;

use freehold::api::conditions::{READY, RECONCILING, RECORD_PRESENT, STALLED, VERIFIED};
use freehold::api::{OrganizationDomain, State};

use freehold_testbed::{Behaviour, ResponseCode, Tree, tree};

use crate::support::{
    History, World, condition, eventually, publish, ready_message, ready_reason, round_trip,
    status, times,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_published_record_is_found_by_the_next_check() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("2s").start().await;
    let domain = tenant.state("main", &world.public_name("shop")).await;

    // All that is to be done is said before anything is published.
    let challenge = domain.challenge().await;
    let record = &challenge.records[0];
    assert_eq!(
        record.name,
        format!("_freehold-challenge.{}", domain.domain)
    );
    assert_eq!(record.record_type, "TXT");
    assert_eq!(record.value, format!("token={}", challenge.token));
    let apex = &challenge.records[1];
    assert_eq!(apex.name, domain.domain);
    let value = format!("freehold-domain-verification={}", challenge.token);
    assert_eq!(apex.value, value);
    let absent = domain.until_reason("RecordAbsent").await;
    for (kind, wanted) in [
        (READY, Some("False")),
        (VERIFIED, Some("False")),
        (RECONCILING, Some("True")),
        (RECORD_PRESENT, None),
        (STALLED, None),
    ] {
        let found = condition(&absent, kind).map(|condition| condition.status);
        assert_eq!(found.as_deref(), wanted, "{kind}");
    }
    let message = condition(&absent, READY).unwrap().message;
    assert!(message.contains(&record.name) && message.contains(&record.value));

    publish(&world.dns, record);
    let asked = world.dns.queries_for(&record.name);
    let verified = domain.until_verified().await;
    let checks = world.dns.queries_for(&record.name) - asked;
    assert_eq!(checks, 1, "checks after the record was published");
    println!("checks from the published record to Verified: {checks}");

    for (kind, wanted) in [
        (READY, Some("True")),
        (VERIFIED, Some("True")),
        (RECORD_PRESENT, Some("True")),
        (RECONCILING, None),
        (STALLED, None),
    ] {
        let found = condition(&verified, kind).map(|condition| condition.status);
        assert_eq!(found.as_deref(), wanted, "{kind}");
    }
    let state = status(&verified);
    assert_eq!(state.challenge.as_ref().unwrap().token, challenge.token);
    assert_eq!(state.observed_generation, verified.metadata.generation);
    let holding = domain.holding().await.unwrap();
    assert_eq!(holding.spec.holder.uid, domain.uid);
    assert_eq!(holding.spec.holder.organization, "acme");

    let history: Vec<_> = state.history.iter().map(|entry| &*entry.reason).collect();
    assert_eq!(history, ["ChallengeIssued", "Verified"]);
    // Of the challenge the status says enough.
    let event = domain.until_event("Verified").await;
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(
        domain.events().await.len(),
        1,
        "{:#?}",
        domain.events().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_by_annotation_a_check_is_made_at_once() {
    const ROUNDS: usize = 5;
    let world = World::new().await;
    let tenant = world.tenant().await;
    // No check comes by itself.
    let operator = world.operator(&[&tenant]).every("7d").start().await;
    let history = History::of(tenant.domains()).await;
    let mut figures = Vec::new();
    let mut calls = Vec::new();
    for round in 0..ROUNDS {
        let domain = tenant
            .state(&format!("d{round}"), &world.name(&format!("d{round}")))
            .await;
        let record = domain.challenge().await.records[0].clone();
        publish(&world.dns, &record);
        let unit = round_trip(&domain).await;
        let before = operator.metric("freehold_api_calls_total", "").await;

        let start = Instant::now();
        domain.request("now").await;
        let verified = domain.until_verified().await;
        assert_eq!(
            status(&verified).last_handled_request.as_deref(),
            Some("now")
        );
        // The history has a watch of its own, which may be a moment behind.
        let seen = eventually("the history shows it", async || {
            let mut all = history.all().into_iter();
            all.find(|(_, object)| {
                object.metadata.uid.as_deref() == Some(&domain.uid)
                    && status(object).state == Some(State::Verified)
            })
            .ok_or("not yet")
        })
        .await;
        figures.push(times(seen.0.duration_since(start), unit));
        domain.until_event("Verified").await;
        calls.push(operator.metric("freehold_api_calls_total", "").await - before);
        assert_eq!(world.dns.queries_for(&record.name), 1, "one DNS exchange");
    }
    figures.sort_by(f64::total_cmp);
    let median = figures[ROUNDS / 2];
    println!(
        "from the annotation to Verified: {median:.1} API round trips (of {ROUNDS}: {figures:.1?}), operator's API calls {calls:?}"
    );
    assert!(median < 100.0, "{median:.1} API round trips");
    // A live read, the holding, the status, the Event, the organization's summary.
    assert!(calls.iter().all(|&calls| calls <= 8), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_at_the_apex_does_as_well() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let domain = tenant.state("main", &world.name("apex")).await;
    let challenge = domain.challenge().await;
    world.dns.add_txt(&domain.domain, "v=spf1 -all");
    publish(&world.dns, &challenge.records[1]);
    domain.request("1").await;
    domain.until_verified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_object_never_looks_done() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let domain = tenant.state("main", &world.name("fresh")).await;
    assert_eq!(status(&domain.get().await).observed_generation, Some(-1));
    let organization = tenant.organizations().get("acme").await.unwrap();
    assert_eq!(organization.status.unwrap().observed_generation, Some(-1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_spec_is_observed_and_keeps_the_proof() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let domain = tenant.state("main", &world.name("join")).await;
    let record = domain.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    let before = domain.checked("1").await;
    let changed = domain
        .patch(serde_json::json!({ "spec": { "joinable": true } }))
        .await
        .unwrap();
    let generation = changed.metadata.generation;
    assert_ne!(generation, before.metadata.generation);
    let after = domain
        .until("the generation is observed", |object| {
            status(object).observed_generation == generation
        })
        .await;
    assert_eq!(status(&after).verified_time, status(&before).verified_time);
    assert_eq!(status(&after).state, Some(State::Verified));
    for condition in status(&after).conditions {
        assert_eq!(condition.observed_generation, generation);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_of_the_zone_is_told() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let name = world.public_name("shop");
    let hosts = ["amy.ns.cloudflare.com", "bob.ns.cloudflare.com"];
    let tree = Tree::builder()
        .zone("cloudflare.com")
        .zone(&name)
        .served_by(&hosts)
        .start()
        .await
        .unwrap();
    let settings = world.walking_operator(&[&tenant], &tree);
    let _operator = settings.every("7d").start().await;
    let domain = tenant.state("main", &name).await;
    let record = domain.challenge().await.records[0].clone();
    assert_eq!(status(&domain.get().await).dns_provider, None);

    let absent = domain.checked("1").await;
    let told = status(&absent).dns_provider;
    let provider = told.clone().unwrap();
    assert_eq!(provider.name, "Cloudflare");
    let link = provider.link.unwrap();
    assert!(link.starts_with("https://dash.cloudflare.com/") && link.contains(&name));
    let message = ready_message(&absent);
    assert!(
        message.contains("run by Cloudflare") && message.contains(&link),
        "{message}"
    );

    // A check that decides nothing does not take it back.
    let behave = |behaviour: tree::Behaviour| {
        for host in hosts {
            tree.server(host).set_behaviour(behaviour.clone());
        }
    };
    behave(tree::Behaviour::Rcode(ResponseCode::ServFail));
    let undecided = domain.checked("2").await;
    assert_eq!(ready_reason(&undecided), "CheckInconclusive");
    assert_eq!(status(&undecided).dns_provider, told);

    behave(tree::Behaviour::Normal);
    tree.zone(&name).set_txt(&record.name, &[&record.value]);
    let verified = domain.checked("3").await;
    assert_eq!(status(&verified).state, Some(State::Verified));
    assert_eq!(status(&verified).dns_provider, told);
}

/// The value where a panel puts it that takes a full name for a relative one.
/// What a check found was so before the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_made_during_a_check_has_one_of_its_own() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .every("7d")
        .with("--dns-timeout", "20s")
        .start()
        .await;
    let domain = tenant.state("main", &world.name("during")).await;
    let name = domain.challenge().await.records[0].name.clone();
    let handled = |request: &'static str| {
        move |object: &OrganizationDomain| {
            status(object).last_handled_request.as_deref() == Some(request)
        }
    };
    domain.request("1").await;
    domain.until("the first is handled", handled("1")).await;
    let of_one = world.dns.queries_for(&name);
    world.dns.set_behaviour(&name, Behaviour::DelayMs(1000));
    domain.request("2").await;
    eventually("the DNS is asked", async || {
        let more = world.dns.queries_for(&name) > of_one;
        if more { Ok(()) } else { Err("not yet") }
    })
    .await;
    domain.request("3").await;
    domain.until("the last is handled", handled("3")).await;
    assert_eq!(world.dns.queries_for(&name), 3 * of_one);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_likely_mistake_is_told_and_written_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.public_name("shop")).await;
    let record = domain.challenge().await.records[0].clone();
    domain.until_reason("RecordAbsent").await;
    let twice = format!("{}.{}", record.name, domain.domain);
    world.dns.add_txt(&twice, &record.value);
    let told = domain
        .until("the mistake is told", |object| {
            ready_message(object).contains(&twice)
        })
        .await;
    let asked = world.dns.queries_for(&twice);
    eventually("three further checks", async || {
        let checks = world.dns.queries_for(&twice) - asked;
        if checks > 3 { Ok(()) } else { Err(checks) }
    })
    .await;
    let after = domain.get().await;
    assert_eq!(
        after.metadata.resource_version,
        told.metadata.resource_version
    );
}
