//! What the operator logs: enough to work from, and never a flood.

use std::path::PathBuf;
use std::time::Duration;

use freehold::api::conditions::RECORD_PRESENT;
use freehold_testbed::kubeconfig_with_token;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    DEADLINE, OperatorProcess, World, condition, eventually, eventually_within, publish, status,
    variable,
};

const MINUTE: Duration = Duration::from_mins(1);

/// All lines of its log, each of which is JSON.
fn lines(operator: &OperatorProcess) -> Vec<Value> {
    let log = operator.log();
    let json = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    log.lines().map(json).collect()
}

fn of_level(operator: &OperatorProcess, level: &str) -> Vec<Value> {
    let mut lines = lines(operator);
    lines.retain(|line| line["level"] == level);
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_s_life_is_a_line_for_each_transition_and_each_check() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "9s")
        .with("--log-level", "freehold=debug")
        .start()
        .await;
    let start = lines(&operator).remove(0);
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(start["mode"], "recursive");
    assert_eq!(start["namespaces"], *tenant.namespace);
    assert_eq!(start["shard"], "all");
    let domain = tenant.state("main", &world.name("life")).await;
    let record = domain.challenge().await.records[0].clone();
    domain.until_reason("RecordAbsent").await;
    publish(&world.dns, &record);
    domain.until_verified().await;
    world.dns.remove(&record.name);
    domain
        .until("its record is missing", |object| {
            condition(object, RECORD_PRESENT).is_some_and(|c| c.status == "False")
        })
        .await;
    let lost = domain.until_reason("RecordLost").await;
    let history = status(&lost).history;
    let reasons: Vec<_> = history.iter().map(|entry| entry.reason.as_str()).collect();
    let logged = eventually("every transition is logged", async || {
        let mut told = of_level(&operator, "INFO");
        told.retain(|line| line["domain"] == *domain.domain);
        let of = |line: &Value| line["reason"].as_str().map(str::to_owned);
        let told: Vec<_> = told.iter().filter_map(of).collect();
        if told.len() < reasons.len() {
            return Err(format!("{told:?}"));
        }
        Ok(told)
    })
    .await;
    assert_eq!(logged, reasons);
    let mut checks = of_level(&operator, "DEBUG");
    checks.retain(|line| line["message"] == "checked" && line["domain"] == *domain.domain);
    assert!(checks.len() >= 5, "{checks:?}");
    assert_eq!(checks[0]["verdict"], "Absent");
    assert_eq!(checks[0]["servers"], "1 of 1 server answered");
}

/// Nothing may be watched by this account.
async fn account_without_rights(
    world: &World,
    namespace: &str,
    folder: &std::path::Path,
) -> PathBuf {
    let accounts = Api::<ServiceAccount>::namespaced(world.cluster.client.clone(), namespace);
    let account = ServiceAccount {
        metadata: ObjectMeta {
            name: Some("powerless".to_owned()),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    };
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let token = accounts
        .create_token_request("powerless", &PostParams::default(), &request)
        .await
        .unwrap();
    let admin = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
    let kubeconfig = folder.join("kubeconfig");
    kubeconfig_with_token(&admin, &token.status.unwrap().token, &kubeconfig).unwrap();
    kubeconfig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_without_rights_or_dns_is_told_in_a_few_lines() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = account_without_rights(&world, &tenant.namespace, folder.path()).await;
    let powerless = world.operator(&[&tenant]).kubeconfig(&kubeconfig).spawn();

    let operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--dns-timeout", "500ms")
        .with("--watch-namespace", "no-such-namespace")
        .start()
        .await;
    let missing = of_level(&operator, "WARN");
    assert_eq!(missing[0]["namespace"], "no-such-namespace");
    world.dns.pause();
    let mut stated = Vec::new();
    for n in 0..4 {
        let name = format!("d{n}");
        stated.push(tenant.state(&name, &world.name(&name)).await);
    }
    let told = |words: &str| {
        let mut lines = lines(&operator);
        lines.retain(|line| line["message"].as_str().is_some_and(|m| m.contains(words)));
        lines.len()
    };
    eventually("the outage is told", async || {
        if told("no DNS server answers") == 0 {
            Err("not yet")
        } else {
            Ok(())
        }
    })
    .await;
    // As long as the line says: it counts what comes in a minute.
    sleep(MINUTE).await;
    world.dns.resume();
    eventually_within(DEADLINE, "its end is told", async || {
        if told("DNS servers answer again") == 0 {
            Err("not yet")
        } else {
            Ok(())
        }
    })
    .await;
    let outage = told("no DNS server answers") + told("DNS servers answer again");
    println!("DNS down for a minute: {outage} lines");
    assert!(outage <= 3, "{outage}");

    let refused = lines(&powerless);
    println!("without rights for a minute: {} lines", refused.len());
    let warnings = of_level(&powerless, "WARN").len() + of_level(&powerless, "ERROR").len();
    assert!((1..=5).contains(&warnings), "{refused:#?}");
    assert!(refused.len() <= 5, "{refused:#?}");
    let (code, body) = powerless.get("/readyz").await.unwrap();
    assert_eq!(code, 503);
    assert!(
        body.contains("OrganizationDomain") && body.contains("roles"),
        "{body}"
    );
}
