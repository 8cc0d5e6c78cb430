//! DNS packets of a check, counted by the servers that got them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use freehold_testbed::Tree;

use super::fleet::{self, Domain};
use super::parts::Parts;
use super::table::{Limit, Row, number};
use super::watch::Watch;
use super::writes::request;

/// Zones of their own below one top-level domain, two servers each, unsigned, as most are.
const ZONES: [&str; 2] = ["first-bench.com", "second-bench.com"];

pub async fn measure(parts: &Parts) -> Result<Vec<Row>> {
    let mut builder = Tree::builder();
    for zone in ZONES {
        builder = builder.zone(zone);
    }
    let tree = builder.start().await?;
    let anchor = parts.folder().join("root.key");
    tree.write_trust_anchor(&anchor)?;
    let (anchor, port) = (anchor.display().to_string(), tree.port().to_string());
    let network = tree.network();
    let mut dns = vec!["--dns-trust-anchor", &anchor, "--dns-port", &port];
    dns.extend(["--dns-allow-cidr", &network]);
    let roots: Vec<String> = tree
        .roots()
        .into_iter()
        .map(|address| SocketAddr::new(address, tree.port()).to_string())
        .collect();
    for root in &roots {
        dns.extend(["--dns-root", root]);
    }
    let mut operator = parts.spawn_asking(&dns, &["--check-ladder=7d"])?;
    operator.ready().await?;
    let run = "walk";
    let watch = Watch::start(&parts.client, run, None).await?;
    let domains = ZONES.iter().enumerate().map(|(n, zone)| Domain {
        stated: (*zone).to_owned(),
        ..Domain::of(run, n)
    });
    let domains: Vec<Domain> = domains.collect();
    fleet::state(&parts.client, run, &domains).await?;
    let all = |seen: &super::watch::Progress| seen.records.len() == ZONES.len();
    watch.until("both have a challenge", all).await?;
    for domain in &domains {
        let record = watch.look(|seen| seen.records.get(&domain.key()).cloned());
        let record = record.context("a record")?;
        tree.zone(&domain.stated)
            .set_txt(&record.name, &[&record.value]);
    }
    let packets = async |domain: &Domain, value: &str| -> Result<f64> {
        tree.forget_queries();
        request(&parts.client, domain, value).await?;
        let key = domain.key();
        // A walk that gives up asks less.
        let proven = |seen: &super::watch::Progress| {
            let handled = seen.handled.get(&key);
            handled.is_some_and(|handled| handled == value) && seen.verified.contains_key(&key)
        };
        watch.until("the check proved it", proven).await?;
        Ok(number(tree.queries().len()))
    };
    let cold = packets(&domains[0], "1").await?;
    let sibling = packets(&domains[1], "1").await?;
    let warm = packets(&domains[0], "2").await?;
    operator.stop().await?;

    let operator = parts.operator(&["--check-ladder=7d"]).await?;
    let run = "ask";
    let watch = Watch::start(&parts.client, run, Some(parts.dns.clone())).await?;
    let domain = Domain::of(run, 0);
    fleet::state(&parts.client, run, std::slice::from_ref(&domain)).await?;
    watch
        .until("it has a challenge", |seen| !seen.records.is_empty())
        .await?;
    let before = parts.dns.queries();
    request(&parts.client, &domain, "1").await?;
    watch.until_verified(1).await?;
    let recursive = parts.dns.queries() - before;
    operator.stop().await?;

    // The guard leaves room for a few questions that are repeated because the machine was busy.
    let row = |case: &str, value: f64, most: f64, guard: f64| {
        Row::new("packets", case, (value, "packets"), Limit::AtMost(most))
            .guard(Limit::AtMost(guard))
    };
    Ok(vec![
        row("walking from the root, cold", cold, 40.0, 18.0),
        row("walking, top-level domain known", sibling, 20.0, 12.0),
        row("walking, zone known", warm, 8.0, 9.0),
        row("asking one recursive server", number(recursive), 2.0, 3.0),
    ])
}
