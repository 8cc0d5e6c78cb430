//! Layouts of honest zones that are found wherever people run domain verification. Each was a
//! failure once; a validating resolver finds the record in all of them at the first try.

use std::collections::BTreeMap;

use freehold::api::Strategy;
use freehold::api::organization_domain::{OrganizationDomainStatus, State};
use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::{Failure, Security};
use freehold::model::lifecycle::{self, HeldBy, Identity, Judgement, Snapshot};
use freehold::model::report;
use freehold::model::settings::Settings;
use freehold::model::uid::Uid;
use freehold::model::verdict::Verdict;
use freehold_testbed::tree::{AddressAnswer, Behaviour, Builder, Style, WithoutEdns};
use freehold_testbed::{ResponseCode, Tree};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Asked, Checked, DOMAIN, Engine, Setup, acme, challenge, publish};

/// A check that knows nothing yet of a challenge whose record is an alias between two providers,
/// each with eight servers below four top-level domains: four of a provider's servers are asked for
/// each host's address, and every server is asked for both forms, once in mixed case and once over
/// TCP. A resolver asks one server of each zone, and is allowed 200 questions.
const COLD: usize = 260;

const TOPS: [&str; 4] = ["com", "net", "org", "nl"];

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Asks twice, with the record and without: what is there is proven at once and completely, and what
/// is gone is denied so.
async fn holds(tree: &Tree, challenge: &Asked, security: Security, most: usize) {
    let mut packets = Vec::new();
    for published in [true, false] {
        if !published {
            tree.zone(DOMAIN).remove(&challenge.owner_underscore());
        }
        tree.forget_queries();
        let checked = Engine::of(tree).check(challenge).await;
        let verdict = if published {
            Verdict::Proven
        } else {
            Verdict::Absent
        };
        checked.is(verdict, Complete);
        assert_eq!(checked.judged.security, security, "{checked:#?}");
        packets.push(tree.queries().len());
    }
    assert!(packets.iter().all(|&one| one <= most), "{packets:?}");
}

/// The provider's zones serve each other, and each top-level domain gives the address of the one
/// host that is its own.
fn in_a_circle(tops: &[&str]) -> (Builder, Vec<String>) {
    let hosts: Vec<String> = tops
        .iter()
        .enumerate()
        .map(|(n, top)| format!("h{}.prv.{top}", n + 1))
        .collect();
    let mut builder = Tree::builder().public_addresses();
    for top in tops {
        builder = builder.zone(&format!("prv.{top}")).served_by(&refs(&hosts));
    }
    (builder, hosts)
}

#[tokio::test]
async fn a_provider_whose_zones_serve_each_other() {
    for count in 2..=4 {
        let (builder, hosts) = in_a_circle(&TOPS[..count]);
        let builder = builder.zone(DOMAIN).served_by(&refs(&hosts));
        let tree = builder.start().await.unwrap();
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        holds(&tree, &challenge, Security::Insecure, 60).await;
    }
}

/// Other hosts of such a provider, which no top-level domain has an address of.
#[tokio::test]
async fn further_hosts_of_a_provider_whose_zones_serve_each_other() {
    let (builder, _) = in_a_circle(&TOPS);
    let hosts: Vec<String> = TOPS.iter().map(|top| format!("x.prv.{top}")).collect();
    let builder = builder.zone(DOMAIN).served_by(&refs(&hosts));
    let tree = builder.start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    holds(&tree, &challenge, Security::Insecure, 90).await;
}

/// Two providers, each with a zone below each of four top-level domains; a customer's hosts are others
/// than those that serve the provider's zone.
fn two_providers(customers_hosts: usize) -> (Builder, BTreeMap<&'static str, Vec<String>>) {
    let tops = ["com", "net", "org", "co.uk"];
    let mut builder = Tree::builder().public_addresses().zone("co.uk");
    let mut hosts: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for provider in ["one", "two"] {
        for top in tops {
            let zone = format!("dns-{provider}.{top}");
            let own: Vec<String> = (1..=4).map(|n| format!("g-ns-{n}.{zone}")).collect();
            builder = builder.zone(&zone).served_by(&refs(&own));
        }
        let of_customer =
            (0..customers_hosts).map(|n| format!("ns-{n}.dns-{provider}.{}", tops[n % 4]));
        hosts.insert(provider, of_customer.collect());
    }
    (builder, hosts)
}

async fn aliased(customers_hosts: usize) -> (Tree, Asked) {
    let (builder, hosts) = two_providers(customers_hosts);
    let builder = builder.zone(DOMAIN).served_by(&refs(&hosts["one"]));
    let builder = builder.zone("dcv.com").served_by(&refs(&hosts["two"]));
    let tree = builder.start().await.unwrap();
    let challenge = challenge(DOMAIN);
    tree.zone(DOMAIN)
        .set_cname(&challenge.owner_underscore(), "acme.dcv.com");
    let value = challenge.value_underscore();
    tree.zone("dcv.com").set_txt("acme.dcv.com", &[&value]);
    (tree, challenge)
}

#[tokio::test]
async fn an_alias_between_two_providers_of_four_top_level_domains() {
    for customers_hosts in [4, 8] {
        let (tree, challenge) = aliased(customers_hosts).await;
        holds(&tree, &challenge, Security::Insecure, COLD).await;
    }
}

/// A verified domain of that layout, checked once a day by an operator that remembers nothing: every
/// check renews its proof, and the loss of the record is noticed.
#[tokio::test]
async fn the_proof_of_such_an_alias_is_renewed_every_day() {
    let (tree, challenge) = aliased(4).await;
    let settings = Settings::default();
    let uid: Uid = "8f0d6c5e-1111-4222-8333-444455556666".into();
    let mut status = OrganizationDomainStatus::default();
    let mut held_by = HeldBy::Nobody;
    let begin: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    for day in 0..=11 {
        let now = begin + SignedDuration::from_hours(24 * day);
        if day == 11 {
            tree.zone("dcv.com").remove("acme.dcv.com");
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        let Checked { judged, evidence } = &checked;
        let judgement = Judgement {
            verdict: judged.verdict,
            weight: judged.weight,
            token: challenge.token.clone(),
            holder: None,
            dns_provider: None,
            report: report::last_check(&challenge, evidence, *judged, false),
        };
        let decide = |status: &OrganizationDomainStatus, judgement: Option<&Judgement>| {
            let snapshot = Snapshot {
                identity: Identity {
                    namespace: "tenants",
                    name: "acme",
                    uid: &uid,
                    organization: "acme",
                },
                generation: 1,
                domain: DOMAIN,
                organization_exists: true,
                deleting: false,
                suspended: false,
                over_quota: false,
                approved_until: None,
                requested: None,
                status,
                held_by,
            };
            let token = challenge.token.clone();
            lifecycle::decide(now, &settings, &snapshot, None, judgement, || token)
        };
        if day == 0 {
            status = decide(&status, None).status;
        }
        status = decide(&status, Some(&judgement)).status;
        assert_eq!(
            status.state,
            Some(State::Verified),
            "day {day}: {checked:#?}"
        );
        let proven = status.last_proven_time.as_ref().unwrap().0;
        let last = begin + SignedDuration::from_hours(24 * day.min(10));
        assert_eq!(proven, last, "day {day}: {checked:#?}");
        assert_eq!(status.record_missing.is_some(), day == 11);
        held_by = HeldBy::Us {
            since: begin,
            strategy: Strategy::Dns,
            token_known: true,
        };
    }
}

/// A provider whose one zone has eight servers, of which a customer has six, or eight others.
#[tokio::test]
async fn many_hosts_of_one_provider_of_many_servers() {
    for (count, prefix) in [(6, "ns"), (8, "ns"), (8, "customer")] {
        let own: Vec<String> = (1..=8).map(|n| format!("ns{n}.host.net")).collect();
        let hosts: Vec<String> = (1..=count)
            .map(|n| format!("{prefix}{n}.host.net"))
            .collect();
        let tree = Tree::builder()
            .public_addresses()
            .zone("host.net")
            .served_by(&refs(&own))
            .zone(DOMAIN)
            .served_by(&refs(&hosts))
            .start()
            .await
            .unwrap();
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        holds(&tree, &challenge, Security::Insecure, 90).await;
    }
}

/// What a provider's own zone costs is shared by all checks that are under way.
#[tokio::test]
async fn checks_at_once_share_what_they_find_out_of_a_provider() {
    const DOMAINS: usize = 12;
    let (mut builder, hosts) = two_providers(4);
    let names: Vec<String> = (0..DOMAINS).map(|n| format!("d{n}.com")).collect();
    for name in &names {
        builder = builder.zone(name).served_by(&refs(&hosts["one"]));
    }
    let tree = builder.start().await.unwrap();
    let alone = Engine::of(&tree).check(&challenge(&names[0])).await;
    alone.is(Verdict::Absent, Complete);
    let of_domain = |name: &str| name.ends_with(".d0.com") || name == "d0.com";
    let queries = tree.queries();
    let of_provider = queries
        .iter()
        .filter(|query| !of_domain(&query.name))
        .count();
    tree.forget_queries();
    let engine = Engine::of(&tree);
    let asked: Vec<Asked> = names.iter().map(|name| challenge(name)).collect();
    let checks = asked.iter().map(|asked| engine.check(asked));
    for checked in futures::future::join_all(checks).await {
        checked.is(Verdict::Absent, Complete);
    }
    let own = |name: &str| {
        names
            .iter()
            .any(|own| name == own || name.ends_with(&format!(".{own}")))
    };
    let shared = tree
        .queries()
        .iter()
        .filter(|query| !own(&query.name))
        .count();
    assert!(
        shared <= of_provider + 2,
        "{shared} questions of {DOMAINS} checks, {of_provider} of one"
    );
}

/// Some of the parent's servers have the child too and answer for it, the others refer to it.
#[tokio::test]
async fn parent_and_child_share_some_of_their_servers() {
    for signed in [false, true] {
        for child in ["sub.acme.com", "_freehold-challenge.sub.acme.com"] {
            let mut builder = acme().servers(3).zone(child).served_by(&[
                "ns2.acme.com",
                "ns3.acme.com",
                "ns1.sub.acme.com",
            ]);
            if signed {
                builder = builder.signed().zone(DOMAIN).signed();
            }
            let tree = builder.start().await.unwrap();
            let challenge = challenge("sub.acme.com");
            let value = challenge.value_underscore();
            let edit = tree.zone(child);
            edit.set_txt(&challenge.owner_underscore(), &[&value]);
            let security = if signed {
                Security::Secure
            } else {
                Security::Insecure
            };
            let checked = Engine::of(&tree).check(&challenge).await;
            checked.is(Verdict::Proven, Complete);
            assert_eq!(checked.judged.security, security, "{checked:#?}");
            edit.remove(&challenge.owner_underscore());
            let checked = Engine::of(&tree).check(&challenge).await;
            checked.is(Verdict::Absent, Complete);
        }
    }
}

/// The same over three zones: who has the one in the middle refers to the last at once.
#[tokio::test]
async fn three_zones_share_some_of_their_servers() {
    let tree = acme()
        .servers(3)
        .zone("sub.acme.com")
        .served_by(&["ns2.acme.com", "ns3.acme.com", "ns1.sub.acme.com"])
        .zone("deep.sub.acme.com")
        .start()
        .await
        .unwrap();
    let challenge = challenge("deep.sub.acme.com");
    let value = challenge.value_underscore();
    let edit = tree.zone("deep.sub.acme.com");
    edit.set_txt(&challenge.owner_underscore(), &[&value]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    edit.remove(&challenge.owner_underscore());
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
}

/// A top-level domain of one organization, with opt-out, which shares servers with the domains in it.
#[tokio::test]
async fn a_top_level_domain_that_shares_some_of_its_servers() {
    let tree = Tree::builder()
        .public_addresses()
        .zone("aws")
        .servers(4)
        .signed_with_opt_out()
        .zone("acme.aws")
        .served_by(&["ns1.aws", "ns2.aws", "ns9.acme.aws"])
        .start()
        .await
        .unwrap();
    let challenge = challenge("acme.aws");
    let value = challenge.value_underscore();
    tree.zone("acme.aws")
        .set_txt(&challenge.owner_underscore(), &[&value]);
    // Whichever of its servers is asked first.
    for _ in 0..8 {
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
        assert_eq!(checked.judged.security, Security::Insecure);
    }
}

/// One of the parent's two servers leaves out the addresses that it need not give.
#[tokio::test]
async fn optional_addresses_in_one_referral_and_not_in_the_other() {
    let tree = acme()
        .zone("dns.acme.com")
        .zone("sub.acme.com")
        .served_by(&["ns1.dns.acme.com", "ns2.dns.acme.com"])
        .start()
        .await
        .unwrap();
    tree.server("ns1.acme.com").set_style(Style {
        without_optional_glue: true,
        ..Style::default()
    });
    let challenge = challenge("sub.acme.com");
    let edit = tree.zone("sub.acme.com");
    edit.set_txt(
        &challenge.owner_underscore(),
        &[&challenge.value_underscore()],
    );
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    edit.remove(&challenge.owner_underscore());
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
}

/// The other server gives addresses that nobody else does: they are no one's word but its own.
#[tokio::test]
async fn addresses_that_one_server_alone_gives_are_not_believed() {
    for bad in ["ns1.acme.com", "ns2.acme.com"] {
        let tree = acme()
            .zone("evil.net")
            .zone("dns.acme.com")
            .zone("sub.acme.com")
            .served_by(&["ns1.dns.acme.com", "ns2.dns.acme.com"])
            .start()
            .await
            .unwrap();
        let honest = if bad == "ns1.acme.com" {
            "ns2.acme.com"
        } else {
            "ns1.acme.com"
        };
        tree.server(honest).set_style(Style {
            without_optional_glue: true,
            ..Style::default()
        });
        let (owner, attacker) = (challenge("sub.acme.com"), challenge("sub.acme.com"));
        let record = owner.owner_underscore();
        tree.zone("sub.acme.com")
            .set_txt(&record, &[&owner.value_underscore()]);
        let evil = tree.server("ns1.evil.net");
        evil.serve("sub.acme.com");
        evil.zone("sub.acme.com")
            .set_txt(&record, &[&attacker.value_underscore()]);
        let lie = tree.server(bad).zone(DOMAIN);
        for host in ["ns1.dns.acme.com", "ns2.dns.acme.com"] {
            lie.set_glue(host, &[evil.told_address()]);
        }
        let engine = Engine::of(&tree);
        let checked = engine.check(&attacker).await;
        assert_ne!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
        let checked = engine.check(&owner).await;
        assert!(!checked.judged.verdict.is_negative(), "{checked:#?}");
        assert_eq!(evil.queries_for(&record), 0);
    }
}

/// A forged referral that names the honest server, at an address of the attacker's.
#[tokio::test]
async fn a_referral_to_an_honest_server_elsewhere_leads_nowhere() {
    for bad in ["ns1.acme.com", "ns2.acme.com"] {
        let tree = acme().zone("evil.net").start().await.unwrap();
        let honest = if bad == "ns1.acme.com" {
            "ns2.acme.com"
        } else {
            "ns1.acme.com"
        };
        let (owner, attacker) = (challenge(DOMAIN), challenge(DOMAIN));
        publish(&tree, &owner);
        let record = owner.owner_underscore();
        let evil = tree.server("ns1.evil.net");
        evil.serve(DOMAIN);
        evil.zone(DOMAIN)
            .set_txt(&record, &[&attacker.value_underscore()]);
        let lie = tree.server(bad).zone(DOMAIN);
        lie.set_ns(&record, &[honest]);
        lie.set_addresses(honest, &[evil.told_address()]);
        lie.set_glue(honest, &[evil.told_address()]);
        let engine = Engine::of(&tree);
        let checked = engine.check(&attacker).await;
        assert_ne!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
        let checked = engine.check(&owner).await;
        assert!(!checked.judged.verdict.is_negative(), "{checked:#?}");
        assert_eq!(evil.queries_for(&record), 0);
    }
}

async fn everywhere(builder: Builder, style: Style) -> (Tree, Asked) {
    let tree = builder.start().await.unwrap();
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        tree.server(host).set_style(style);
    }
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    (tree, challenge)
}

/// A name with a capital letter does not exist for them, on both servers or on one.
#[tokio::test]
async fn servers_that_compare_octets() {
    let style = Style {
        compares_octets: true,
        ..Style::default()
    };
    let (tree, challenge) = everywhere(acme(), style).await;
    holds(&tree, &challenge, Security::Insecure, 40).await;
    publish(&tree, &challenge);
    tree.server("ns1.acme.com").set_style(Style::default());
    holds(&tree, &challenge, Security::Insecure, 40).await;
    // The same where they answer for the addresses of name servers.
    let builder = Tree::builder()
        .public_addresses()
        .zone("host.net")
        .zone(DOMAIN)
        .served_by(&["a.host.net", "b.host.net"]);
    let tree = builder.start().await.unwrap();
    for host in ["ns1.host.net", "ns2.host.net"] {
        tree.server(host).set_style(style);
    }
    publish(&tree, &challenge);
    holds(&tree, &challenge, Security::Insecure, 40).await;
}

/// What they miss in mixed case a wildcard has for them.
#[tokio::test]
async fn servers_that_compare_octets_and_have_a_wildcard() {
    let style = Style {
        compares_octets: true,
        ..Style::default()
    };
    for hosts in [&["ns1.acme.com", "ns2.acme.com"][..], &["ns1.acme.com"]] {
        let tree = acme().start().await.unwrap();
        for host in hosts {
            tree.server(host).set_style(style);
        }
        tree.zone(DOMAIN).set_txt("*.acme.com", &["v=spf1 -all"]);
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
    }
}

/// The child has a server of the parent's under another name.
#[tokio::test]
async fn a_shared_server_under_two_names() {
    let tree = acme().zone("sub.acme.com").start().await.unwrap();
    let challenge = challenge("sub.acme.com");
    let value = challenge.value_underscore();
    let edit = tree.zone("sub.acme.com");
    edit.set_txt(&challenge.owner_underscore(), &[&value]);
    let shared = tree.server("ns2.acme.com");
    shared.serve("sub.acme.com");
    let address = shared.told_address();
    tree.zone(DOMAIN).set_glue("ns2.sub.acme.com", &[address]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    edit.remove(&challenge.owner_underscore());
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
}

#[tokio::test]
async fn servers_that_know_no_edns() {
    for without_edns in [
        WithoutEdns::FormErr,
        WithoutEdns::NotImp,
        WithoutEdns::Ignores,
    ] {
        for bare_errors in [false, true] {
            let style = Style {
                without_edns: Some(without_edns),
                bare_errors,
                ..Style::default()
            };
            let (tree, challenge) = everywhere(acme(), style).await;
            holds(&tree, &challenge, Security::Insecure, 50).await;
        }
    }
}

/// TC is in the header, whatever is left of the rest.
#[tokio::test]
async fn an_answer_that_is_cut_inside_a_record() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        tree.server(host).set_behaviour(Behaviour::CutInsideRecord);
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
}

/// A name server's A record is enough, however its zone answers for AAAA.
#[tokio::test]
async fn name_servers_whose_zone_answers_oddly_for_aaaa() {
    for aaaa in [
        AddressAnswer::ServFail,
        AddressAnswer::NotImp,
        AddressAnswer::WithoutSoa,
        AddressAnswer::Nothing,
    ] {
        let builder = Tree::builder()
            .public_addresses()
            .zone("host.net")
            .zone(DOMAIN)
            .served_by(&["a.host.net", "b.host.net"]);
        let tree = builder.start().await.unwrap();
        for host in ["ns1.host.net", "ns2.host.net"] {
            tree.server(host).set_style(Style {
                aaaa,
                ..Style::default()
            });
        }
        let challenge = challenge(DOMAIN);
        publish(&tree, &challenge);
        holds(&tree, &challenge, Security::Insecure, 40).await;
    }
}

/// The provider's own zone does not answer: its customer's row says that, and not that the name
/// server failed.
#[tokio::test]
async fn an_address_that_cannot_be_looked_up_is_told_as_that() {
    let tree = acme()
        .served_by(&["ns1.acme.com", "a.host.net"])
        .zone("host.net")
        .start()
        .await
        .unwrap();
    for host in ["ns1.host.net", "ns2.host.net"] {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::Rcode(ResponseCode::ServFail));
    }
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Partial);
    assert_eq!(checked.failure("a.host.net"), Some(Failure::AddressLookup));
}

/// An error that is a header alone is an answer, at once.
#[tokio::test]
async fn an_error_without_its_question() {
    for (code, failure) in [
        (ResponseCode::Refused, Failure::Refused),
        (ResponseCode::FormErr, Failure::FormErr),
        (ResponseCode::ServFail, Failure::ServFail),
    ] {
        let style = Style {
            bare_errors: true,
            ..Style::default()
        };
        let (tree, challenge) = everywhere(acme(), style).await;
        for host in ["ns1.acme.com", "ns2.acme.com"] {
            tree.server(host).set_behaviour(Behaviour::Rcode(code));
        }
        let start = std::time::Instant::now();
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(failure);
        assert!(start.elapsed() < crate::support::TIMEOUT, "{checked:?}");
    }
}

/// RFC 5155 section 9.2: a span with opt-out proves no absence.
#[tokio::test]
async fn a_denial_by_opt_out_is_insecure() {
    let tree = Tree::builder()
        .public_addresses()
        .zone(DOMAIN)
        .signed_with_opt_out()
        .start()
        .await
        .unwrap();
    let challenge = challenge(DOMAIN);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
    let setup = || Setup {
        secure_only: true,
        ..Setup::default()
    };
    let checked = Engine::with(&tree, setup()).check(&challenge).await;
    checked.is_inconclusive(Failure::NotSigned);
    publish(&tree, &challenge);
    let checked = Engine::with(&tree, setup()).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
}

/// The same for a domain that is names below its zone, whose ancestors the proof does not list.
#[tokio::test]
async fn a_denial_by_opt_out_far_below_the_zone_is_insecure() {
    let tree = Tree::builder()
        .public_addresses()
        .zone(DOMAIN)
        .signed_with_opt_out()
        .start()
        .await
        .unwrap();
    tree.zone(DOMAIN).set_txt("a.b.acme.com", &["something"]);
    let checked = Engine::of(&tree).check(&challenge("a.b.acme.com")).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Insecure, "{checked:#?}");
}

/// So does a wildcard's answer for a name in such a span.
#[tokio::test]
async fn a_wildcard_by_opt_out_is_insecure() {
    for (opt_out, security) in [(false, Security::Secure), (true, Security::Insecure)] {
        let builder = Tree::builder().public_addresses().zone(DOMAIN);
        let builder = if opt_out {
            builder.signed_with_opt_out()
        } else {
            builder.signed_with_nsec3(0)
        };
        let tree = builder.start().await.unwrap();
        let challenge = challenge(DOMAIN);
        let value = challenge.value_underscore();
        tree.zone(DOMAIN).set_txt("*.acme.com", &[&value]);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
        assert_eq!(checked.judged.security, security, "{checked:#?}");
    }
}

/// The value is there over UDP, and an unsigned one is confirmed over TCP alone.
#[tokio::test]
async fn servers_that_are_not_reached_over_tcp() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        tree.server(host).set_behaviour(Behaviour::UdpOnly);
    }
    let checked: Checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::NoTcp);
    for host in ["ns1.acme.com", "ns2.acme.com"] {
        assert_eq!(checked.failure(host), Some(Failure::NoTcp));
    }
}
