//! `freehold check`: the same engine from a shell.

use std::process::{Output, Stdio};

use freehold_testbed::Tree;
use freehold_testbed::tree::Behaviour;
use freehold_testbed::{DnsServer, ResponseCode};
use tokio::process::Command;

use crate::support::{Asked, DOMAIN, challenge, publish};

async fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_freehold"))
        .arg("check")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

async fn check(tree: &Tree, challenge: &Asked, more: &[&str]) -> Output {
    look(tree, &[&["--token", challenge.token()], more].concat()).await
}

/// Walks a tree on its loopback addresses, as it is.
async fn look(tree: &Tree, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let anchor = folder.path().join("root.key");
    tree.write_trust_anchor(&anchor).unwrap();
    let port = tree.port().to_string();
    let network = tree.network();
    let roots: Vec<String> = tree
        .roots()
        .into_iter()
        .map(|ip| format!("{ip}:{port}"))
        .collect();
    let mut arguments = vec![DOMAIN, "--dns-port", &port];
    arguments.extend(["--dns-allow-cidr", &network, "--dns-timeout", "1s"]);
    for root in &roots {
        arguments.extend(["--dns-root", root]);
    }
    arguments.extend(["--dns-trust-anchor", anchor.to_str().unwrap()]);
    arguments.extend(more);
    run(&arguments).await
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[tokio::test]
async fn the_exit_code_is_the_verdict() {
    let tree = Tree::builder().zone(DOMAIN).signed().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let output = check(&tree, &challenge, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    publish(&tree, &challenge);
    let output = check(&tree, &challenge, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let shown = text(&output);
    for part in [
        "Proven, 2 of 2 servers answered",
        "Secure",
        "ns1.acme.com",
        "ns2.acme.com",
        &challenge.owner_underscore(),
        &challenge.value_underscore(),
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::Rcode(ResponseCode::Refused));
    }
    let output = check(&tree, &challenge, &[]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("REFUSED"), "{}", text(&output));
}

#[tokio::test]
async fn without_a_token_it_counts_whether_the_dns_answers() {
    let tree = Tree::builder().zone(DOMAIN).start().await.unwrap();
    let output = look(&tree, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::Rcode(ResponseCode::ServFail));
    }
    let output = look(&tree, &[]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[tokio::test]
async fn json_and_yaml_say_the_same() {
    let tree = Tree::builder().zone(DOMAIN).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let json = check(&tree, &challenge, &["--output", "json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let yaml = check(&tree, &challenge, &["--output", "yaml"]).await;
    let yaml: serde_json::Value = serde_yaml::from_slice(&yaml.stdout).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json["verdict"], "Proven");
    assert_eq!(json["complete"], true);
    assert_eq!(json["dnssec"], "Insecure");
    assert_eq!(json["zone"], DOMAIN);
    assert_eq!(json["nameServers"][1], "ns2.acme.com");
}

#[tokio::test]
async fn the_provider_is_shown_in_every_format() {
    let hosts = ["ns01.domaincontrol.com", "ns02.domaincontrol.com"];
    let builder = Tree::builder().zone("domaincontrol.com").zone(DOMAIN);
    let tree = builder.served_by(&hosts).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let page = "https://dcc.godaddy.com/control/portfolio/acme.com/settings?tab=dns";
    let table = check(&tree, &challenge, &[]).await;
    let line = format!("DNS provider  GoDaddy ({page})");
    assert!(text(&table).contains(&line), "{}", text(&table));
    let json = check(&tree, &challenge, &["--output", "json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let yaml = check(&tree, &challenge, &["--output", "yaml"]).await;
    let yaml: serde_json::Value = serde_yaml::from_slice(&yaml.stdout).unwrap();
    for provider in [&json["dnsProvider"], &yaml["dnsProvider"]] {
        assert_eq!(provider["name"], "GoDaddy");
        assert_eq!(provider["link"], page);
    }
}

/// The record at the name that a panel makes of a full one.
#[tokio::test]
async fn the_likely_mistake_is_named() {
    let tree = Tree::builder().zone(DOMAIN).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let twice = format!("{}.{DOMAIN}", challenge.owner_underscore());
    tree.zone(DOMAIN)
        .set_txt(&twice, &[&challenge.value_underscore()]);
    let output = check(&tree, &challenge, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let shown = text(&output);
    let hint = shown.lines().find(|line| line.starts_with("Hint"));
    assert!(hint.is_some_and(|hint| hint.contains(&twice)), "{shown}");
}

#[tokio::test]
async fn without_leave_no_learned_address_on_loopback_is_asked() {
    let tree = Tree::builder().zone(DOMAIN).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let port = tree.port().to_string();
    let root = format!("{}:{port}", tree.roots()[0]);
    let output = run(&[
        DOMAIN,
        "--token",
        challenge.token(),
        "--dns-root",
        &root,
        "--dns-port",
        &port,
        "--dns-trust-anchor",
        "/dev/null",
        "--dns-timeout",
        "1s",
    ])
    .await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(tree.server("ns1.com").queries().is_empty());
    assert!(tree.server("ns1.acme.com").queries().is_empty());
}

/// As behind a firewall.
#[tokio::test]
async fn that_no_root_server_answers_is_said_in_every_format() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let closed = "127.0.0.1:1".to_owned();
    for (anchor, output) in [
        (None, "table"),
        (Some("/dev/null"), "table"),
        (None, "json"),
        (None, "yaml"),
    ] {
        let mut arguments = vec![DOMAIN, "--dns-root", &silent, "--dns-root", &closed];
        arguments.extend(["--dns-timeout", "300ms", "--output", output]);
        if let Some(anchor) = anchor {
            arguments.extend(["--dns-trust-anchor", anchor]);
        }
        let output = run(&arguments).await;
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        let shown = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let port = |address: &str| format!("port {}", address.rsplit(':').next().unwrap());
        // Said once.
        assert_eq!(error, "");
        for part in ["no root server gave", "port 53", "--dns-mode recursive"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        for part in [port(&silent), port(&closed)] {
            assert!(shown.contains(&part), "{part}: {shown}");
        }
        assert!(shown.contains("could not be reached"), "{shown}");
    }
}

#[tokio::test]
async fn recursive_mode_asks_the_server_given() {
    let server = DnsServer::start().await.unwrap();
    let challenge = challenge(DOMAIN);
    server.set_txt(
        &challenge.owner_underscore(),
        vec![challenge.value_underscore()],
    );
    let address = server.addr().to_string();
    let arguments = [
        DOMAIN,
        "--token",
        challenge.token(),
        "--dns-server",
        &address,
    ];
    let output = run(&[&arguments[..], &["--dns-mode", "recursive"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // The server makes no sense in the other mode, and the error says so.
    let output = run(&arguments).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("set --dns-mode"),
        "{}",
        text(&output)
    );
}

#[tokio::test]
async fn a_private_resolver_is_believed_by_its_own_authority_alone() {
    let server = DnsServer::start().await.unwrap();
    let challenge = challenge(DOMAIN);
    server.set_txt(
        &challenge.owner_underscore(),
        vec![challenge.value_underscore()],
    );
    let https = server.over_https("resolver.test").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, https.certificate()).unwrap();
    let address = format!("https://{}#resolver.test", https.addr());
    let mut arguments = vec![DOMAIN, "--token", challenge.token()];
    arguments.extend(["--dns-mode", "recursive", "--dns-server", &address]);
    let output = run(&arguments).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(
        text(&output).contains("certificate is not trusted"),
        "{}",
        text(&output)
    );
    arguments.extend(["--dns-ca-file", file.to_str().unwrap()]);
    let output = run(&arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
