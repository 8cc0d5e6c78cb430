//! What each command says.

use freehold::api::State;
use freehold_testbed::Behaviour;
use serde_json::Value;

use super::{Caller, ran};
use crate::support::{Installed, Stated, World, commands_of, publish, status};

#[tokio::test(flavor = "multi_thread")]
async fn status_and_records_tell_of_every_domain() {
    let world = World::new().await;
    let (tenant, elsewhere) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&tenant, &elsewhere])
        .every("1s")
        .start()
        .await;
    let name = world.name("held");
    world.verified(&elsewhere, "theirs", &name).await;
    let verified = world.verified(&tenant, "ours", &world.name("ours")).await;
    let contender = tenant.state("contender", &name).await;
    let record = contender.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    contender.until_reason("HeldByAnother").await;
    let failed = tenant.state("failed", "co.uk").await;
    failed.until_state(State::Failed).await;

    let caller = Caller::administrator(&tenant);
    let table = caller.told(&["status"]).await;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| {
            line.split("   ")
                .map(str::trim)
                .filter(|c| !c.is_empty())
                .collect()
        })
        .collect();
    let theirs = format!("{}/theirs", elsewhere.namespace);
    let ours = format!("{}/ours", tenant.namespace);
    assert_eq!(
        rows[0],
        ["NAME", "DOMAIN", "STATE", "REASON", "HOLDER", "NEXT CHECK"]
    );
    assert_eq!(
        rows[1],
        [
            "contender",
            &name,
            "Pending",
            "HeldByAnother",
            &theirs,
            "every 1s"
        ]
    );
    assert_eq!(
        rows[2],
        ["failed", "co.uk", "Failed", "NameRefused", "-", "-"]
    );
    assert_eq!(
        rows[3][..5],
        ["ours", &verified.domain, "Verified", "Verified", &ours]
    );
    assert!(rows[3][5].starts_with("in "), "{table}");
    assert_eq!(rows.len(), 4, "{table}");
    let of_all = caller.told(&["status", "-A"]).await;
    for path in [&theirs, &ours] {
        assert!(of_all.contains(path.as_str()), "{of_all}");
    }
    let json: Value = serde_json::from_str(&caller.told(&["status", "-o", "json"]).await).unwrap();
    let yaml: Value = serde_yaml::from_str(&caller.told(&["status", "-o", "yaml"]).await).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json[0]["holder"], Value::from(theirs));
    assert_eq!(json[2]["state"], "Verified");
    let wide = caller.told(&["status", "ours", "-o", "wide"]).await;
    assert!(
        wide.contains("ORGANIZATION") && wide.contains("LAST PROVEN"),
        "{wide}"
    );
    let labelled = caller.freehold(&["status", "-l", "no=such"]).await;
    assert!(
        labelled.error.contains("No OrganizationDomains found"),
        "{labelled:?}"
    );
    let nobody = ["status", "--as", "system:serviceaccount:default:nobody"];
    caller.is_refused(&nobody, &["you may not list"]).await;
    let one = caller.told(&["status", "ours"]).await;
    assert_eq!(one.lines().count(), 2, "{one}");

    records(&caller, &contender).await;
}

async fn records(caller: &Caller, contender: &Stated) {
    let record = contender.challenge().await.records[0].clone();
    let name = &contender.domain;
    let ran = caller.freehold(&["records"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.error.contains("co.uk) has no record"), "{ran:?}");
    let apex = contender.challenge().await.records[1].clone();
    for record in [&record, &apex] {
        let line = ran.out.lines().find(|line| line.contains(&record.value));
        let cells: Vec<&str> = line.unwrap().split_whitespace().collect();
        assert_eq!(cells, ["contender", &record.name, "TXT", &record.value]);
    }
    let zone = caller
        .told(&["records", "contender", "--output", "zone"])
        .await;
    let line = format!("{}. 300 IN TXT \"{}\"", record.name, record.value);
    assert_eq!(
        zone.lines().collect::<Vec<_>>(),
        [format!("; {}/contender", contender.namespace), line]
    );
    let message = caller
        .told(&["records", "contender", "--output", "message"])
        .await;
    let host = record.name.strip_suffix(&format!(".{name}")).unwrap();
    for words in [
        format!("  Host:   {host}\n"),
        format!("  Zone:   {name}\n"),
        format!("  Value:  {}\n", record.value),
        record.name.clone(),
    ] {
        assert!(message.contains(&words), "{words}: {message}");
    }
    let json = caller
        .told(&["records", "contender", "--output", "json"])
        .await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["records"][1]["value"], Value::from(apex.value));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_now_waits_for_the_outcome_and_explain_tells_of_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("7d").start().await;
    let domain = tenant.state("main", &world.public_name("now")).await;
    let record = domain.challenge().await.records[0].clone();
    let caller = Caller::administrator(&tenant);
    world.dns.add_txt(&record.name, "something else");
    let ran = caller.freehold(&["check-now", "main"]).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.out.contains("Pending, RecordMismatch"), "{ran:?}");
    let told = caller.told(&["explain", "main"]).await;
    for words in [
        "State         Pending, RecordMismatch",
        "What to do\n  TXT records were found, but none has the expected value",
        "Reconciling   True",
        "Mismatch",
        "found \"something else\"",
        &record.value,
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let asked = told
        .lines()
        .find(|line| line.trim_start().starts_with(&record.name));
    assert!(asked.is_some(), "{told}");

    publish(&world.dns, &record);
    // Two in one moment are both told.
    let both = ["check-now", "main", "--timeout", "1m"];
    let (one, other) = futures::join!(caller.told(&both), caller.told(&both));
    for told in [one, other] {
        assert!(told.contains("Verified, Verified"), "{told}");
    }
    world
        .dns
        .set_behaviour(&record.name, Behaviour::NegativeWithoutSoa);
    world.dns.remove(&record.name);
    let ran = caller.freehold(&["check-now", "main"]).await;
    assert_eq!(ran.code, Some(4), "it says nothing: {ran:?}");
    assert!(ran.error.contains("could not decide"), "{ran:?}");
    world.dns.set_behaviour(&record.name, Behaviour::Normal);
    let ran = caller.freehold(&["check-now", "main"]).await;
    assert_eq!(ran.code, Some(3), "still verified, and not proven: {ran:?}");
    assert!(ran.out.contains("Verified, RecordAbsent"), "{ran:?}");
    let told = caller.told(&["status", "main"]).await;
    assert!(told.contains("RecordAbsent"), "{told}");

    assert!(operator.terminate().await.success());
    let ran = caller
        .freehold(&["check-now", "main", "--timeout", "1s"])
        .await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.error.contains("within 1 second"), "{ran:?}");
    let fresh = tenant.state("fresh", &world.name("fresh")).await;
    let told = caller.told(&["explain", &fresh.object]).await;
    assert!(told.contains("No operator has processed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_meant_is_told() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let caller = Caller::administrator(&tenant);
    let place = format!(
        "OrganizationDomain nobody does not exist in namespace {}",
        tenant.namespace
    );
    for command in ["status", "records", "check-now", "explain"] {
        caller.is_refused(&[command, "nobody"], &[&place]).await;
    }
    caller
        .is_refused(
            &["approve", "nobody", "acme.com", "--reason", "x"],
            &[&place],
        )
        .await;
    caller
        .is_refused(&["status", "--context", "nowhere"], &["no cluster"])
        .await;
    caller
        .is_refused(
            &["status", "--kubeconfig", "/no/such/file"],
            &["/no/such/file"],
        )
        .await;
    let ran = caller.freehold(&["status"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
    assert!(
        ran.error.contains("No OrganizationDomains found"),
        "{ran:?}"
    );
    for arguments in [
        vec!["status", "nobody", "-A"],
        vec!["approve", "nobody"],
        vec!["approve", "nobody", "--reason", "x"],
        vec!["approve", "nobody", "a domain", "--reason", "x"],
        vec!["explain", "nobody?watch=true"],
        vec!["status", "nobody/status"],
        vec!["check-now", "a b"],
        vec!["check-now"],
        vec!["check-now", "nobody", "--timeout", "5"],
        vec!["stats"],
    ] {
        let ran = caller.freehold(&arguments).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
    }
    let context = caller.freehold(&["status", "--context", "freehold"]).await;
    assert_eq!(context.code, Some(0), "{context:?}");
}

/// Every command of the page, in the namespace of an object acme.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_do_what_it_says() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = world
        .verified(&tenant, "acme", &world.name("documented"))
        .await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let caller = Caller::administrator(&tenant);
    let text = std::fs::read_to_string(&caller.kubeconfig).unwrap();
    let own = text.replace(
        "namespace: default",
        &format!("namespace: {}", tenant.namespace),
    );
    std::fs::write(&kubeconfig, own).unwrap();
    let installed = Installed::new();
    let commands = commands_of("kubectl.md");
    assert!(commands.len() > 6, "{commands:?}");
    let token = domain.challenge().await.token;
    for command in commands {
        let command = command.replace("acme.com", &domain.domain);
        let ran = ran(installed.shell(&command, &kubeconfig)).await;
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
        if command.contains("zone") {
            assert!(ran.out.contains(&token), "{command}: {ran:?}");
        }
        if command.contains(" approve ") {
            let approved = domain.until_reason("Approved").await;
            assert_eq!(status(&approved).state, Some(State::Verified));
        }
    }
    assert!(
        installed
            .folder()
            .join("kubectl_complete-freehold")
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_renewed_once_it_has_expired_and_revoked_at_any_time() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).start().await;
    let domain = tenant.state("main", &world.name("approved")).await;
    let caller = Caller::administrator(&tenant);
    let approve = ["approve", "main", &domain.domain, "--reason", "contract"];
    let shortly = [&approve[..], &["--duration", "6s"]].concat();
    caller.told(&shortly).await;
    domain.until_reason("Approved").await;
    domain
        .until("its approval has expired", |object| {
            status(object).state != Some(State::Verified)
        })
        .await;
    caller.told(&approve).await;
    domain.until_reason("Approved").await;
    caller
        .is_refused(
            &approve,
            &["already exists", "kubectl freehold revoke main"],
        )
        .await;
    let told = caller.told(&["revoke", "main"]).await;
    assert!(
        told.contains("deleted") && told.contains(&domain.domain),
        "{told}"
    );
    domain
        .until("is not approved", |object| {
            status(object).state != Some(State::Verified)
        })
        .await;
    caller
        .is_refused(&["revoke", "main"], &["nothing was revoked"])
        .await;
}
