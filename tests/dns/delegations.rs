//! Which servers are a zone's servers.

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::Failure;
use freehold::model::verdict::Verdict;
use freehold_testbed::tree::Behaviour;
use freehold_testbed::{ResponseCode, Tree};

use crate::support::{DOMAIN, Engine, acme, challenge, publish};

#[tokio::test]
async fn a_zone_below_the_registrable_domain() {
    for signed in [false, true] {
        let mut builder = acme().zone("sub.acme.com");
        if signed {
            builder = builder.signed().zone(DOMAIN).signed();
        }
        let tree = builder.start().await.unwrap();
        let challenge = challenge("eu.sub.acme.com");
        let value = challenge.value_underscore();
        tree.zone("sub.acme.com")
            .set_txt(&challenge.owner_underscore(), &[&value]);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
        let zone = checked.evidence.zone.as_ref().unwrap();
        assert_eq!(zone.name, "sub.acme.com");
        assert_eq!(zone.hosts, ["ns1.sub.acme.com", "ns2.sub.acme.com"]);
    }
}

/// The challenge's label is a zone of its own, handed to somebody who answers for it.
#[tokio::test]
async fn a_zone_at_the_challenge_s_label() {
    let tree = acme()
        .zone("_freehold-challenge.acme.com")
        .served_by(&["ns1.host.net", "ns2.host.net"])
        .zone("host.net")
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    let owner = challenge.owner_underscore();
    let value = challenge.value_underscore();
    tree.zone(&owner).set_txt(&owner, &[&value]);
    let engine = Engine::of(&tree);
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
    for host in ["ns1.host.net", "ns2.host.net"] {
        assert!(tree.server(host).queries_for(&owner) > 0, "{host}");
    }
    tree.server("ns1.host.net").zone(&owner).remove(&owner);
    let checked = engine.check(&challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
}

#[tokio::test]
async fn a_suffix_of_two_labels() {
    let tree = Tree::builder()
        .public_addresses()
        .zone("co.uk")
        .zone("acme.co.uk")
        .start()
        .await
        .unwrap();
    let challenge = challenge("acme.co.uk");
    tree.zone("acme.co.uk").set_txt(
        &challenge.owner_underscore(),
        &[&challenge.value_underscore()],
    );
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
}

/// Parent and child on the same servers: the parent's side is never asked for the child's data,
/// yet it answers with authority of the child.
#[tokio::test]
async fn parent_and_child_on_one_server() {
    for signed in [false, true] {
        let mut builder = acme()
            .zone("sub.acme.com")
            .served_by(&["ns1.acme.com", "ns2.acme.com"]);
        if signed {
            builder = builder.signed().zone(DOMAIN).signed();
        }
        let tree = builder.start().await.unwrap();
        let challenge = challenge("sub.acme.com");
        tree.zone("sub.acme.com").set_txt(
            &challenge.owner_underscore(),
            &[&challenge.value_underscore()],
        );
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
    }
}

#[tokio::test]
async fn servers_without_glue_in_another_zone() {
    let tree = Tree::builder()
        .public_addresses()
        .zone(DOMAIN)
        .served_by(&["ns1.host.net", "ns2.host.net"])
        .zone("host.net")
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    let zone = checked.evidence.zone.as_ref().unwrap();
    assert_eq!(zone.hosts, ["ns1.host.net", "ns2.host.net"]);
}

/// Each of two zones has its servers in the other: nobody gives the first address.
#[tokio::test]
async fn zones_that_need_each_other() {
    let tree = Tree::builder()
        .public_addresses()
        .zone(DOMAIN)
        .served_by(&["ns1.host.net"])
        .zone("host.net")
        .served_by(&["ns1.acme.com"])
        .start()
        .await
        .unwrap();
    tree.zone("com").set_glue("ns1.acme.com", &[]);
    tree.zone("net").set_glue("ns1.host.net", &[]);
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    assert!(
        matches!(checked.judged.verdict, Verdict::Inconclusive(_)),
        "{checked:?}"
    );
    assert!(tree.queries().len() < 100, "{}", tree.queries().len());
}

/// What the parent delegates to is complete without servers that only the zone itself names.
#[tokio::test]
async fn servers_that_only_the_child_names() {
    let tree = acme().servers(3).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let both = ["ns1.acme.com", "ns2.acme.com"];
    tree.zone("com").set_ns(DOMAIN, &both);
    let third = tree.server("ns3.acme.com");
    third.set_behaviour(Behaviour::Silent);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    let zone = checked.evidence.zone.as_ref().unwrap();
    assert_eq!(zone.hosts, both);
}

/// A server that the zone itself no longer names is still one that the world is sent to.
#[tokio::test]
async fn the_child_may_not_replace_servers() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    tree.zone(DOMAIN).set_ns(DOMAIN, &["ns1.acme.com"]);
    let second = tree.server("ns2.acme.com");
    second.zone(DOMAIN).remove(&challenge.owner_underscore());
    let checked = Engine::of(&tree).check(&challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
}

#[tokio::test]
async fn glue_is_not_overridden_by_the_child() {
    let tree = acme().zone("evil.net").start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let evil = tree.server("ns1.evil.net");
    evil.serve(DOMAIN);
    evil.zone(DOMAIN).remove(&challenge.owner_underscore());
    let address = evil.told_address();
    tree.zone(DOMAIN).set_addresses("ns1.acme.com", &[address]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(evil.queries_for(&challenge.owner_underscore()), 0);
    assert!(
        tree.server("ns1.acme.com")
            .queries_for(&challenge.owner_underscore())
            > 0
    );
}

/// One server, two addresses, one of them dead: the server answers.
#[tokio::test]
async fn a_server_is_tried_at_all_its_addresses() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let address = tree.server("ns1.acme.com").told_address();
    let nobody = [192, 88, 200, 1].into();
    for addresses in [[nobody, address], [address, nobody]] {
        tree.zone("com").set_glue("ns1.acme.com", &addresses);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
    }
}

/// The provider has dropped the zone, and one of its servers is left in the delegation.
#[tokio::test]
async fn a_dangling_name_server_refuses() {
    let tree = Tree::builder()
        .public_addresses()
        .zone(DOMAIN)
        .served_by(&["ns1.host.net", "ns1.other.org"])
        .zone("host.net")
        .zone("other.org")
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    tree.server("ns1.other.org").stop_serving(DOMAIN);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Partial);
    assert_eq!(checked.failure("ns1.other.org"), Some(Failure::Refused));

    // Somebody else makes the zone anew at that provider: it contradicts, and proves nothing.
    let server = tree.server("ns1.other.org");
    server.serve(DOMAIN);
    let attacker = crate::support::challenge(DOMAIN);
    server.zone(DOMAIN).set_txt(
        &attacker.owner_underscore(),
        &[&attacker.value_underscore()],
    );
    let engine = Engine::of(&tree);
    let checked = engine.check(&attacker).await;
    assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
    let checked = engine.check(&challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
}

#[tokio::test]
async fn a_dangling_name_server_has_no_address() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let hosts = ["ns1.acme.com", "ns1.unregistered.net"];
    tree.zone("com").set_ns(DOMAIN, &hosts);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Partial);
    let failure = checked.failure("ns1.unregistered.net");
    assert_eq!(failure, Some(Failure::NoAddress), "{checked:?}");
}

/// All servers of the delegation have dropped the zone.
#[tokio::test]
async fn a_lame_delegation() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        tree.server(host)
            .set_behaviour(Behaviour::Rcode(ResponseCode::Refused));
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::Refused);
}

/// The record is in a zone that is not delegated any more: the world sees the new one.
#[tokio::test]
async fn the_record_in_a_zone_that_is_not_delegated() {
    let tree = acme().zone("host.net").start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let new = tree.server("ns1.host.net");
    new.serve(DOMAIN);
    new.zone(DOMAIN).remove(&challenge.owner_underscore());
    new.zone(DOMAIN).set_ns(DOMAIN, &["ns1.host.net"]);
    tree.zone("com").set_ns(DOMAIN, &["ns1.host.net"]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    let zone = checked.evidence.zone.as_ref().unwrap();
    assert_eq!(zone.hosts, ["ns1.host.net"]);
}

#[tokio::test]
async fn delegations_are_remembered_and_answers_are_not() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let engine = Engine::of(&tree);
    engine.check(&challenge).await.is(Verdict::Absent, Complete);
    tree.forget_queries();
    engine.check(&challenge).await.is(Verdict::Absent, Complete);
    for host in ["ns1.root", "ns2.root", "ns1.com", "ns2.com"] {
        assert!(tree.server(host).queries().is_empty(), "{host}");
    }
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        let server = tree.server(host);
        // Once in mixed case, and in lower case for those that compare octets.
        assert_eq!(server.queries_for(&challenge.owner_underscore()), 2);
        assert_eq!(server.queries_for(DOMAIN), 2);
    }
}

const SIX: &str = "2606:4700:53::2";

#[tokio::test]
async fn a_server_with_an_ipv6_address_alone_is_asked() {
    let tree = acme()
        .told_address("ns2.acme.com", SIX.parse().unwrap())
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    let server = tree.server("ns2.acme.com");
    assert!(server.queries_for(&challenge.owner_underscore()) > 0);
    let shown = format!("{checked:?}");
    assert!(shown.contains(SIX), "{shown}");
}

/// No delegation tells its address: the AAAA record is looked up.
#[tokio::test]
async fn an_ipv6_address_without_glue_is_looked_up() {
    let tree = acme()
        .served_by(&["ns1.acme.com", "dns.host.net"])
        .zone("host.net")
        .told_address("dns.host.net", SIX.parse().unwrap())
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    let server = tree.server("dns.host.net");
    assert!(server.queries_for(&challenge.owner_underscore()) > 0);
}

/// At one of its two addresses nobody listens.
#[tokio::test]
async fn a_server_with_both_kinds_of_address_is_reached_by_either() {
    for dead in ["192.88.200.200", "2606:4700:53::dead"] {
        let tree = acme()
            .told_addresses(
                "ns2.acme.com",
                &["192.88.100.2".parse().unwrap(), SIX.parse().unwrap()],
            )
            .start()
            .await
            .unwrap();
        let dead: std::net::IpAddr = dead.parse().unwrap();
        let live = if dead.is_ipv4() { SIX } else { "192.88.100.2" };
        let both = [dead, live.parse().unwrap()];
        tree.zone("com").set_glue("ns2.acme.com", &both);
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
        let server = tree.server("ns2.acme.com");
        assert!(server.queries_for(&challenge.owner_underscore()) > 0);
    }
}
