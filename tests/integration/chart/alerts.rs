//! The alerts and the dashboard, against the operator's metrics.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use freehold::api::organization::DomainCounts;
use freehold::api::organization_domain::State;
use freehold::api::reason::Reason;
use freehold::model::verdict::Verdict;
use freehold::telemetry::metrics::{CallResult, Controller, EventResult, Metrics, ReconcileResult};
use freehold_testbed::Packages;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::Chart;

/// Each counted at least once: what was never counted is not on the page.
fn metrics() -> Metrics {
    let metrics = Metrics::default();
    metrics.queue_waited(Controller::Organization, Duration::ZERO);
    metrics.queue_depth(Controller::Organization, 0);
    metrics.api_calls(CallResult::Success);
    metrics.request("GET", 403, "api");
    metrics.event(EventResult::Published);
    metrics.check(Verdict::Disagreement, State::Verified);
    metrics.notice(Reason::Verified);
    metrics.watch_error("Organization");
    metrics.invalid_objects("Organization", 0, 1);
    metrics.unwritten_statuses(1);
    metrics.domains(DomainCounts::default());
    metrics.leads("freehold", true);
    let timer = metrics.reconcile_started(Controller::Organization);
    timer.finish(ReconcileResult::TerminalError);
    metrics.at_risk([
        ("grace", 1),
        ("stale", 0),
        ("inconclusive", 0),
        ("hand_over", 0),
    ]);
    metrics.dns_took(Duration::ZERO);
    metrics
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let page = metrics().encode().unwrap();
    let values = json!({ "metrics": {
        "prometheusRule": { "enabled": true }, "dashboard": { "enabled": true } } });
    let chart = Chart::render("freehold", "default", &values).unwrap();
    let dashboard = chart.of_kind("ConfigMap").next().unwrap();
    let dashboard = dashboard["data"]["freehold.json"].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let mut asked = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().unwrap();
        asked.extend(targets.iter().map(|target| target["expr"].clone()));
    }
    for group in chart.of_kind("PrometheusRule").next().unwrap()["spec"]["groups"]
        .as_array()
        .unwrap()
    {
        let rules = group["rules"].as_array().unwrap();
        asked.extend(rules.iter().map(|rule| rule["expr"].clone()));
    }
    assert!(asked.len() > 12);
    for expression in asked {
        let expression = expression.as_str().unwrap().to_owned();
        let mut metrics = 0;
        for (before, _) in expression.match_indices('{') {
            let word = expression[..before]
                .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
                .unwrap();
            if word != "up" {
                let family = ["_total", "_bucket"]
                    .iter()
                    .fold(word, |word, suffix| word.trim_end_matches(suffix));
                assert!(page.contains(&format!("# TYPE {family} ")), "{word}");
            }
            metrics += 1;
        }
        // What the labels are compared with, but for those that Prometheus adds.
        for (before, after) in expression.match_indices("=\"").map(|(at, mark)| {
            let (before, after) = expression.split_at(at);
            (before, &after[mark.len()..])
        }) {
            let label = before.rsplit([',', '{', ' ']).next().unwrap();
            let value = after.split('"').next().unwrap();
            if !["job", "namespace"].contains(&label.trim_end_matches('!')) {
                let label = label.trim_end_matches('!');
                assert!(
                    page.contains(&format!("{label}=\"{value}\"")),
                    "{label}={value}"
                );
            }
        }
        assert!(metrics > 0, "{expression}");
    }
}

/// What an alert fires on, and what it does not.
struct Case {
    alert: &'static str,
    /// Series with their values by the minute.
    fires: &'static [(&'static str, &'static str)],
    /// The labels that its expression leaves, with a value for each placeholder of its texts.
    labels: &'static [(&'static str, &'static str)],
    value: &'static str,
    quiet: &'static [(&'static str, &'static str)],
}

const CASES: [Case; 11] = [
    Case {
        alert: "FreeholdDown",
        fires: &[("up", "0x90")],
        labels: &[],
        value: "1",
        quiet: &[("up", "1x90")],
    },
    Case {
        alert: "FreeholdNoLeader",
        fires: &[("leader_election_master_status;name=\"freehold\"", "0x90")],
        labels: &[("job", "freehold")],
        value: "0",
        quiet: &[
            ("leader_election_master_status;pod=\"a\"", "0x90"),
            ("leader_election_master_status;pod=\"b\"", "1x90"),
        ],
    },
    Case {
        alert: "FreeholdRefusedByApiServer",
        fires: &[
            ("rest_client_requests_total;code=\"403\"", "0+10x90"),
            ("rest_client_requests_total;code=\"200\"", "0+90x90"),
        ],
        labels: &[],
        value: "150",
        quiet: &[
            ("rest_client_requests_total;code=\"403\"", "0+1x90"),
            ("rest_client_requests_total;code=\"200\"", "0+99x90"),
            ("controller_runtime_terminal_reconcile_errors_total", "7x90"),
        ],
    },
    Case {
        alert: "FreeholdApiCallsFail",
        fires: &[
            ("freehold_api_calls_total;result=\"timeout\"", "0+60x90"),
            ("freehold_api_calls_total;result=\"success\"", "0+60x90"),
        ],
        labels: &[],
        value: "1",
        quiet: &[
            ("freehold_api_calls_total;result=\"timeout\"", "0+6x90"),
            ("freehold_api_calls_total;result=\"success\"", "0+60x90"),
        ],
    },
    // Twenty domains of which a few had their daily check since the DNS was blocked.
    Case {
        alert: "FreeholdChecksInconclusive",
        fires: &[
            ("freehold_domains_at_risk;risk=\"inconclusive\"", "5x90"),
            ("freehold_organization_domains;state=\"Verified\"", "20x90"),
        ],
        labels: &[],
        value: "5",
        quiet: &[
            ("freehold_domains_at_risk;risk=\"inconclusive\"", "2x90"),
            ("freehold_organization_domains;state=\"Verified\"", "5x90"),
            ("freehold_checks_total;verdict=\"inconclusive\"", "0+6x90"),
            ("freehold_checks_total;verdict=\"absent\"", "0+1x90"),
        ],
    },
    Case {
        alert: "FreeholdDomainLost",
        fires: &[("freehold_notices_total;reason=\"RecordLost\"", "0x80 1x10")],
        labels: &[("reason", "RecordLost")],
        value: "1",
        quiet: &[
            ("freehold_notices_total;reason=\"RecordLost\"", "1x90"),
            ("freehold_notices_total;reason=\"Verified\"", "0+1x90"),
        ],
    },
    Case {
        alert: "FreeholdDomainInGrace",
        fires: &[("freehold_domains_at_risk;risk=\"grace\"", "2x90")],
        labels: &[],
        value: "2",
        quiet: &[("freehold_domains_at_risk;risk=\"grace\"", "0x90")],
    },
    Case {
        alert: "FreeholdHandOverStarted",
        fires: &[("freehold_domains_at_risk;risk=\"hand_over\"", "1x90")],
        labels: &[],
        value: "1",
        quiet: &[("freehold_domains_at_risk;risk=\"hand_over\"", "0x90")],
    },
    Case {
        alert: "FreeholdProofStale",
        fires: &[("freehold_domains_at_risk;risk=\"stale\"", "3x90")],
        labels: &[],
        value: "3",
        quiet: &[("freehold_domains_at_risk;risk=\"stale\"", "0x90")],
    },
    Case {
        alert: "FreeholdInvalidObjects",
        fires: &[("freehold_invalid_objects;kind=\"Organization\"", "1x90")],
        labels: &[("kind", "Organization")],
        value: "1",
        quiet: &[("freehold_invalid_objects;kind=\"Organization\"", "0x90")],
    },
    Case {
        alert: "FreeholdUnwrittenStatuses",
        fires: &[("freehold_unwritten_statuses", "1x90")],
        labels: &[],
        value: "1",
        quiet: &[("freehold_unwritten_statuses", "0x90")],
    },
];

impl Case {
    fn test(&self, rule: &Value, series: &[(&str, &str)], fires: bool) -> Value {
        let filled = |text: &str| {
            let text = text.replace("{{ $value }}", self.value);
            self.labels.iter().fold(text, |text, (label, value)| {
                text.replace(&format!("{{{{ $labels.{label} }}}}"), value)
            })
        };
        let mut annotations = rule["annotations"].clone();
        for text in annotations.as_object_mut().unwrap().values_mut() {
            *text = filled(text.as_str().unwrap()).into();
        }
        let mut labels = rule["labels"].clone();
        for (label, value) in self.labels {
            labels[label] = (*value).into();
        }
        let input: Vec<_> = series
            .iter()
            .map(|(series, values)| {
                let (name, more) = series.split_once(';').unwrap_or((series, "pod=\"a\""));
                let series = format!("{name}{{job=\"freehold\",namespace=\"default\",{more}}}");
                json!({ "series": series, "values": values })
            })
            .collect();
        let expected = json!([{ "exp_labels": labels, "exp_annotations": annotations }]);
        json!({
            "name": format!("{} {fires}", self.alert),
            "interval": "1m",
            "input_series": input,
            "alert_rule_test": [{
                "eval_time": "85m",
                "alertname": self.alert,
                "exp_alerts": if fires { expected } else { json!([]) },
            }],
        })
    }
}

#[tokio::test]
#[ignore = "not run: it needs promtool, which cargo xtask test --with-dns-servers brings"]
async fn prometheus_takes_the_metrics_and_each_alert_fires_where_it_should() {
    let packages = Packages::from_environment().unwrap();
    let values = json!({ "metrics": { "prometheusRule": { "enabled": true } } });
    let chart = Chart::render("freehold", "default", &values).unwrap();
    let spec = &chart.of_kind("PrometheusRule").next().unwrap()["spec"];
    let rules = spec["groups"][0]["rules"].as_array().unwrap();
    let mut tests = Vec::new();
    for rule in rules {
        let alert = rule["alert"].as_str().unwrap();
        let case = CASES.iter().find(|case| case.alert == alert);
        let case = case.unwrap_or_else(|| panic!("{alert} has no test"));
        tests.push(case.test(rule, case.fires, true));
        tests.push(case.test(rule, case.quiet, false));
        let page = include_str!("../../../docs/operations.md");
        let runbook = rule["annotations"]["runbook_url"].as_str().unwrap();
        let section = format!("/docs/operations#{}", alert.to_lowercase());
        assert!(runbook.ends_with(&section), "{runbook}");
        assert!(page.contains(&format!("### {alert}\n")), "{alert}");
    }
    assert_eq!(tests.len(), 2 * CASES.len());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &Value| {
        fs::write(folder.path().join(name), content.to_string()).unwrap();
    };
    write("rules.yaml", spec);
    write(
        "tests.yaml",
        &json!({ "rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests }),
    );
    for arguments in [
        &["check", "rules", "rules.yaml"][..],
        &["test", "rules", "tests.yaml"],
    ] {
        let mut promtool = packages.command("usr/bin/promtool").unwrap();
        let ran = promtool.args(arguments).current_dir(folder.path()).output();
        let ran = ran.await.unwrap();
        let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{arguments:?}: {said}");
    }
    let page = metrics().encode_as_text().unwrap();
    let mut promtool = packages.command("usr/bin/promtool").unwrap();
    let mut promtool = promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(page.as_bytes()).await.unwrap();
    drop(input);
    let ran = promtool.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.is_empty(), "{said}");
}
