//! No packet goes where it must not, and no more go anywhere than a check may send.

use std::net::IpAddr;
use std::time::Duration;

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::Failure;
use freehold::model::policy::NamePolicy;
use freehold::model::verdict::Verdict;
use freehold_testbed::Tree;
use freehold_testbed::tree::{Behaviour, Query};
use futures::future::{join, join_all};

use crate::support::{DOMAIN, Engine, Setup, acme, challenge, publish};

/// Addresses that a name server record must not lead us to. Behind each a real server waits with
/// the right answer.
const FORBIDDEN: [[u8; 4]; 16] = [
    [10, 0, 0, 53],
    [172, 16, 0, 53],
    [192, 168, 1, 53],
    [127, 53, 53, 53],
    [169, 254, 169, 254],
    [168, 63, 129, 16],
    [100, 64, 0, 53],
    [100, 100, 100, 200],
    [192, 0, 0, 10],
    [192, 0, 2, 53],
    [198, 18, 0, 53],
    [192, 88, 99, 1],
    [224, 0, 0, 53],
    [240, 0, 0, 53],
    [255, 255, 255, 255],
    [0, 0, 0, 0],
];

#[tokio::test]
async fn name_servers_at_internal_addresses_are_not_asked() {
    for octets in FORBIDDEN {
        let address = IpAddr::from(octets);
        // Each tree has a port of its own, so that one in 127.0.0.0/8 is free for each.
        let tree = acme()
            .told_address("ns2.acme.com", address)
            .start()
            .await
            .unwrap();
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Partial);
        let failure = checked.failure("ns2.acme.com");
        assert_eq!(failure, Some(Failure::NotPublicAddress), "{address}");
        let asked = tree.server("ns2.acme.com").queries();
        assert!(asked.is_empty(), "{address}: {asked:?}");
    }
}

/// The same in AAAA records: internal networks, and the forms that carry an IPv4 address.
const FORBIDDEN_V6: [&str; 14] = [
    "::",
    "::1",
    "::10.0.0.53",
    "::ffff:10.0.0.53",
    "::ffff:169.254.169.254",
    "::ffff:192.88.3.3",
    "64:ff9b::10.0.0.53",
    "64:ff9b:1::10.0.0.53",
    "2002:a00:35::1",
    "2001::a00:35",
    "2001:db8::53",
    "fd00:ec2::254",
    "fe80::53",
    "ff02::fb",
];

#[tokio::test]
async fn name_servers_at_internal_ipv6_addresses_are_not_asked() {
    for text in FORBIDDEN_V6 {
        let address: IpAddr = text.parse().unwrap();
        let tree = acme()
            .told_address("ns2.acme.com", address)
            .start()
            .await
            .unwrap();
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Partial);
        let failure = checked.failure("ns2.acme.com");
        assert_eq!(failure, Some(Failure::NotPublicAddress), "{address}");
        let asked = tree.server("ns2.acme.com").queries();
        assert!(asked.is_empty(), "{address}: {asked:?}");
    }
}

#[tokio::test]
async fn with_internal_name_servers_alone_there_is_no_verdict() {
    let tree = acme()
        .told_address("ns1.acme.com", [10, 0, 0, 53].into())
        .told_address("ns2.acme.com", [169, 254, 169, 254].into())
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::NotPublicAddress);
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        assert!(tree.server(host).queries().is_empty());
    }
}

#[tokio::test]
async fn an_allowed_network_is_asked() {
    let tree = acme()
        .told_address("ns2.acme.com", [10, 0, 0, 53].into())
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let setup = Setup {
        allowed: vec!["10.0.0.0/24"],
        ..Setup::default()
    };
    let checked = Engine::with(&tree, setup).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
}

/// The address of a server without glue, and the zone that an alias leads to, are guarded alike.
#[tokio::test]
async fn every_way_to_an_internal_address_is_closed() {
    let tree = acme()
        .zone("host.net")
        .zone("metadata.org")
        .told_address("ns1.metadata.org", [169, 254, 169, 254].into())
        .told_address("ns2.metadata.org", [10, 96, 0, 10].into())
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    let owner = challenge.owner_underscore();
    let value = challenge.value_underscore();
    tree.zone(DOMAIN).set_cname(&owner, "x.metadata.org");
    tree.zone("metadata.org")
        .set_txt("x.metadata.org", &[&value]);
    let engine = Engine::of(&tree);
    engine.check(&challenge).await.is_undecided();

    tree.zone("host.net")
        .set_addresses("inner.host.net", &[[10, 96, 0, 10].into()]);
    tree.zone("com").set_ns(DOMAIN, &["inner.host.net"]);
    let engine = Engine::of(&tree);
    let checked = engine.check(&challenge).await;
    checked.is_inconclusive(Failure::NotPublicAddress);
    for host in ["ns1.metadata.org", "ns2.metadata.org"] {
        assert!(tree.server(host).queries().is_empty());
    }
}

#[tokio::test]
async fn names_outside_the_public_dns_are_never_asked() {
    for inner in [
        "kubernetes.default.svc.cluster.local",
        "vault.internal",
        "printer.lan",
        "localhost",
        "1.0.0.10.in-addr.arpa",
    ] {
        let tree = acme().start().await.unwrap();
        let challenge = challenge(DOMAIN);
        let owner = challenge.owner_underscore();
        tree.zone(DOMAIN).set_cname(&owner, inner);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(Failure::NotPublicName);
        tree.zone("com").set_ns(DOMAIN, &["ns1.acme.com", inner]);
        tree.zone(DOMAIN).remove(&owner);
        publish(&tree, &challenge);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Partial);
        assert_eq!(checked.failure(inner), Some(Failure::NotPublicName));
        let last = inner.rsplit('.').next().unwrap();
        let asked: Vec<_> = tree
            .queries()
            .into_iter()
            .filter(|query| query.name.ends_with(last))
            .collect();
        assert!(asked.is_empty(), "{asked:?}");
    }
}

#[tokio::test]
async fn an_allowed_suffix_leads_inside_only_from_inside() {
    let builder = || {
        acme()
            .zone("corp.internal")
            .zone("sub.corp.internal")
            .zone("internal")
    };
    let inside = || NamePolicy {
        allowed_suffixes: vec![freehold::model::name::DomainName::parse("corp.internal").unwrap()],
        ..NamePolicy::default()
    };
    let setup = || Setup {
        policy: inside(),
        ..Setup::default()
    };
    let tree = builder().start().await.unwrap();
    let public = challenge(DOMAIN);
    let secret = "t.sub.corp.internal";
    tree.zone(DOMAIN)
        .set_cname(&public.owner_underscore(), secret);
    tree.zone("sub.corp.internal")
        .set_txt(secret, &[&public.value_underscore()]);
    let checked = Engine::with(&tree, setup()).check(&public).await;
    checked.is_inconclusive(Failure::NotPublicName);

    let internal = challenge("sub.corp.internal");
    tree.zone("sub.corp.internal").set_txt(
        &internal.owner_underscore(),
        &[&internal.value_underscore()],
    );
    let checked = Engine::with(&tree, setup()).check(&internal).await;
    checked.is(Verdict::Proven, Complete);
}

/// Two hundred name servers of a victim's zone, none with an address in the delegation: each
/// would be a question to the victim (the NXNS attack).
#[tokio::test]
async fn a_zone_with_two_hundred_glueless_servers() {
    let tree = acme().zone("victim.org").start().await.unwrap();
    let challenge = challenge(DOMAIN);
    for count in [200, 16] {
        let hosts: Vec<String> = (0..count).map(|n| format!("x{n}.victim.org")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        tree.zone("com").set_ns(DOMAIN, &hosts);
        tree.forget_queries();
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_undecided();
        let at_victim: usize = ["ns1.victim.org", "ns2.victim.org"]
            .iter()
            .map(|host| tree.server(host).queries().len())
            .sum();
        // Twelve hosts, two kinds of address, two servers.
        assert!(at_victim <= 48, "{at_victim} of {count}");
        assert!(tree.queries().len() <= 110, "{}", tree.queries().len());
    }
}

/// The same from below: the zones of name servers have name servers in zones whose name servers…
#[tokio::test]
async fn name_servers_behind_name_servers() {
    // Every other one in another registry, so that no referral has the next one's address.
    let zone = |n: usize| format!("z{n}.{}", if n.is_multiple_of(2) { "net" } else { "org" });
    let mut builder = acme().served_by(&["ns.z0.net"]);
    for n in 0..6 {
        let host = format!("ns.{}", zone(n + 1));
        builder = builder.zone(&zone(n)).served_by(&[&host]);
    }
    let tree = builder.zone(&zone(6)).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::Budget);
    assert!(tree.queries().len() <= 110, "{}", tree.queries().len());
}

/// A silent server is a victim that somebody wrote into name server records: checks of many
/// domains together send it few packets.
#[tokio::test]
async fn a_server_that_never_answers_is_left_alone() {
    let mut builder = Tree::builder()
        .public_addresses()
        .zone("victim.org")
        .zone("host.net");
    for n in 0..20 {
        builder = builder
            .zone(&format!("d{n}.com"))
            .served_by(&["ns1.host.net", "ns1.victim.org"]);
    }
    let tree = builder.start().await.unwrap();
    let victim = tree.server("ns1.victim.org");
    victim.set_behaviour(Behaviour::Silent);
    let engine = Engine::of(&tree);
    for n in 0..20 {
        engine.check(&challenge(&format!("d{n}.com"))).await;
    }
    let packets = victim.queries().len();
    // Twelve questions, each sent three times over UDP and once over TCP.
    assert!(packets <= 48, "{packets}");
}

/// Somebody's domains at a provider that does not serve them are refused there; the provider's own
/// customers notice nothing.
#[tokio::test]
async fn a_server_that_refuses_one_zone_is_asked_for_its_others() {
    let builder = Tree::builder().public_addresses().zone("host.net");
    let builder = builder.zone(DOMAIN).served_by(&["ns1.host.net"]);
    let tree = builder.start().await.unwrap();
    tree.zone("com").set_ns("lame.com", &["ns1.host.net"]);
    let server = tree.server("ns1.host.net");
    let engine = Engine::of(&tree);
    for n in 0..20 {
        let checked = engine.check(&challenge(&format!("n{n}.lame.com"))).await;
        checked.is_undecided();
    }
    let of_lame = |query: &&Query| query.name.ends_with("lame.com");
    let asked = server.queries().iter().filter(of_lame).count();
    assert!(
        (2..=12).contains(&asked),
        "{asked} questions about a zone that it refuses"
    );
    let asked = challenge(DOMAIN);
    publish(&tree, &asked);
    engine.check(&asked).await.is(Verdict::Proven, Complete);
}

/// One namespace's checks, each of many servers that let it wait, leave room for another's.
#[tokio::test(flavor = "multi_thread")]
async fn checks_that_wait_for_many_servers_leave_room_for_others() {
    let mut builder = Tree::builder()
        .public_addresses()
        .zone("host.net")
        .zone("acme.com");
    for n in 0..48 {
        let hosts: Vec<String> = (0..16).map(|m| format!("ns{m}.d{n}.com")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        builder = builder.zone(&format!("d{n}.com")).served_by(&hosts);
    }
    let tree = builder.start().await.unwrap();
    for n in 0..48 {
        for m in 0..16 {
            tree.server(&format!("ns{m}.d{n}.com"))
                .set_behaviour(Behaviour::Silent);
        }
    }
    let engine = Engine::of(&tree);
    let asked = challenge("acme.com");
    let waiting = join_all((0..48).map(|n| {
        let engine = &engine;
        async move { engine.check(&challenge(&format!("d{n}.com"))).await }
    }));
    let honest = async {
        // The others' questions are under way.
        while tree.queries().len() < 4 * 48 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        engine.check(&asked).await
    };
    let (_, checked) = join(waiting, honest).await;
    assert_eq!(checked.judged.verdict, Verdict::Absent, "{checked:?}");
}
