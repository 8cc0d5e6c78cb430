//! The same zones from BIND, NSD, Knot DNS and `PowerDNS`, and the same check by way of Unbound.

use std::fs;
use std::path::Path;

use freehold::dns::{Asker, Guard, Recursive, RecursiveSettings};
use freehold::model::agreement::Weight::Complete;
use freehold::model::evidence::{Failure, Security};
use freehold::model::policy::NamePolicy;
use freehold::model::verdict::{MismatchKind, Verdict, judge};
use freehold_testbed::nameservers::{Software, Unbound, external, start};
use freehold_testbed::tree::{Behaviour, Builder, Signatures};
use freehold_testbed::{Packages, Process, Tree};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::support::{Asked, Checked, Engine, TIMEOUT, challenge};

/// One zone of each kind of proof.
const ZONES: [(&str, Security); 3] = [
    ("acme.com", Security::Secure),
    ("hashed.com", Security::Secure),
    ("plain.com", Security::Insecure),
];

struct World {
    tree: Tree,
    /// What each zone has, by the domain that it is for.
    cases: Vec<(Asked, Verdict, Security)>,
    folder: TempDir,
}

fn zones(hosts: &[&str]) -> Builder {
    let mut builder = Tree::builder().public_addresses();
    for (zone, _) in ZONES {
        builder = builder.zone(zone).served_by(hosts);
        builder = match zone {
            "acme.com" => builder.signed(),
            "hashed.com" => builder.signed_with_nsec3(0),
            _ => builder,
        };
    }
    builder.zone("host.net")
}

/// Every kind of answer, at a domain of its own below each zone.
async fn world(builder: Builder) -> World {
    let tree = builder.start().await.unwrap();
    let mut cases = Vec::new();
    for (zone, security) in ZONES {
        let edit = tree.zone(zone);
        let mut case = |domain: &str, verdict, security| {
            let asked = challenge(&format!("{domain}.{zone}"));
            cases.push((asked.clone(), verdict, security));
            asked
        };
        let asked = case("proven", Verdict::Proven, security);
        edit.set_txt(&asked.owner_underscore(), &[&asked.value_underscore()]);
        let asked = case("apex", Verdict::Proven, security);
        let value = asked.value_apex();
        edit.set_txt(&format!("apex.{zone}"), &["v=spf1 -all", &value]);
        let asked = case(
            "other",
            Verdict::Mismatch(MismatchKind::OtherValue),
            security,
        );
        edit.set_txt(&asked.owner_underscore(), &["token=other"]);
        case("missing", Verdict::Absent, security);
        let asked = case("empty", Verdict::Absent, security);
        edit.set_txt(&format!("x.{}", asked.owner_underscore()), &["x"]);
        let asked = case("alias", Verdict::Proven, security);
        let target = format!("target.{zone}");
        edit.set_cname(&asked.owner_underscore(), &target);
        edit.set_txt(&target, &[&asked.value_underscore()]);
        let asked = case("away", Verdict::Proven, Security::Insecure);
        let target = format!("{}.host.net", zone.replace('.', "-"));
        edit.set_cname(&asked.owner_underscore(), &target);
        tree.zone("host.net")
            .set_txt(&target, &[&asked.value_underscore()]);
        let asked = case("moved", Verdict::Proven, Security::Insecure);
        let goal = format!("{}.goal.host.net", zone.replace('.', "-"));
        edit.set_dname(&format!("moved.{zone}"), &goal);
        let goal = format!("_freehold-challenge.{goal}");
        tree.zone("host.net")
            .set_txt(&goal, &[&asked.value_underscore()]);
        let asked = case("large", Verdict::Proven, security);
        let mut values = vec!["x".repeat(250); 16];
        for (n, value) in values.iter_mut().enumerate() {
            value.push_str(&n.to_string());
        }
        values.push(asked.value_underscore());
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        edit.set_txt(&asked.owner_underscore(), &values);
    }
    let folder = tempfile::tempdir().unwrap();
    World {
        tree,
        cases,
        folder,
    }
}

impl World {
    async fn serve(&self, packages: &Packages, software: Software, host: &str) -> Process {
        start(packages, software, &self.tree, host, self.folder.path())
            .await
            .unwrap()
    }

    async fn all_hold(&self) {
        let engine = Engine::of(&self.tree);
        for (asked, verdict, security) in &self.cases {
            let checked = engine.check(asked).await;
            checked.is(*verdict, Complete);
            assert_eq!(checked.judged.security, *security, "{checked:#?}");
        }
    }
}

/// The software alone, with two servers where it can listen at two addresses.
async fn software(software: Software, hosts: &[&str]) {
    let packages = Packages::from_environment().unwrap();
    let placed: Vec<(&str, Software)> = hosts.iter().map(|&host| (host, software)).collect();
    let world = world(external(zones(hosts), &placed)).await;
    let mut servers = Vec::new();
    for host in hosts {
        servers.push(world.serve(&packages, software, host).await);
    }
    world.all_hold().await;
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn bind() {
    software(Software::Bind, &["ns1.acme.com"]).await;
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn nsd() {
    software(Software::Nsd, &["ns1.acme.com", "ns2.acme.com"]).await;
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn knot() {
    software(Software::Knot, &["ns1.acme.com", "ns2.acme.com"]).await;
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn powerdns() {
    software(Software::PowerDns, &["ns1.acme.com", "ns2.acme.com"]).await;
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn all_three_agree() {
    let packages = Packages::from_environment().unwrap();
    let hosts = ["ns1.acme.com", "ns2.acme.com", "ns3.acme.com"];
    let placed: Vec<(&str, Software)> = hosts.into_iter().zip(Software::ALL).collect();
    let world = world(external(zones(&hosts), &placed)).await;
    let mut servers = Vec::new();
    for &(host, software) in &placed {
        servers.push(world.serve(&packages, software, host).await);
    }
    world.all_hold().await;
    // One of them gone, the others do not prove for all.
    servers[1].kill().await.unwrap();
    let engine = Engine::of(&world.tree);
    let checked = engine.check(&world.cases[0].0).await;
    checked.is(Verdict::Proven, freehold::model::agreement::Weight::Partial);
}

async fn by_way_of(unbound: &Unbound, server: String, asked: &Asked) -> Checked {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&unbound.certificate)).unwrap();
    let settings = RecursiveSettings {
        servers: vec![server.parse().unwrap()],
        timeout: TIMEOUT * 5,
        policy: NamePolicy::default(),
        secure_only: false,
        tls: Some(
            ClientConfig::builder()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        ),
    };
    let guard = Guard::new([unbound.plain, unbound.tls], Vec::new());
    let evidence = Recursive::new(settings, guard)
        .unwrap()
        .gather(asked, &Asker::new("test"))
        .await;
    Checked {
        judged: judge(asked, &evidence),
        evidence,
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn unbound_over_udp_and_tls() {
    let packages = Packages::from_environment().unwrap();
    let world = world(zones(&["ns1.acme.com", "ns2.acme.com"])).await;
    let unbound = Unbound::start(&packages, &world.tree, world.folder.path())
        .await
        .unwrap();
    let over_tls = format!("tls://{}#{}", unbound.tls, unbound.tls_name);
    for (asked, verdict, security) in &world.cases {
        let checked = by_way_of(&unbound, unbound.plain.to_string(), asked).await;
        assert_eq!(checked.judged.verdict, *verdict, "{checked:#?}");
        // What says so can be forged on the way.
        assert_eq!(checked.judged.security, Security::Unknown);
        let checked = by_way_of(&unbound, over_tls.clone(), asked).await;
        assert_eq!(checked.judged.verdict, *verdict, "{checked:#?}");
        let secure = checked.judged.security == Security::Secure;
        assert_eq!(secure, *security == Security::Secure, "{checked:#?}");
    }
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn unbound_takes_no_bogus_answer() {
    let packages = Packages::from_environment().unwrap();
    let world = world(zones(&["ns1.acme.com", "ns2.acme.com"])).await;
    let unbound = Unbound::start(&packages, &world.tree, world.folder.path())
        .await
        .unwrap();
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        let server = world.tree.server(host);
        server.set_behaviour(Behaviour::Signatures(Signatures::Bogus));
    }
    let over_tls = format!("tls://{}#{}", unbound.tls, unbound.tls_name);
    let checked = by_way_of(&unbound, over_tls, &world.cases[0].0).await;
    checked.is_inconclusive(Failure::ServFail);
}

/// Another name than the one given is in the certificate: nothing is asked.
#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn unbound_under_another_name_is_not_asked() {
    let packages = Packages::from_environment().unwrap();
    let world = world(zones(&["ns1.acme.com", "ns2.acme.com"])).await;
    let unbound = Unbound::start(&packages, &world.tree, world.folder.path())
        .await
        .unwrap();
    world.tree.forget_queries();
    let wrong = format!("tls://{}#other.test", unbound.tls);
    let asked = &world.cases[0].0;
    by_way_of(&unbound, wrong, asked).await.is_undecided();
    let about = asked.owner_underscore();
    let queries = world.tree.queries();
    assert!(queries.iter().all(|query| query.name != about));
}
