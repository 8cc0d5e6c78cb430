//! CNAME and DNAME: followed at the challenge's label, within limits, and delegating nothing where
//! everything is an alias.

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::{Failure, Security};
use freehold::model::verdict::{MismatchKind, Verdict};
use freehold_testbed::tree::{Behaviour, Builder};
use freehold_testbed::{ResponseCode, Tree};

use crate::support::{Asked, DOMAIN, Engine, acme, challenge, publish};

const TARGET: &str = "acme.dcv.host.net";

fn acme_and_host() -> Builder {
    acme().zone("host.net")
}

/// The challenge's label is an alias of a name in another zone, which has the value.
async fn delegated(builder: Builder) -> (Tree, Asked) {
    let tree = builder.start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let owner = challenge.owner_underscore();
    tree.zone(DOMAIN).set_cname(&owner, TARGET);
    let value = challenge.value_underscore();
    tree.zone("host.net").set_txt(TARGET, &[&value]);
    (tree, challenge)
}

#[tokio::test]
async fn the_target_s_zone_is_asked_at_all_its_servers() {
    let (tree, challenge) = delegated(acme_and_host()).await;
    let engine = Engine::of(&tree);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
    for host in ["ns1.host.net", "ns2.host.net"] {
        assert!(tree.server(host).queries_for(TARGET) > 0);
    }
    tree.zone("host.net").remove(TARGET);
    engine.check(&challenge).await.is(Verdict::Absent, Complete);
}

/// The name beside the challenge's says nothing of the target, which has a record of its own.
#[tokio::test]
async fn the_target_s_value_is_not_that_of_a_wildcard_beside_the_alias() {
    let (tree, challenge) = delegated(acme_and_host()).await;
    for (zone, name) in [(DOMAIN, "*.acme.com"), ("host.net", TARGET)] {
        tree.zone(zone).set_txt(name, &["v=spf1 -all"]);
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Mismatch(MismatchKind::OtherValue), Complete);
}

#[tokio::test]
async fn the_target_s_servers_must_agree() {
    let (tree, challenge) = delegated(acme_and_host()).await;
    let server = tree.server("ns2.host.net");
    server.set_behaviour(Behaviour::Rcode(ResponseCode::ServFail));
    let engine = Engine::of(&tree);
    engine.check(&challenge).await.is(Verdict::Proven, Partial);
    server.set_behaviour(Behaviour::Normal);
    server.zone("host.net").remove(TARGET);
    let checked = engine.check(&challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
}

#[tokio::test]
async fn an_alias_is_as_secure_as_its_weaker_end() {
    let signed = || acme().signed().zone("host.net").signed();
    let (tree, challenge) = delegated(signed()).await;
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
    let half = acme().signed().zone("host.net");
    let (tree, challenge) = delegated(half).await;
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
}

#[tokio::test]
async fn a_dname_moves_the_record() {
    for builder in [acme_and_host(), acme().signed().zone("host.net").signed()] {
        let tree = builder.start().await.unwrap();
        let challenge = challenge("sub.acme.com");
        tree.zone(DOMAIN)
            .set_dname("sub.acme.com", "moved.host.net");
        let moved = "_freehold-challenge.moved.host.net";
        let value = challenge.value_underscore();
        tree.zone("host.net").set_txt(moved, &[&value]);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
    }
}

/// The server follows the alias itself, and its answer says of the target what it must not say of
/// the name asked for.
#[tokio::test]
async fn a_target_inside_the_zone() {
    for builder in [acme(), acme().signed(), acme().signed_with_nsec3(0)] {
        let tree = builder.start().await.unwrap();
        let challenge = challenge(DOMAIN);
        let zone = tree.zone(DOMAIN);
        let target = "target.acme.com";
        zone.set_cname(&challenge.owner_underscore(), target);
        let engine = Engine::of(&tree);
        engine.check(&challenge).await.is(Verdict::Absent, Complete);
        zone.set_addresses(target, &[[192, 88, 3, 3].into()]);
        engine.check(&challenge).await.is(Verdict::Absent, Complete);
        zone.set_txt(target, &[&challenge.value_underscore()]);
        engine.check(&challenge).await.is(Verdict::Proven, Complete);
    }
}

#[tokio::test]
async fn a_dname_inside_the_zone() {
    for builder in [acme(), acme().signed(), acme().signed_with_nsec3(0)] {
        let tree = builder.start().await.unwrap();
        let challenge = challenge("old.acme.com");
        let zone = tree.zone(DOMAIN);
        zone.set_dname("old.acme.com", "new.acme.com");
        let engine = Engine::of(&tree);
        engine.check(&challenge).await.is(Verdict::Absent, Complete);
        let moved = "_freehold-challenge.new.acme.com";
        zone.set_txt(moved, &[&challenge.value_underscore()]);
        engine.check(&challenge).await.is(Verdict::Proven, Complete);
    }
}

/// A chain of that many aliases through both zones, with the value at its end.
async fn chain(length: usize) -> (Tree, Asked) {
    let tree = acme_and_host().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let mut owner = challenge.owner_underscore();
    for n in 0..length {
        // Every step leaves the zone, so that no server follows it alone.
        let (zone, next_zone) = if n % 2 == 0 {
            (DOMAIN, "host.net")
        } else {
            ("host.net", DOMAIN)
        };
        let next = format!("c{n}.{next_zone}");
        tree.zone(zone).set_cname(&owner, &next);
        owner = next;
    }
    let zone = if length.is_multiple_of(2) {
        DOMAIN
    } else {
        "host.net"
    };
    let value = challenge.value_underscore();
    tree.zone(zone).set_txt(&owner, &[&value]);
    (tree, challenge)
}

#[tokio::test]
async fn a_chain_of_eight_is_followed() {
    let (tree, challenge) = chain(8).await;
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn a_chain_of_nine_is_not() {
    let (tree, challenge) = chain(9).await;
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::AliasChain);
}

#[tokio::test]
async fn a_chain_of_nine_inside_one_zone_is_not() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let zone = tree.zone(DOMAIN);
    let mut owner = challenge.owner_underscore();
    for n in 0..9 {
        let next = format!("c{n}.acme.com");
        zone.set_cname(&owner, &next);
        owner = next;
    }
    zone.set_txt(&owner, &[&challenge.value_underscore()]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::AliasChain);
}

#[tokio::test]
async fn a_loop_ends() {
    let tree = acme_and_host().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let owner = challenge.owner_underscore();
    tree.zone(DOMAIN).set_cname(&owner, "loop.host.net");
    tree.zone("host.net").set_cname("loop.host.net", &owner);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::AliasChain);
    tree.zone(DOMAIN).set_cname(&owner, &owner);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::AliasChain);
}

async fn wildcard_alias(builder: Builder) {
    let tree = builder.start().await.unwrap();
    let challenge = challenge(DOMAIN);
    tree.zone(DOMAIN).set_cname("*.acme.com", TARGET);
    let value = challenge.value_underscore();
    tree.zone("host.net").set_txt(TARGET, &[&value]);
    let engine = Engine::of(&tree);
    engine.check(&challenge).await.is(Verdict::Absent, Complete);
    // An alias of the label's own is one that somebody put there.
    tree.zone(DOMAIN)
        .set_cname(&challenge.owner_underscore(), "own.host.net");
    tree.zone("host.net").set_txt("own.host.net", &[&value]);
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
    // To the wildcard's own target it cannot be told from it.
    tree.zone(DOMAIN)
        .set_cname(&challenge.owner_underscore(), TARGET);
    engine.check(&challenge).await.is(Verdict::Absent, Complete);
}

#[tokio::test]
async fn a_wildcard_alias_delegates_nothing() {
    wildcard_alias(acme_and_host()).await;
}

#[tokio::test]
async fn a_wildcard_alias_in_a_signed_zone_delegates_nothing() {
    wildcard_alias(acme().signed().zone("host.net").signed()).await;
}

#[tokio::test]
async fn a_wildcard_alias_in_a_zone_with_hashed_denials_delegates_nothing() {
    wildcard_alias(acme().signed_with_nsec3(0).zone("host.net")).await;
}

/// An alias at the apex's own name proves nothing for it: every name that points there would be
/// proved by one record.
#[tokio::test]
async fn an_alias_at_the_domain_s_name_counts_for_nothing() {
    let tree = acme_and_host().start().await.unwrap();
    let challenge = challenge("www.acme.com");
    tree.zone(DOMAIN)
        .set_cname("www.acme.com", "shared.host.net");
    let value = challenge.value_apex();
    tree.zone("host.net").set_txt("shared.host.net", &[&value]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
}

#[tokio::test]
async fn a_target_that_does_not_exist_is_absent() {
    let tree = acme_and_host().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let owner = challenge.owner_underscore();
    let engine = Engine::of(&tree);
    for target in ["nothing.host.net", "nothing.unregistered.net"] {
        tree.zone(DOMAIN).set_cname(&owner, target);
        engine.check(&challenge).await.is(Verdict::Absent, Complete);
    }
    // The record comes back where it belongs.
    tree.zone(DOMAIN).remove(&owner);
    publish(&tree, &challenge);
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
}

/// A wildcard alias stays one behind a DNAME: whoever has its target proves nothing.
#[tokio::test]
async fn a_wildcard_alias_behind_a_dname_delegates_nothing() {
    let tree = acme_and_host().zone("acme.net").start().await.unwrap();
    let challenge = challenge("old.acme.net");
    tree.zone("acme.net").set_dname("old.acme.net", DOMAIN);
    tree.zone(DOMAIN).set_cname("*.acme.com", "shared.host.net");
    let value = challenge.value_underscore();
    tree.zone("host.net").set_txt("shared.host.net", &[&value]);
    let engine = Engine::of(&tree);
    let checked = engine.check(&challenge).await;
    assert!(checked.judged.verdict.is_negative(), "{checked:?}");
    // An alias of its own is meant.
    tree.zone(DOMAIN)
        .set_cname("_freehold-challenge.acme.com", TARGET);
    tree.zone("host.net").set_txt(TARGET, &[&value]);
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
}
