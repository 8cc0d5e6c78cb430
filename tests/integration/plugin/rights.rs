//! The plugin has its caller's rights, and says which one is wanting.

use freehold::api::State;
use freehold::api::domain_approval::DomainApproval;
use freehold::api::spec_time::SpecTime;
use kube::Api;
use serde_json::Value;

use super::Caller;
use crate::support::{World, publish, status};

const READ: [[&str; 2]; 2] = [
    ["list", "organizationdomains"],
    ["get", "organizationdomains"],
];
const MAY_NOT_CHECK: [&str; 2] = [
    "you may not patch organizationdomains.freehold.dev",
    "ClusterRole edit",
];
const MAY_NOT_APPROVE: [&str; 2] = [
    "you may not create domainapprovals.freehold.dev",
    "freehold-approve",
];

#[tokio::test(flavor = "multi_thread")]
async fn readers_read_and_editors_check() {
    let world = World::new().await;
    let (tenant, elsewhere) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&tenant, &elsewhere])
        .every("1s")
        .start()
        .await;
    let name = world.name("held");
    world.verified(&elsewhere, "theirs", &name).await;
    let contender = tenant.state("contender", &name).await;
    publish(&world.dns, &contender.challenge().await.records[0]);
    contender.until_reason("HeldByAnother").await;
    let domain = tenant.state("main", &world.name("main")).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.until_verified().await;
    let place = format!("in namespace {}", tenant.namespace);

    let reader = Caller::with_roles(&tenant, "reader", &["freehold-view"], &READ).await;
    let rows = reader.told(&["status"]).await;
    let held = rows
        .lines()
        .find(|row| row.starts_with("contender"))
        .unwrap();
    // Who it is, is not theirs to know.
    assert!(held.contains(" another "), "{rows}");
    assert!(!rows.contains(&elsewhere.namespace), "{rows}");
    reader.told(&["records", "--output", "zone"]).await;
    reader.told(&["explain", "contender"]).await;
    reader
        .is_refused(
            &["status", "-A"],
            &["you may not list", "in all namespaces"],
        )
        .await;
    reader
        .is_refused(&["check-now", "main"], &MAY_NOT_CHECK)
        .await;
    reader.is_refused(&["check-now", "main"], &[&place]).await;
    reader
        .is_refused(
            &["approve", "main", &domain.domain, "--reason", "x"],
            &MAY_NOT_APPROVE,
        )
        .await;

    let may_edit = [READ[0], READ[1], ["patch", "organizationdomains"]];
    let roles = ["freehold-view", "freehold-edit"];
    let editor = Caller::with_roles(&tenant, "editor", &roles, &may_edit).await;
    let told = editor.told(&["check-now", "main"]).await;
    assert!(told.contains("Verified"), "{told}");
    editor
        .is_refused(
            &["approve", "main", &domain.domain, "--reason", "x"],
            &MAY_NOT_APPROVE,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approvers_approve_and_strangers_do_nothing() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let by_hand = tenant.state("by-hand", &world.name("by-hand")).await;
    by_hand.challenge().await;
    let place = format!("in namespace {}", tenant.namespace);

    let may_approve = [READ[0], READ[1], ["create", "domainapprovals"]];
    let approver =
        Caller::with_roles(&tenant, "approver", &["freehold-approve"], &may_approve).await;
    approver
        .is_refused(&["check-now", "by-hand"], &MAY_NOT_CHECK)
        .await;
    let arguments = [
        "approve",
        "by-hand",
        &by_hand.domain,
        "--reason",
        "a contract",
        "--duration",
        "30d",
    ];
    let told = approver
        .told(&[&arguments[..], &["-o", "json"]].concat())
        .await;
    let made: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(made["spec"]["domain"], Value::from(by_hand.domain.clone()));
    assert_eq!(made["spec"]["organization"], "acme");
    assert_eq!(
        made["spec"]["organizationDomainRef"]["uid"],
        Value::from(by_hand.uid.clone())
    );
    let verified = by_hand.until_reason("Approved").await;
    assert_eq!(status(&verified).state, Some(State::Verified));
    let approvals = Api::<DomainApproval>::namespaced(tenant.client.clone(), &tenant.namespace);
    let approval = approvals.get("by-hand").await.unwrap();
    assert_eq!(approval.spec.reason, "a contract");
    let Some(SpecTime::At(end)) = approval.spec.expiry_time else {
        panic!("{:?}", approval.spec);
    };
    let days = end.duration_since(jiff::Timestamp::now());
    assert!((29 * 24..=30 * 24).contains(&days.as_hours()), "{days}");
    approver
        .is_refused(&arguments, &["DomainApproval by-hand already exists"])
        .await;

    let nobody = Caller::with_roles(&tenant, "nobody", &[], &[]).await;
    nobody
        .is_refused(
            &["status"],
            &[
                "you may not list organizationdomains.freehold.dev",
                &place,
                "ClusterRole view",
            ],
        )
        .await;
    for command in ["records", "explain", "check-now"] {
        nobody
            .is_refused(&[command, "by-hand"], &["you may not", &place])
            .await;
    }
    nobody
        .is_refused(
            &["approve", "by-hand", "acme.com", "--reason", "x"],
            &["you may not get", &place],
        )
        .await;
}

/// A tenant may delete what is about to be approved and make it again for somebody else's domain.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_again_for_another_domain_is_not_approved() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let asked = tenant.state("corp", &world.name("asked")).await;
    asked.delete().await;
    let victim = world.name("victim");
    tenant.state("corp", &victim).await;
    let administrator = Caller::administrator(&tenant);
    let states = format!("corp states {victim}, not {}", asked.domain);
    administrator
        .is_refused(
            &["approve", "corp", &asked.domain, "--reason", "a contract"],
            &[&states, "nothing was approved"],
        )
        .await;
    let approvals = Api::<DomainApproval>::namespaced(tenant.client.clone(), &tenant.namespace);
    assert!(approvals.get_opt("corp").await.unwrap().is_none());
    // However it is written.
    administrator
        .told(&[
            "approve",
            "corp",
            &victim.to_uppercase(),
            "--reason",
            "a contract",
        ])
        .await;
    assert_eq!(approvals.get("corp").await.unwrap().spec.domain, victim);
}
