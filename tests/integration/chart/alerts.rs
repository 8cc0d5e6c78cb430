//! The alerts and the dashboard, against the operator's metrics.

use std::time::Duration;

use freehold::api::organization::DomainCounts;
use freehold::api::organization_domain::State;
use freehold::api::reason::Reason;
use freehold::model::verdict::Verdict;
use freehold::telemetry::metrics::{CallResult, Controller, EventResult, Metrics, ReconcileResult};
use serde_json::{Value, json};

use crate::support::Chart;

/// Each counted at least once: what was never counted is not on the page.
fn metrics_page() -> String {
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
    metrics.encode().unwrap()
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let page = metrics_page();
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
