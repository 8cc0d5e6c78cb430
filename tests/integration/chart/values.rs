//! The chart's values: what is refused, and that they are the operator's settings.

use std::collections::{BTreeMap, BTreeSet};

use freehold::model::schedule::{Ladder, parse_duration};
use serde_json::{Value, json};

use crate::support::{Chart, chart_folder, freehold, helm, page_at};

#[test]
fn the_chart_pulls_the_image_of_its_own_operator() {
    let text = std::fs::read_to_string(chart_folder().join("Chart.yaml")).unwrap();
    let chart: Value = serde_yaml::from_str(&text).unwrap();
    for version in ["version", "appVersion"] {
        assert_eq!(chart[version], env!("CARGO_PKG_VERSION"), "{version}");
    }
}

#[test]
fn the_chart_is_linted_and_wrong_values_are_refused() {
    let output = helm()
        .args(["lint", "--strict"])
        .arg(chart_folder())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    for (values, words) in [
        (json!({ "replica": 1 }), "replica"),
        (json!({ "settings": { "windows": "30d" } }), "windows"),
        (json!({ "settings": { "window": "30" } }), "window"),
        (json!({ "settings": { "dnsMode": "both" } }), "dnsMode"),
        (
            json!({ "resources": { "limits": { "memory": "256 MB" } } }),
            "memory",
        ),
        (
            json!({ "settings": { "dnsAllowCidr": ["10.0.0.0"] } }),
            "dnsAllowCidr",
        ),
        (json!({ "image": { "digest": "latest" } }), "digest"),
        // A Service begins with a letter.
        (json!({ "fullnameOverride": "123" }), "fullnameOverride"),
        (
            json!({ "podDisruptionBudget": { "maxUnavailable": "abc" } }),
            "maxUnavailable",
        ),
        (
            json!({ "podDisruptionBudget": { "maxUnavailable": -1 } }),
            "maxUnavailable",
        ),
        (json!({ "watchNamespaces": ["Bad_NS"] }), "watchNamespaces"),
    ] {
        let refusal = Chart::render("freehold", "default", &values).err();
        let refusal = refusal.unwrap_or_else(|| panic!("{values} is taken"));
        assert!(refusal.contains(words), "{words} in {refusal}");
    }
}

/// How the operator ends that has such flags: its sentence, without what clap puts around it.
async fn refusal(flags: &[&str]) -> String {
    let output = freehold()
        .arg("operator")
        .args(flags)
        .env("KUBECONFIG", "/nowhere/kubeconfig")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success(), "{flags:?} are taken");
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.lines().next().unwrap();
    let logged = serde_json::from_str::<Value>(line).ok();
    let logged = logged.and_then(|line| Some(line["message"].as_str()?.to_owned()));
    let sentence = logged.or_else(|| Some(line.split_once(">': ")?.1.to_owned()));
    sentence.unwrap_or_else(|| panic!("{said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_are_those_of_the_operator_in_its_words() {
    let pem = "/etc/freehold/ca.crt";
    let of_both = [
        (
            json!({ "dnsServer": ["192.0.2.1"] }),
            vec!["--dns-server=192.0.2.1"],
        ),
        (json!({ "dnsCaFile": pem }), vec!["--dns-ca-file", pem]),
        (
            json!({ "dnsMode": "recursive" }),
            vec!["--dns-mode=recursive"],
        ),
        (
            json!({ "dnsMode": "recursive", "dnsServer": ["192.0.2.1"], "dnsCaFile": pem }),
            vec![
                "--dns-mode=recursive",
                "--dns-server=192.0.2.1",
                "--dns-ca-file",
                pem,
            ],
        ),
        (json!({ "maxProofAge": "23h" }), vec!["--max-proof-age=23h"]),
        (
            json!({ "grace": "1h 30m", "graceCheckPeriod": "1800001ms" }),
            vec!["--grace=1h 30m", "--grace-check-period=1800001ms"],
        ),
        (json!({ "window": "2d 23h" }), vec!["--window=2d 23h"]),
        (
            json!({ "serviceName": "acme" }),
            vec!["--service-name=acme"],
        ),
    ];
    for (settings, flags) in &of_both {
        let words = refusal(flags).await;
        let refused = Chart::render("freehold", "default", &json!({ "settings": settings })).err();
        let refused = refused.unwrap_or_else(|| panic!("{settings} are taken"));
        assert!(refused.contains(&words), "{words} in {refused}");
    }
    let of_chart = [
        (
            json!({ "image": { "repository": "" } }),
            "image.repository is missing",
        ),
        (
            json!({ "image": { "repository": "YOUR/IMAGE" } }),
            "\"YOUR/IMAGE\" is not an image repository",
        ),
        (
            json!({ "serviceAccount": { "create": false } }),
            "set serviceAccount.name",
        ),
        (
            json!({ "leaderElection": { "enabled": false } }),
            "set replicas to 1",
        ),
    ];
    for (values, words) in &of_chart {
        let refused = Chart::render("freehold", "default", values).err();
        let refused = refused.unwrap_or_else(|| panic!("{values} are taken"));
        assert!(refused.contains(words), "{words} in {refused}");
    }
    // One more needs a cluster: a second release for all namespaces.
    let rules = std::fs::read_to_string(chart_folder().join("templates/rules.yaml")).unwrap();
    let rules = rules.lines().filter(|line| line.starts_with("  (list "));
    assert_eq!(rules.count(), of_both.len() + of_chart.len() + 1);
    // What is exactly enough is taken.
    let values = json!({ "settings": {
        "grace": "1h 30m", "graceCheckPeriod": "1800s", "window": "3d", "maxProofAge": "24h"
    } });
    Chart::render("freehold", "default", &values).unwrap();
}

#[test]
fn the_schema_takes_the_durations_that_the_operator_takes() {
    for text in [
        "0s",
        "0d",
        "0d 0h",
        "5s 5s",
        "5m 1h",
        "99999999999d",
        "10000d",
        "5",
        "",
        " ",
        "s",
        "-5s",
        "5w1x",
        "1d",
        "05s",
        "5 s",
        "90s",
        "1h 30m",
        "1h0m0s",
        "1d12h",
        "1500ms",
        "3650d",
        "87600h",
        "5256000m",
    ] {
        let values = json!({ "settings": { "apiTimeout": text } });
        let by_schema = Chart::render("freehold", "default", &values).is_ok();
        assert_eq!(by_schema, parse_duration(text).is_ok(), "{text:?}");
    }
    for text in [
        "1d",
        "10s:15m,1h",
        "0s",
        "0s:15m,1h",
        "10s:0m,1h",
        "10s:99999999999d,1h",
        "10s,1h",
    ] {
        let values = json!({ "settings": { "checkLadder": text } });
        let by_schema = Chart::render("freehold", "default", &values).is_ok();
        assert_eq!(by_schema, text.parse::<Ladder>().is_ok(), "{text:?}");
    }
    for taken in [json!(0), json!(1), json!("50%")] {
        let values = json!({ "podDisruptionBudget": { "maxUnavailable": taken } });
        let chart = Chart::render("freehold", "default", &values).unwrap();
        let budget = chart.of_kind("PodDisruptionBudget").next().unwrap();
        assert_eq!(budget["spec"]["maxUnavailable"], taken);
    }
}

/// Objects that take keys which nobody named.
fn open_objects(path: &str, schema: &Value, open: &mut Vec<String>) {
    if schema["type"] == "object" && schema["properties"].is_object() {
        if schema["additionalProperties"] != false {
            open.push(path.to_owned());
        }
    } else if schema["type"] == "object" && schema["additionalProperties"].is_null() {
        // Left to the Kubernetes API, and says so.
        assert!(schema["description"].is_string(), "{path}");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        open_objects(&format!("{path}.{name}"), property, open);
    }
    if schema["items"].is_object() {
        open_objects(&format!("{path}[]"), &schema["items"], open);
    }
}

#[test]
fn the_schema_is_closed_and_has_what_values_have() {
    let read = |name: &str| std::fs::read_to_string(chart_folder().join(name)).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let mut open = Vec::new();
    open_objects("values", &schema, &mut open);
    assert_eq!(open, Vec::<String>::new());
    let keys = |object: &Value| -> BTreeSet<String> {
        let keys = object.as_object().unwrap().keys();
        keys.filter(|key| *key != "global").cloned().collect()
    };
    assert_eq!(keys(&values), keys(&schema["properties"]));
    for (name, value) in values.as_object().unwrap() {
        let inner = &schema["properties"][name]["properties"];
        if name != "resources" && inner.is_object() {
            assert_eq!(keys(value), keys(inner), "{name}");
        }
    }
}

/// The operator's flags with their defaults.
async fn flags() -> BTreeMap<String, String> {
    let output = freehold()
        .args(["operator", "--help"])
        .env("COLUMNS", "1000")
        .output()
        .await
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut flags = BTreeMap::new();
    let mut last = String::new();
    for line in help.lines() {
        if let Some(flag) = line.trim().strip_prefix("--") {
            last = flag.split(' ').next().unwrap().into();
            flags.insert(last.clone(), String::new());
        }
        if let Some((_, default)) = line.split_once("[default: ") {
            let default = default.split(']').next().unwrap().to_owned();
            flags.insert(last.clone(), default);
        }
    }
    flags
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_are_the_flags_of_the_operator_with_their_defaults() {
    /// Set by values of other names.
    const OTHERWISE: [&str; 6] = [
        "watch-namespace",
        "watch-label-selector",
        "listen-address",
        "leader-election",
        "lease-name",
        "lease-namespace",
    ];
    let values = std::fs::read_to_string(chart_folder().join("values.yaml")).unwrap();
    let values: Value = serde_yaml::from_str(&values).unwrap();
    let settings: BTreeMap<String, String> = values["settings"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| {
            let kebab = |c: char| {
                if c.is_ascii_uppercase() {
                    format!("-{}", c.to_ascii_lowercase())
                } else {
                    c.to_string()
                }
            };
            let default = match value {
                Value::Array(_) | Value::Bool(false) => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (key.chars().map(kebab).collect(), default)
        })
        .collect();
    let mut flags = flags().await;
    flags.retain(|flag, _| !OTHERWISE.contains(&flag.as_str()) && flag != "help");
    assert_eq!(settings, flags);
}

#[test]
fn the_memory_is_reasoned_from_what_was_measured() {
    let measured = |row: &str| {
        let page = page_at("docs/development/performance.md");
        let (_, rest) = page.split_once(&format!("| memory | {row} | ")).unwrap();
        rest.split([';', '|']).next().unwrap().trim().to_owned()
    };
    let values = page_at("charts/freehold/values.yaml");
    for reason in [
        format!(
            "The peak is {} with 10,000 domains and {} with 1,000;",
            measured("10,000 domains, peak in all"),
            measured("1,000 domains, peak in all")
        ),
        format!(
            "The peak is {} with 100,000 domains; each further domain adds {}.",
            measured("100,000 domains, peak in all"),
            measured("a domain more, 10,000 to 100,000")
        ),
    ] {
        assert!(values.contains(&reason), "{reason}");
    }
}
