//! The token: one for each object, everybody's own.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::support::{History, World, publish, ready_reason, status, uid};
use freehold::api::State;

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_issue_one_token_for_one_object() {
    const OBJECTS: usize = 30;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("7d");
    let _operators = [settings.start().await, settings.start().await];
    let history = History::of(tenant.domains()).await;
    let stated = join_all((0..OBJECTS).map(|n| {
        let (tenant, domain) = (&tenant, world.name(&format!("d{n}")));
        async move { tenant.state(&format!("d{n}"), &domain).await }
    }))
    .await;
    for domain in &stated {
        domain.challenge().await;
    }
    // Both operators have worked on each object once more, on request.
    for domain in &stated {
        domain.checked("1").await;
    }

    let mut tokens: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, object) in history.all() {
        if let Some(challenge) = status(&object).challenge {
            tokens
                .entry(uid(&object))
                .or_default()
                .insert(challenge.token);
        }
    }
    assert_eq!(tokens.len(), OBJECTS);
    for (uid, tokens) in &tokens {
        assert_eq!(tokens.len(), 1, "tokens of {uid}: {tokens:?}");
    }
    let distinct: BTreeSet<_> = tokens.values().flatten().collect();
    assert_eq!(distinct.len(), OBJECTS, "every object has its own");
    for domain in &stated {
        let history = status(&domain.get().await).history;
        let issued = history
            .iter()
            .filter(|entry| entry.reason == "ChallengeIssued");
        assert_eq!(issued.count(), 1, "{history:#?}");
    }
    println!("{OBJECTS} objects, two operators: one token each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_token_verifies_no_other_object() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world.operator(&[&first, &second]).every("7d").start().await;
    let domain = world.name("copied");
    let original = first.state("main", &domain).await;
    let sibling = first.state("sibling", &world.name("sibling")).await;
    let same_name = second.state("main", &domain).await;
    let challenge = original.challenge().await;
    for copy in [&sibling, &same_name] {
        let own = copy.challenge().await;
        assert_ne!(own.token, challenge.token);
        for (record, original) in own.records.iter().zip(&challenge.records) {
            world.dns.add_txt(&record.name, &original.value);
        }
    }
    for copy in [&sibling, &same_name] {
        let checked = copy.checked("1").await;
        assert_eq!(status(&checked).state, Some(State::Pending));
        assert_eq!(ready_reason(&checked), "RecordMismatch");
    }
    assert!(world.own_holdings().await.is_empty());
    // The records are good: for the one object that they are for.
    original.request("1").await;
    original.until_verified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_over_fails_and_a_request_restarts_it_with_a_new_token() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s");
    let operator = settings
        .clone()
        .with("--window", "2s")
        .with("--hand-over-period", "2s")
        .start()
        .await;
    let domain = tenant.state("main", &world.name("late")).await;
    let first = domain.challenge().await;
    assert!(first.expiry_time.is_some());

    let failed = domain.until_state(State::Failed).await;
    assert_eq!(ready_reason(&failed), "WindowExpired");
    assert!(status(&failed).challenge.is_none());
    let message = crate::support::ready_message(&failed);
    assert!(message.contains("freehold.dev/requestedAt"), "{message}");
    domain.until_event("WindowExpired").await;

    // The old record is no use after a restart.
    publish(&world.dns, &first.records[0]);
    assert!(operator.terminate().await.success());
    let _operator = settings.start().await;
    let restarted = domain.checked("again").await;
    let second = status(&restarted).challenge.unwrap();
    assert_ne!(second.token, first.token);
    assert_eq!(status(&restarted).state, Some(State::Pending));
    domain.until_reason("RecordMismatch").await;

    // The same request is not handled again, whatever else changes.
    domain.annotate("example.com/touched", "1").await;
    let checked = domain.checked("third").await;
    assert_eq!(status(&checked).challenge.unwrap().token, second.token);

    publish(&world.dns, &second.records[0]);
    domain.until_verified().await;
}
