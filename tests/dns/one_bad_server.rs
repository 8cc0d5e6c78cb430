//! One of a zone's two servers belongs to an attacker. It may block, and it may do no more: his
//! own challenge is not proven, the owner's record is not denied, and his other servers are not
//! believed.

use std::net::IpAddr;

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::{Outcome, ServerAnswer};
use freehold::model::verdict::Verdict;
use freehold_testbed::Tree;
use freehold_testbed::tree::{
    AddressAnswer, Behaviour, Builder, Query, Signatures, Style, ZoneEdit,
};

use crate::support::{Asked, Checked, DOMAIN, Engine, challenge, publish};

/// Either may be the bad one: nobody is believed for being asked first or last.
const HOSTS: [&str; 2] = ["ns1.acme.com", "ns2.acme.com"];
const EVIL: [&str; 2] = ["ns1.evil.net", "ns2.evil.net"];

struct World {
    tree: Tree,
    bad: &'static str,
    owner: Asked,
    attacker: Asked,
}

fn builder() -> Builder {
    Tree::builder()
        .public_addresses()
        .zone("evil.net")
        .zone("sub.acme.com")
        .zone(DOMAIN)
}

/// The owner has published his record; the attacker has a zone of his own whose servers claim the
/// domain too, with his record.
async fn world(builder: Builder, domain: &str, bad: &'static str) -> World {
    let tree = builder.start().await.unwrap();
    let (owner, attacker) = (challenge(domain), challenge(domain));
    let zone = if domain == DOMAIN {
        DOMAIN
    } else {
        "sub.acme.com"
    };
    tree.zone(zone)
        .set_txt(&owner.owner_underscore(), &[&owner.value_underscore()]);
    for host in EVIL {
        let server = tree.server(host);
        for zone in [DOMAIN, "sub.acme.com"] {
            server.serve(zone);
            let edit = server.zone(zone);
            edit.set_ns(zone, &EVIL);
            edit.set_txt(
                &attacker.owner_underscore(),
                &[&attacker.value_underscore()],
            );
        }
    }
    let target = tree.zone("evil.net");
    target.set_txt("t.evil.net", &[&attacker.value_underscore()]);
    target.set_txt(
        "_freehold-challenge.evil.net",
        &[&attacker.value_underscore()],
    );
    World {
        tree,
        bad,
        owner,
        attacker,
    }
}

impl World {
    /// The zone as the attacker's server gives it.
    fn lie(&self) -> ZoneEdit {
        self.tree.server(self.bad).zone(DOMAIN)
    }

    fn other(&self) -> &'static str {
        if self.bad == HOSTS[0] {
            HOSTS[1]
        } else {
            HOSTS[0]
        }
    }

    fn evil_address(&self) -> IpAddr {
        self.tree.server(EVIL[0]).told_address()
    }

    async fn checked(&self) -> [Checked; 2] {
        let engine = Engine::of(&self.tree);
        let attacker = engine.check(&self.attacker).await;
        let owner = engine.check(&self.owner).await;
        assert_ne!(attacker.judged.verdict, Verdict::Proven, "{attacker:#?}");
        assert!(!owner.judged.verdict.is_negative(), "{owner:#?}");
        [attacker, owner]
    }

    /// What the attacker's other servers were asked about the challenge.
    fn evil_questions(&self) -> Vec<Query> {
        let asked = EVIL.map(|host| self.tree.server(host).queries());
        let about = self.owner.owner_underscore();
        asked
            .concat()
            .into_iter()
            .filter(|query| query.name == about || query.name.ends_with("evil.net"))
            .collect()
    }

    async fn holds(&self) {
        self.checked().await;
        assert_eq!(self.evil_questions(), []);
    }
}

#[tokio::test]
async fn publishes_a_record_of_his_own() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        let value = world.attacker.value_underscore();
        world
            .lie()
            .set_txt(&world.attacker.owner_underscore(), &[&value]);
        let [attacker, owner] = world.checked().await;
        attacker.is_undecided();
        owner.is_undecided();
    }
}

#[tokio::test]
async fn denies_the_record() {
    for bad in HOSTS {
        for unpublished in [false, true] {
            let world = world(builder(), DOMAIN, bad).await;
            let server = world.tree.server(bad);
            if unpublished {
                world.lie().remove(&world.owner.owner_underscore());
            } else {
                server.set_behaviour(Behaviour::DeniesEverything);
            }
            let [_, owner] = world.checked().await;
            owner.is_undecided();
        }
    }
}

#[tokio::test]
async fn forges_the_name_server_set() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        world.lie().set_ns(DOMAIN, &EVIL);
        world.checked().await;
    }
}

#[tokio::test]
async fn forges_the_name_server_set_and_the_record() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        let lie = world.lie();
        lie.set_ns(DOMAIN, &EVIL);
        let value = world.attacker.value_underscore();
        lie.set_txt(&world.attacker.owner_underscore(), &[&value]);
        let [attacker, owner] = world.checked().await;
        attacker.is_undecided();
        owner.is_undecided();
    }
}

#[tokio::test]
async fn forges_the_address_of_the_other_server() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        let lie = world.lie();
        lie.set_addresses(world.other(), &[world.evil_address()]);
        lie.set_glue(world.other(), &[world.evil_address()]);
        let value = world.attacker.value_underscore();
        lie.set_txt(&world.attacker.owner_underscore(), &[&value]);
        world.holds().await;
    }
}

/// The zone's servers have their names in another zone of the owner's, and one of the two servers
/// of that zone is the attacker's.
#[tokio::test]
async fn forges_the_address_of_a_server_without_glue() {
    for bad in ["a.infra.org", "b.infra.org"] {
        let builder = builder()
            .served_by(&["ns1.infra.org", "ns2.infra.org"])
            .zone("infra.org")
            .served_by(&["a.infra.org", "b.infra.org"]);
        let world = world(builder, DOMAIN, bad).await;
        let honest = Engine::of(&world.tree).check(&world.owner).await;
        honest.is(Verdict::Proven, Complete);
        let lie = world.tree.server(bad).zone("infra.org");
        let evil = world.evil_address();
        lie.set_addresses("ns1.infra.org", &[evil]);
        lie.set_addresses("ns2.infra.org", &[evil]);
        world.holds().await;
    }
}

#[tokio::test]
async fn forges_a_cut_at_the_challenge_s_label() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        world.lie().set_ns(&world.owner.owner_underscore(), &EVIL);
        world.holds().await;
    }
}

#[tokio::test]
async fn forges_an_alias_at_the_challenge_s_label() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        world
            .lie()
            .set_cname(&world.owner.owner_underscore(), "t.evil.net");
        world.holds().await;
    }
}

#[tokio::test]
async fn forges_an_alias_at_the_domain() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        world.lie().set_dname(DOMAIN, "evil.net");
        world.holds().await;
    }
}

#[tokio::test]
async fn forges_the_referral_to_an_ancestor() {
    for bad in HOSTS {
        for domain in ["sub.acme.com", "deep.sub.acme.com"] {
            let world = world(builder(), domain, bad).await;
            world.lie().set_ns("sub.acme.com", &EVIL);
            world.holds().await;
        }
    }
}

#[tokio::test]
async fn forges_the_glue_of_an_ancestor_s_referral() {
    for bad in HOSTS {
        let world = world(builder(), "sub.acme.com", bad).await;
        let lie = world.lie();
        for host in ["ns1.sub.acme.com", "ns2.sub.acme.com"] {
            lie.set_glue(host, &[world.evil_address()]);
        }
        world.holds().await;
    }
}

#[tokio::test]
async fn invents_a_cut_where_there_is_none() {
    for bad in HOSTS {
        let builder = Tree::builder()
            .public_addresses()
            .zone("evil.net")
            .zone("sub.acme.com")
            .zone(DOMAIN);
        let world = world(builder, DOMAIN, bad).await;
        // The domain is below an ancestor that is no zone at all.
        let owner = challenge("a.b.acme.com");
        world
            .tree
            .zone(DOMAIN)
            .set_txt(&owner.owner_underscore(), &[&owner.value_underscore()]);
        world.lie().set_ns("b.acme.com", &EVIL);
        let engine = Engine::of(&world.tree);
        engine.check(&owner).await.is_undecided();
        for host in EVIL {
            assert_eq!(
                world
                    .tree
                    .server(host)
                    .queries_for(&owner.owner_underscore()),
                0
            );
        }
    }
}

/// Signatures take even the blocking from him: what he forges is not evidence.
#[tokio::test]
async fn forges_in_a_signed_zone() {
    for bad in HOSTS {
        let signed = Tree::builder()
            .public_addresses()
            .zone("evil.net")
            .zone("sub.acme.com")
            .zone(DOMAIN)
            .signed();
        let world = world(signed, DOMAIN, bad).await;
        let server = world.tree.server(bad);
        server.set_behaviour(Behaviour::Signatures(Signatures::Bogus));
        let value = world.attacker.value_underscore();
        world
            .lie()
            .set_txt(&world.attacker.owner_underscore(), &[&value]);
        let [_, owner] = world.checked().await;
        owner.is(Verdict::Proven, Partial);
    }
}

/// With the honest server out of the way, signatures are all that stands against him.
#[tokio::test]
async fn forges_in_a_signed_zone_while_the_other_server_is_silent() {
    type Lie = fn(&World);
    let lies: [Lie; 4] = [
        |world| world.lie().set_ns(&world.owner.owner_underscore(), &EVIL),
        |world| {
            let owner = world.owner.owner_underscore();
            world.lie().set_cname(&owner, "t.evil.net");
        },
        |world| world.lie().set_dname(DOMAIN, "evil.net"),
        |world| world.lie().remove(&world.owner.owner_underscore()),
    ];
    for lie in lies {
        let bad = HOSTS[1];
        let world = world(builder().signed(), DOMAIN, bad).await;
        lie(&world);
        let signatures = Behaviour::Signatures(Signatures::Missing);
        let owner = world.owner.owner_underscore();
        world.tree.server(bad).set_behaviour_for(&owner, signatures);
        world
            .tree
            .server(world.other())
            .set_behaviour_for(&owner, Behaviour::Silent);
        let [attacker, owner] = world.checked().await;
        attacker.is_undecided();
        owner.is_undecided();
    }
}

/// The check of a world without lies, so that the tests above fail for the lies alone.
#[tokio::test]
async fn honest_servers_prove() {
    for domain in [DOMAIN, "sub.acme.com"] {
        let world = world(builder(), domain, HOSTS[0]).await;
        let checked = Engine::of(&world.tree).check(&world.owner).await;
        checked.is(Verdict::Proven, Complete);
    }
    let other = world(builder(), DOMAIN, HOSTS[0]).await;
    publish(&other.tree, &other.attacker);
    let checked = Engine::of(&other.tree).check(&other.attacker).await;
    checked.is(Verdict::Proven, Complete);
}

/// Every name below the domain is an alias of a name that the attacker has; one of its two servers
/// says that the challenge's label is a zone of its own, on both, so that nothing stands beside it.
#[tokio::test]
async fn forges_a_cut_where_a_wildcard_is_an_alias() {
    for bad in HOSTS {
        let world = world(builder(), DOMAIN, bad).await;
        let record = world.owner.owner_underscore();
        let zone = world.tree.zone(DOMAIN);
        zone.remove(&record);
        zone.set_cname("*.acme.com", "t.evil.net");
        for hosts in [&HOSTS[..], &[world.other()]] {
            let lie = world.lie();
            lie.set_ns(&record, hosts);
            let engine = Engine::of(&world.tree);
            let checked = engine.check(&world.attacker).await;
            assert_ne!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
        }
    }
}

/// A cut at the challenge's label, for a host with two addresses: the attacker's and that of the
/// honest server, which would have to be one of the zone's own for that.
#[tokio::test]
async fn forges_a_cut_with_the_honest_server_s_address() {
    for bad in HOSTS {
        for host in ["x._freehold-challenge.acme.com", "x.acme.com"] {
            for wildcard in [false, true] {
                // Asked before the honest one.
                let builder = builder().told_address(EVIL[0], [192, 88, 0, 9].into());
                let world = world(builder, DOMAIN, bad).await;
                let record = world.owner.owner_underscore();
                if wildcard {
                    let zone = world.tree.zone(DOMAIN);
                    zone.remove(&record);
                    zone.set_txt("*.acme.com", &["v=spf1 -all"]);
                }
                let evil = world.tree.server(EVIL[0]);
                evil.serve(DOMAIN);
                evil.zone(DOMAIN)
                    .set_txt(&record, &[&world.attacker.value_underscore()]);
                let honest = world.tree.server(world.other()).told_address();
                let lie = world.lie();
                lie.set_ns(&record, &[host]);
                for glue in [vec![evil.told_address(), honest], vec![honest]] {
                    lie.set_glue(host, &glue);
                    lie.set_addresses(host, &glue);
                    let engine = Engine::of(&world.tree);
                    let attacker = engine.check(&world.attacker).await;
                    assert_ne!(attacker.judged.verdict, Verdict::Proven, "{attacker:#?}");
                    let owner = engine.check(&world.owner).await;
                    let denied = owner.judged.verdict.is_negative() && !wildcard;
                    assert!(!denied, "{owner:#?}");
                }
                assert_eq!(evil.queries_for(&record), 0);
            }
        }
    }
}

/// The zone's name servers have names in a provider's zone; the attacker's server there says that each
/// is a zone of its own, on the honest server and at an address of his.
#[tokio::test]
async fn forges_a_cut_at_a_name_server_s_name() {
    for bad in ["a.infra.org", "b.infra.org"] {
        let other = if bad == "a.infra.org" {
            "b.infra.org"
        } else {
            "a.infra.org"
        };
        let builder = builder()
            .served_by(&["ns1.infra.org", "ns2.infra.org"])
            .zone("infra.org")
            .served_by(&["a.infra.org", "b.infra.org"]);
        let world = world(builder, DOMAIN, bad).await;
        let evil = world.evil_address();
        let lie = world.tree.server(bad).zone("infra.org");
        for host in ["ns1.infra.org", "ns2.infra.org"] {
            lie.set_ns(host, &[other, host]);
            lie.set_glue(host, &[evil]);
        }
        world.holds().await;
    }
}

/// The honest one of two servers says where the domain's name servers are, and nothing at all when it is
/// asked for their IPv6 addresses.
#[tokio::test]
async fn has_the_only_word_on_ipv6_addresses() {
    for bad in ["a.infra.org", "b.infra.org"] {
        for evil in ["192.88.0.9", "2001:db9::9"] {
            let builder = builder()
                .served_by(&["ns1.infra.org", "ns2.infra.org"])
                .zone("infra.org")
                .served_by(&["a.infra.org", "b.infra.org"])
                .told_address(EVIL[0], evil.parse().unwrap());
            let world = world(builder, DOMAIN, bad).await;
            let lie = world.tree.server(bad).zone("infra.org");
            for host in ["ns1.infra.org", "ns2.infra.org"] {
                lie.set_addresses(host, &[world.evil_address()]);
            }
            let other = if bad == "a.infra.org" {
                "b.infra.org"
            } else {
                "a.infra.org"
            };
            world.tree.server(other).set_style(Style {
                aaaa: AddressAnswer::Nothing,
                ..Style::default()
            });
            world.holds().await;
        }
    }
}

/// The challenge is an alias of the owner's. The attacker's server invents a cut below which every
/// name is that alias, so that it would be a wildcard's.
#[tokio::test]
async fn forges_a_cut_with_a_wildcard_of_the_owner_s_alias() {
    for bad in HOSTS {
        let builder = Tree::builder()
            .public_addresses()
            .zone("evil.net")
            .zone("sub.acme.com")
            .zone("host.net")
            .zone(DOMAIN);
        let world = world(builder, DOMAIN, bad).await;
        let owner = challenge("eu.acme.com");
        let zone = world.tree.zone(DOMAIN);
        zone.set_cname(&owner.owner_underscore(), "t.host.net");
        world
            .tree
            .zone("host.net")
            .set_txt("t.host.net", &[&owner.value_underscore()]);
        let engine = Engine::of(&world.tree);
        engine.check(&owner).await.is(Verdict::Proven, Complete);
        let evil = world.tree.server(EVIL[0]);
        evil.serve(DOMAIN);
        evil.zone(DOMAIN).set_cname("*.eu.acme.com", "t.host.net");
        let lie = world.lie();
        lie.set_ns("eu.acme.com", &[world.other(), "y.acme.com"]);
        lie.set_addresses("y.acme.com", &[evil.told_address()]);
        lie.set_glue("y.acme.com", &[evil.told_address()]);
        let checked = Engine::of(&world.tree).check(&owner).await;
        assert!(!checked.judged.verdict.is_negative(), "{checked:#?}");
        let answers = checked.evidence.lookups[0].steps.iter();
        let mut answers = answers.flat_map(|step| &step.answers);
        let is_wildcard =
            |answer: &ServerAnswer| matches!(answer.outcome, Outcome::WildcardAlias { .. });
        assert!(!answers.any(is_wildcard), "{checked:#?}");
    }
}
