//! What people get wrong is told to them, costs nothing and stops nobody.

use std::collections::BTreeSet;

use freehold::api::State;
use freehold::api::conditions::{RECONCILING, STALLED};
use freehold::backup::LeftOut;
use freehold_testbed::DnsServer;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::plugin::Caller;
use crate::support::{
    OperatorProcess, PrivatePlane, Stated, Tenant, World, condition, eventually, publish,
    ready_message, ready_reason, status,
};

fn rejection(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 422 => status.message,
        other => panic!("not refused as invalid: {other:?}"),
    }
}

/// The longest name there can be, below a suffix: 253 octets.
fn longest(suffix: &str) -> String {
    let mut name = format!(".{suffix}");
    while name.len() < 253 {
        let room = 253 - name.len();
        let label = "a".repeat(room.min(63));
        // A last label of no octets would be none.
        let label = if room == 64 { &label[1..] } else { &label };
        name = if room > 63 {
            format!(".{label}{name}")
        } else {
            format!("{label}{name}")
        };
    }
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bare_name_is_refused_at_the_api_server() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (domain, words) in [
        ("*.example.com", "remove the wildcard"),
        ("http://example.com", "remove http://"),
        ("https://example.com/a:b", "remove http://"),
        ("192.0.2.1", "an IP address cannot be verified"),
        ("2001:db8::1", "an IP address cannot be verified"),
        (
            "a..b",
            "remove the leading dot, or one of two dots in a row",
        ),
        (
            ".a.b",
            "remove the leading dot, or one of two dots in a row",
        ),
        (
            "a.b..",
            "remove the leading dot, or one of two dots in a row",
        ),
        ("example.com/path", "remove the path"),
        ("example.com:443", "remove the port"),
        (" example.com", "remove whitespace"),
        ("example.com\n", "remove whitespace"),
        ("me@example.com", "remove the mailbox"),
        ("", "spec.domain"),
        (
            &format!("a{}", longest("example")),
            "may not be more than 253",
        ),
    ] {
        let result = tenant.try_state("acme", "bad", domain).await;
        let message = rejection(
            result
                .err()
                .unwrap_or_else(|| panic!("{domain:?} is taken")),
        );
        assert!(message.contains(words), "{domain:?}: {message}");
        assert!(message.contains("spec.domain"), "{domain:?}: {message}");
    }
    let result = tenant
        .try_state("acme", &"n".repeat(231), &world.name("name"))
        .await;
    let message = rejection(result.err().unwrap());
    assert!(message.contains("at most 230 characters"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_token_is_bound_to_cannot_be_changed() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.organization("other").await;
    let domain = tenant.state("main", &world.name("bound")).await;
    for (change, words) in [
        (
            json!({ "domain": world.name("other") }),
            "domain is immutable",
        ),
        (
            json!({ "organizationRef": { "name": "other" } }),
            "organizationRef is immutable",
        ),
    ] {
        let message = rejection(domain.patch(json!({ "spec": change })).await.unwrap_err());
        assert!(message.contains(words), "{message}");
        assert!(
            message.contains("delete the object and create one"),
            "{message}"
        );
    }
    domain
        .patch(json!({ "spec": { "joinable": true } }))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_can_prove_fail_with_the_reason_and_are_left_alone() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("7d").start().await;
    let no_room = longest("example");
    assert_eq!(no_room.len(), 253);
    let mut refused = Vec::new();
    for (n, (domain, words)) in [
        ("example", "example is a public suffix"),
        ("com", "com is a public suffix"),
        ("co.uk", "co.uk is a public suffix"),
        ("github.io", "github.io is a public suffix"),
        ("localhost", "special-use name localhost"),
        ("x.svc.cluster.local", "special-use name local"),
        ("acme.internal", "special-use name internal"),
        ("gmail.com", "is a consumer mail domain"),
        ("GMail.com", "is a consumer mail domain"),
        ("acme.nosuchtld", "not below a suffix of the public DNS"),
        ("exam\u{200b}ple.com", "contains U+200B"),
        (
            "ｅxample.com",
            "contains U+FF45 (ｅ), which stands for \"e\"",
        ),
        ("\u{212a}cme.example", "contains U+212A"),
        ("under_score.example", "\"under_score\" contains U+005F (_)"),
        ("-a.example", "\"-a\" starts with U+002D (-)"),
        ("192.0.2.1.", "an IP address is not a domain name"),
        ("1.2.3", "an IP address is not a domain name"),
        ("example.com?x", "without a path"),
        (
            &format!("{}.example", "a".repeat(64)),
            "longer than 63 octets",
        ),
        (&no_room, "the record's label must fit before it"),
    ]
    .into_iter()
    .enumerate()
    {
        let stated = tenant.state(&format!("bad-{n}"), domain).await;
        refused.push((stated, words));
    }
    let mut versions = Vec::new();
    for (stated, words) in &refused {
        let failed = stated.until_state(State::Failed).await;
        assert_eq!(ready_reason(&failed), "NameRefused");
        let message = ready_message(&failed);
        assert!(message.contains(words), "{}: {message}", stated.domain);
        assert!(
            message.contains("Create an OrganizationDomain"),
            "{message}"
        );
        assert_eq!(condition(&failed, STALLED).unwrap().status, "True");
        assert!(condition(&failed, RECONCILING).is_none());
        assert!(status(&failed).challenge.is_none());
        let event = stated.until_event("NameRefused").await;
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        versions.push(failed.metadata.resource_version);
    }
    assert_eq!(world.dns.queries(), 0, "names that nobody asks for");

    // Others go on, and the refused ones cost nothing meanwhile.
    let reconciles = "controller_runtime_reconcile_total";
    let label = "controller=\"organizationdomain\"";
    let before = operator.metric(reconciles, label).await;
    let good = tenant.state("good", &world.name("good")).await;
    publish(&world.dns, &good.challenge().await.records[0]);
    good.request("1").await;
    good.until_verified().await;
    good.until_event("Verified").await;
    let extra = operator.metric(reconciles, label).await - before;
    assert!(extra < 25, "{extra} reconciles");
    println!(
        "{} refused names: one status and one Event each, {extra} reconciles while a good one was verified",
        refused.len()
    );
    for ((stated, _), version) in refused.iter().zip(versions) {
        assert_eq!(stated.get().await.metadata.resource_version, version);
        assert_eq!(stated.events().await.len(), 1);
    }
    // A request is answered, and changes nothing.
    let asked = refused[0].0.checked("1").await;
    assert_eq!(ready_reason(&asked), "NameRefused");
    assert_eq!(
        operator
            .metric("controller_runtime_reconcile_errors_total", "")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_name_is_taken_up_when_the_settings_allow_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let domain = tenant
        .state("main", &format!("{}.internal", tenant.namespace))
        .await;
    let settings = world.operator(&[&tenant]).every("1s");
    let operator = settings.start().await;
    domain.until_reason("NameRefused").await;
    assert!(operator.terminate().await.success());
    let _operator = settings.with("--allow-suffix", "internal").start().await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.until_verified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_other_letters_are_verified_under_their_canonical_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let longest_provable = format!("{}{}", "a.".repeat(100), world.name("deep"));
    for (n, (domain, canonical)) in [
        ("Example.COM", "example.com"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.de", "xn--mnchen-3ya.de"),
        (longest_provable.as_str(), longest_provable.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let stated = tenant.state(&format!("d{n}"), domain).await;
        let record = stated.challenge().await.records[0].clone();
        assert_eq!(record.name, format!("_freehold-challenge.{canonical}"));
        publish(&world.dns, &record);
        stated.request("1").await;
        let verified = stated.until_verified().await;
        assert_eq!(status(&verified).canonical_name.as_deref(), Some(canonical));
        let holding = world.holding(canonical).await.unwrap();
        assert_eq!(holding.spec.holder.uid, stated.uid);
        // Not the test's own names: nobody else may meet them.
        stated.delete().await;
        world.until_released(canonical).await;
    }
}

struct Nonsense {
    name: &'static str,
    verified: bool,
    status: Value,
    keeps_token: bool,
}

fn nonsense() -> Vec<Nonsense> {
    let far = "9999-12-31T23:59:59Z";
    let early = "0001-01-01T00:00:00Z";
    let lie = |kind: &str| json!({ "type": kind, "status": "True", "reason": "Lie", "message": "lie", "lastTransitionTime": far });
    let case = |name, verified, keeps_token, status| Nonsense {
        name,
        verified,
        status,
        keeps_token,
    };
    vec![
        case(
            "conditions",
            false,
            true,
            json!({ "conditions": [lie("Ready"), lie("Verified"), lie("Other")] }),
        ),
        case(
            "state",
            false,
            true,
            json!({ "state": "Verified", "verifiedTime": early, "lastProvenTime": far }),
        ),
        case(
            "names",
            false,
            true,
            json!({ "canonicalName": "somebody.example", "observedGeneration": 99 }),
        ),
        case(
            "records",
            false,
            true,
            json!({ "challenge": { "records": [{ "name": "x", "type": "A", "value": "1" }] } }),
        ),
        case(
            "token",
            false,
            false,
            json!({ "challenge": { "token": "chosen" } }),
        ),
        case(
            "times",
            false,
            true,
            json!({ "pausedTime": early, "nextCheckTime": far, "checkPeriodSeconds": i64::MAX }),
        ),
        case(
            "issued",
            false,
            false,
            json!({ "challenge": { "issuedTime": far } }),
        ),
        case(
            "missing",
            false,
            true,
            json!({ "recordMissing": { "sinceTime": early, "definiteChecks": i64::MAX, "lastTime": far } }),
        ),
        case(
            "check",
            false,
            true,
            json!({ "lastCheck": { "verdict": "Proven", "time": far } }),
        ),
        case(
            "handled",
            false,
            true,
            json!({ "lastHandledRequest": "x".repeat(256) }),
        ),
        case("strategy", false, true, json!({ "strategy": "Manual" })),
        case(
            "nothing",
            false,
            false,
            json!({ "challenge": null, "state": null, "conditions": null, "canonicalName": null }),
        ),
        case(
            "verified conditions",
            true,
            true,
            json!({ "conditions": [lie("Stalled")], "verifiedTime": far }),
        ),
        case("verified state", true, true, json!({ "state": "Pending" })),
        case(
            "verified without token",
            true,
            true,
            json!({ "challenge": null }),
        ),
        case(
            "verified name",
            true,
            true,
            json!({ "canonicalName": "somebody.example" }),
        ),
    ]
}

async fn heals(world: &World, domain: &Stated, case: &Nonsense, n: usize) {
    let challenge = domain.challenge().await;
    if case.verified {
        publish(&world.dns, &challenge.records[0]);
        domain.request("before").await;
        domain.until_verified().await;
    } else {
        domain.checked("before").await;
    }
    let state = if case.verified {
        State::Verified
    } else {
        State::Pending
    };
    let edited = domain.patch_status(case.status.clone()).await.unwrap();
    let version = edited.metadata.resource_version.clone();
    // What no type can hold, in a field that the operator leaves out, waits for the next write.
    if !["missing", "check"].contains(&case.name) {
        let what = format!("{n} ({}) is answered", case.name);
        domain
            .until(&what, |object| object.metadata.resource_version != version)
            .await;
    }
    // A check later all of it is the operator's own again.
    let healed = domain.checked("after").await;
    domain.until_state(state).await;
    let now = status(&healed);
    assert_eq!(
        now.observed_generation, healed.metadata.generation,
        "{}",
        case.name
    );
    assert_eq!(
        now.canonical_name.as_deref(),
        Some(&*domain.domain),
        "{}",
        case.name
    );
    assert_eq!(now.paused_time, None, "{}", case.name);
    // A new token is not published yet.
    let missing = case.verified && !case.keeps_token;
    assert_eq!(now.record_missing.is_some(), missing, "{}", case.name);
    for condition in &now.conditions {
        assert!(
            condition.reason != "Lie" && condition.message != "lie" && condition.type_ != "Other",
            "{}: {condition:?}",
            case.name
        );
    }
    let after = now.challenge.unwrap();
    assert_eq!(
        after.token == challenge.token,
        case.keeps_token,
        "{}",
        case.name
    );
    assert_eq!(after.token.len(), 32);
    assert!(after.records[0].value.ends_with(&after.token));
    assert_eq!(
        domain.holding().await.is_some(),
        case.verified,
        "{}",
        case.name
    );
    if !case.verified {
        publish(&world.dns, &after.records[0]);
        domain.request("last").await;
        domain.until_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_edited_to_nonsense_heals() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut operator = world.operator(&[&tenant]).every("1h").start().await;
    let cases = nonsense();
    let work = cases.iter().enumerate().map(|(n, case)| {
        let (world, tenant) = (&world, &tenant);
        async move {
            let name = format!("d{n}");
            let domain = tenant.state(&name, &world.name(&name)).await;
            heals(world, &domain, case, n).await;
        }
    });
    futures::future::join_all(work).await;
    operator.check_running();
    println!("{} edits by hand healed", cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_never_rests_does_not_keep_a_domain_from_its_state() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.name("busy")).await;
    let bumped = domain.clone();
    let writer = tokio::spawn(async move {
        let mut writes = 0_u64;
        loop {
            bumped.annotate("example.com/n", &writes.to_string()).await;
            writes += 1;
        }
    });
    let record = domain.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    domain.until_verified().await;
    eventually("the holding is its own", async || {
        domain.holding().await.ok_or("no holding")
    })
    .await;
    writer.abort();
    let errors = operator
        .metric("controller_runtime_reconcile_errors_total", "")
        .await;
    println!("verified against a writer that never rests, with {errors} reconciles given up");
}

/// Objects that an older CRD took and today's type cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_object_is_told_of_and_stops_nobody() {
    let private = PrivatePlane::start().await;
    let cluster = private.cluster().await;
    let mut definitions = freehold::api::crds();
    let loose = definitions
        .iter_mut()
        .find(|crd| crd.spec.names.kind == "OrganizationDomain")
        .unwrap();
    for version in &mut loose.spec.versions {
        version.selectable_fields = None;
        let schema = version.schema.as_mut().unwrap();
        let root = schema.open_api_v3_schema.as_mut().unwrap();
        root.x_kubernetes_validations = None;
        let spec: Value = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        root.properties
            .as_mut()
            .unwrap()
            .insert("spec".to_owned(), serde_json::from_value(spec).unwrap());
    }
    cluster.install(definitions).await;
    let world = World::on(cluster).await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("1s").start().await;
    invalid_objects(&world, &tenant, &operator).await;
    names_that_an_older_definition_took(&tenant, &world.dns).await;
    let lost = world.verified(&tenant, "lost", &world.name("lost")).await;
    assert!(operator.terminate().await.success());
    let challenge = lost.challenge().await;
    lost.patch(json!({ "spec": { "domain": { "name": "x" } } }))
        .await
        .unwrap_err();
    world.dns.remove(&challenge.records[0].name);
    let operator = what_is_too_deep_keeps_nobody_from_starting(&world, &tenant).await;
    // Nobody knows any more what it stated, but for its holding.
    world.until_released(&lost.domain).await;
    drop(operator);
    drop(private);
}

/// One where something is known to be, and one where nothing is.
async fn what_is_too_deep_keeps_nobody_from_starting(
    world: &World,
    tenant: &Tenant,
) -> OperatorProcess {
    let deep = |name: &str| {
        let mut spec = json!({ "organizationRef": { "name": "acme" }, "domain": world.name(name) });
        for _ in 0..200 {
            spec = json!({ name: spec });
        }
        spec["organizationRef"] = json!({ "name": "acme" });
        spec
    };
    let mut read = deep("elsewhere");
    read["domain"] = world.name("elsewhere").into();
    for (name, spec) in [("deep", deep("domain")), ("readable", read)] {
        let object = json!({
            "apiVersion": "freehold.dev/v1alpha1",
            "kind": "OrganizationDomain",
            "metadata": { "name": name },
            "spec": spec,
        });
        let create = http::Request::post(format!(
            "/apis/freehold.dev/v1alpha1/namespaces/{}/organizationdomains",
            tenant.namespace
        ))
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
        tenant.client.request_text(create).await.unwrap();
    }
    let operator = world
        .operator(&[tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "6s")
        .with("--max-proof-age", "10s")
        .with("--orphan-delay", "1s")
        .start()
        .await;
    let good = tenant.state("later", &world.name("later")).await;
    good.challenge().await;
    // Those of before that are left, the one that was broken since, and this one.
    eventually("one cannot be read", async || {
        match operator.metric("freehold_invalid_objects", "").await {
            6 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    operator
}

async fn raw(tenant: &Tenant, name: &str, spec: Value) {
    let kind = kube::core::ApiResource::erase::<freehold::api::OrganizationDomain>(&());
    let mut object = kube::api::DynamicObject::new(name, &kind);
    object.data = json!({ "spec": spec });
    kube::Api::<kube::api::DynamicObject>::namespaced_with(
        tenant.client.clone(),
        &tenant.namespace,
        &kind,
    )
    .create(&kube::api::PostParams::default(), &object)
    .await
    .unwrap();
}

async fn invalid_objects(world: &World, tenant: &Tenant, operator: &OperatorProcess) {
    let broken = [
        ("a-no-spec", json!({})),
        (
            "b-number",
            json!({ "organizationRef": { "name": "acme" }, "domain": 17 }),
        ),
        ("c-no-reference", json!({ "domain": world.name("c") })),
        (
            "d-list",
            json!({ "organizationRef": { "name": ["acme"] }, "domain": world.name("d") }),
        ),
    ];
    for (name, spec) in &broken {
        raw(tenant, name, spec.clone()).await;
    }
    // One that is a holder before it breaks.
    let holder = tenant.state("holder", &world.name("holder")).await;
    publish(&world.dns, &holder.challenge().await.records[0]);
    holder.until_verified().await;
    holder
        .patch(json!({ "spec": { "domain": { "name": "x" } } }))
        .await
        .unwrap_err();
    let good = tenant.state("good", &world.name("good")).await;
    publish(&world.dns, &good.challenge().await.records[0]);
    good.until_verified().await;

    eventually("each broken object has its Event", async || {
        let events = tenant.events().await;
        let told = |name: &str| {
            events.iter().any(|event| {
                event.reason.as_deref() == Some("ObjectUnreadable")
                    && event.type_.as_deref() == Some("Warning")
                    && event.regarding.as_ref().unwrap().name.as_deref() == Some(name)
                    && event.note.as_ref().unwrap().contains("Correct it")
            })
        };
        let mut all = broken.iter().map(|(name, _)| *name).chain(["holder"]);
        if all.all(told) {
            Ok(())
        } else {
            Err(format!("{events:#?}"))
        }
    })
    .await;
    let unreadable = || operator.metric("freehold_invalid_objects", "");
    assert_eq!(unreadable().await, 5);
    assert_eq!(
        operator
            .metric("controller_runtime_reconcile_errors_total", "")
            .await,
        0
    );
    let mut exported = Vec::new();
    let left_out = freehold::backup::export(&tenant.client, &mut exported);
    let mut names = BTreeSet::new();
    for left_out in left_out.await.unwrap().left_out {
        if let LeftOut::Invalid { name, .. } = left_out {
            names.insert(name);
        }
    }
    let of = |name| format!("{}/{name}", tenant.namespace);
    let wanted = broken.iter().map(|(name, _)| of(*name));
    assert_eq!(names, wanted.chain([of("holder")]).collect());
    let listed = Caller::with_kubeconfig(tenant, &world.cluster.kubeconfig);
    let listed = listed.freehold(&["status"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.contains("good"), "{listed:?}");
    let left = listed.error.matches("is invalid and is left out");
    assert_eq!(left.count(), 5, "{listed:?}");

    // What cannot be read is not called gone; what is gone is.
    assert!(world.holding(&holder.domain).await.is_some());
    let result = holder
        .api
        .delete(&holder.object, &DeleteParams::default())
        .await;
    assert!(matches!(result, Ok(_) | Err(kube::Error::SerdeError(_))));
    world.until_released(&holder.domain).await;
    eventually("one less cannot be read", async || {
        match unreadable().await {
            4 => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

async fn names_that_an_older_definition_took(tenant: &Tenant, dns: &DnsServer) {
    let asked = dns.log().len();
    for (n, (domain, words)) in [
        ("http://example.com", "http://"),
        ("*.example.com", "wildcard"),
        ("192.0.2.1", "IP address"),
        ("a..b", "label"),
        ("", "empty"),
        ("a.b..", "label"),
        ("exam ple.com", "whitespace"),
        (&"a.".repeat(127), "the record's label must fit before it"),
        (&format!("{}a", "a.".repeat(127)), "255 octets"),
    ]
    .into_iter()
    .enumerate()
    {
        let stated = tenant.state(&format!("old-{n}"), domain).await;
        let failed = stated.until_state(State::Failed).await;
        let message = ready_message(&failed);
        assert!(message.contains(words), "{domain:?}: {message}");
        stated
            .api
            .delete(&stated.object, &DeleteParams::default())
            .await
            .unwrap();
    }
    assert_eq!(dns.log().len(), asked);
}
