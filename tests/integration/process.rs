//! The operator as a process: its start, its port, its end.

use freehold_testbed::Behaviour;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{DEADLINE, PrivatePlane, World, eventually, freehold, publish, status};
use freehold::api::State;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_under_way_and_exits_0() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    // Longer than Events alone may take.
    let operator = world
        .operator(&[&tenant])
        .every("7d")
        .with("--dns-timeout", "20s")
        .start()
        .await;
    let domain = tenant.state("main", &world.name("term")).await;
    let record = domain.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    world
        .dns
        .set_behaviour(&record.name, Behaviour::DelayMs(7000));
    domain.request("1").await;
    eventually("the DNS is asked", async || {
        match world.dns.queries_for(&record.name) {
            0 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;
    let ended = operator.terminate().await;
    assert_eq!(ended.code(), Some(0));
    // The answer came after the signal.
    let object = domain.get().await;
    assert_eq!(status(&object).state, Some(State::Verified));
    assert!(domain.holding().await.is_some());
    domain.until_event("Verified").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_before_the_first_list_exits_0() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = freehold_testbed::Proxy::start(silent.local_addr().unwrap())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let through =
        freehold_testbed::kubeconfig_through(&world.cluster.kubeconfig, &proxy, folder.path())
            .unwrap();
    let operator = world.operator(&[&tenant]).kubeconfig(&through).spawn();
    eventually("it is alive and not ready", async || {
        let (live, _) = operator.get("/livez").await?;
        let (ready, body) = operator.get("/readyz").await?;
        if (live, ready) == (200, 503) {
            Ok(())
        } else {
            Err(body)
        }
    })
    .await;
    assert_eq!(operator.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_definitions_it_says_so_and_waits_for_them() {
    let private = PrivatePlane::start().await;
    let world = World::on(private.cluster().await).await;
    let mut operator = world.operator(&[]).spawn();
    eventually("it looked in vain a few times", async || {
        operator.get("/livez").await?;
        match operator.metric("freehold_watch_errors_total", "").await {
            0..12 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    let errors = operator.metric("freehold_watch_errors_total", "").await;
    assert_eq!(operator.get("/readyz").await.unwrap().0, 503);
    let log = operator.log();
    let said = log.matches("kubectl apply --server-side -f crds/").count();
    assert!(said > 0, "{log}");
    // Seldom, and nothing else beside it.
    assert!(u64::try_from(said).unwrap() * 4 <= errors, "{log}");
    assert!(
        !log.contains("parse") && !log.contains("\"ERROR\""),
        "{log}"
    );
    world.cluster.install(freehold::api::crds()).await;
    operator.ready().await;
}

async fn is_refused(arguments: &[&str], code: i32, words: &str) {
    let mut command = freehold();
    command
        .args(arguments)
        .env("KUBECONFIG", "/nowhere/kubeconfig");
    let output = timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.contains(words), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{arguments:?}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_meant_are_refused() {
    let dns = "--dns-mode=authoritative";
    for (arguments, code, words) in [
        (
            vec!["operator", dns, "--allow-suffix=.corp"],
            2,
            "remove the leading dot: corp",
        ),
        (
            vec!["operator", dns, "--allow-suffix=co.uk"],
            2,
            "a suffix of the public DNS",
        ),
        (
            vec!["operator", dns, "--watch-namespace=Bad_NS"],
            2,
            "invalid namespace name",
        ),
        (
            vec!["operator", dns, "--lease-name=a..b"],
            2,
            "invalid object name",
        ),
        (
            vec!["operator", dns, "--max-proof-age=23h"],
            1,
            "--max-proof-age (settings.maxProofAge) is shorter than",
        ),
        (
            vec!["operator", dns, "--grace=9s", "--grace-check-period=4s"],
            1,
            "--grace-check-period (settings.graceCheckPeriod) is longer than a third",
        ),
        (
            vec!["operator", dns, "--dns-timeout=5"],
            2,
            "the unit is missing: 5s is 5 seconds",
        ),
        (
            vec!["operator", dns, "--watch-label-selector=key in shard1"],
            2,
            "use KEY, !KEY",
        ),
        (
            vec!["operator", dns, "--watch-label-selector=key=shard one"],
            2,
            "is not a valid label value",
        ),
        (
            vec!["operator", dns, "--watch-label-selector="],
            2,
            "leave the setting out",
        ),
    ] {
        is_refused(&arguments, code, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_flag_gives_a_clear_message() {
    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listening.local_addr().unwrap().to_string();
    let dns = "--dns-mode=authoritative";
    for (arguments, code, words) in [
        (
            vec!["operator", "--dns-mode=recursive"],
            1,
            "give at least one",
        ),
        (
            vec!["operator", "--dns-server=192.0.2.1"],
            1,
            "set --dns-mode (settings.dnsMode) to recursive",
        ),
        (
            vec!["operator", "--dns-server=dns.example"],
            2,
            "with an IP address",
        ),
        (
            vec!["operator", dns, "--allow-suffix=http://x"],
            2,
            "use the bare domain",
        ),
        (
            vec!["operator", dns, "--check-ladder=10s:15m"],
            2,
            "use PERIOD:UNTIL-AGE pairs",
        ),
        (
            vec!["operator", dns, "--window=30"],
            2,
            "use a duration such as",
        ),
        (
            vec!["operator", dns, "--window=0s"],
            2,
            "use a duration such as",
        ),
        (
            vec!["operator", dns, "--service-name=acme"],
            2,
            "settings.serviceName",
        ),
        (
            vec!["operator", dns, "--watch-label-selector="],
            2,
            "shards",
        ),
        (vec!["operator", dns, "--concurrency=0"], 2, "1..=1024"),
        (
            vec!["operator", dns, "--no-such-flag"],
            2,
            "unexpected argument",
        ),
        (
            vec!["operator", dns, "--log-level=what=ever=this"],
            1,
            "freehold: ",
        ),
        (
            vec!["operator", dns, "--listen-address=127.0.0.1:0"],
            1,
            "set KUBECONFIG",
        ),
        (vec!["operate"], 2, "unrecognized subcommand"),
    ] {
        is_refused(&arguments, code, words).await;
    }
    let world = World::new().await;
    let mut command = freehold();
    command
        .args(["operator", dns, "--listen-address", &taken])
        .env("KUBECONFIG", &world.cluster.kubeconfig);
    let output = timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    drop(listening);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains(&format!("cannot listen on {taken}")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flag_of_the_operator_is_an_environment_variable() {
    let output = freehold()
        .args(["operator", "--help"])
        .env("COLUMNS", "1000")
        .output()
        .await
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let flags = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--"))
        .filter(|flag| !flag.starts_with("help"))
        .map(|flag| flag.split(' ').next().unwrap().to_owned());
    let mut count = 0;
    for flag in flags {
        let variable = format!("FREEHOLD_{}", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("[env: {variable}=")), "{flag}");
        count += 1;
    }
    assert!(count > 15, "{count} flags in {help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metrics_are_served() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.name("metrics")).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.until_verified().await;
    // Of a refused name neither.
    let refused = tenant.state("refused", "acme.invalid").await;
    refused.until_state(State::Failed).await;
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
    assert_eq!(operator.get("/readyz").await.unwrap().0, 200);
    let controller = "controller=\"organizationdomain\"";
    eventually("the metrics count it", async || {
        let counted = operator
            .metric(
                "freehold_checks_total",
                "verdict=\"proven\",state=\"Pending\"",
            )
            .await;
        let verified = operator
            .metric("freehold_organization_domains", "state=\"Verified\"")
            .await;
        if (counted, verified) == (1, 1) {
            Ok(())
        } else {
            Err(format!("{counted} {verified}"))
        }
    })
    .await;
    assert!(
        operator
            .metric("controller_runtime_reconcile_total", controller)
            .await
            > 0
    );
    let seconds = "controller_runtime_reconcile_time_seconds_count";
    assert!(operator.metric(seconds, controller).await > 0);
    let page = operator.get("/metrics").await.unwrap().1;
    for name in ["workqueue_depth", "controller_runtime_active_workers"] {
        assert!(page.contains(name), "{name}");
    }
    // A name tells outsiders who a customer is: no metric has one.
    let names = [domain.domain.as_str(), "acme", &tenant.namespace];
    let values = page
        .lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2));
    for value in values {
        assert!(names.iter().all(|name| !value.contains(*name)), "{value}");
    }
    // Logs are JSON where nobody watches, one object a line.
    for line in operator.log().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}
