//! Signed zones: what is proved up to the root's key counts, what breaks on the way is neither
//! proof nor loss.

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::{Failure, Security};
use freehold::model::hint;
use freehold::model::verdict::Verdict;
use freehold_testbed::tree::{Behaviour, Builder, Ds, Signatures};
use freehold_testbed::{Transport, Tree};

use crate::support::{Asked, DOMAIN, Engine, Setup, acme, challenge, publish};

const HOSTS: [&str; 2] = ["ns1.acme.com", "ns2.acme.com"];

async fn world(builder: Builder) -> (Tree, Asked) {
    let tree = builder.start().await.unwrap();
    (tree, challenge(DOMAIN))
}

fn everywhere(tree: &Tree, signatures: Signatures) {
    for host in HOSTS {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::Signatures(signatures));
    }
}

fn failure_of(signatures: Signatures) -> Failure {
    match signatures {
        Signatures::Expired => Failure::SignatureExpired,
        Signatures::Early => Failure::SignatureNotYetValid,
        _ => Failure::Bogus,
    }
}

/// Broken signatures at both servers are neither yes nor no; at one, what the other says.
async fn breaks(signatures: Signatures) {
    for published in [true, false] {
        let (tree, challenge) = world(acme().signed()).await;
        if published {
            publish(&tree, &challenge);
        }
        let first = tree.server(HOSTS[0]);
        first.set_behaviour(Behaviour::Signatures(signatures));
        let checked = Engine::of(&tree).check(&challenge).await;
        let verdict = if published {
            Verdict::Proven
        } else {
            Verdict::Absent
        };
        checked.is(verdict, Partial);
        assert_eq!(checked.failure(HOSTS[0]), Some(failure_of(signatures)));
        assert_eq!(checked.judged.security, Security::Secure);
        everywhere(&tree, signatures);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(failure_of(signatures));
        let broken = checked.evidence.broken.as_ref().unwrap();
        assert_eq!(broken.zone, DOMAIN);
    }
}

#[tokio::test]
async fn a_bogus_signature() {
    breaks(Signatures::Bogus).await;
}

#[tokio::test]
async fn a_stripped_signature() {
    breaks(Signatures::Missing).await;
}

#[tokio::test]
async fn an_expired_signature() {
    breaks(Signatures::Expired).await;
}

#[tokio::test]
async fn a_signature_of_tomorrow() {
    breaks(Signatures::Early).await;
}

/// Only the record's own answer is forged, the zone's keys are right.
#[tokio::test]
async fn a_bogus_record_in_a_sound_zone() {
    for signatures in [Signatures::Bogus, Signatures::Missing, Signatures::Expired] {
        let (tree, challenge) = world(acme().signed()).await;
        publish(&tree, &challenge);
        for host in HOSTS {
            tree.server(host).set_behaviour_for(
                &challenge.owner_underscore(),
                Behaviour::Signatures(signatures),
            );
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(failure_of(signatures));
    }
}

#[tokio::test]
async fn a_key_that_the_parent_does_not_know() {
    let (tree, challenge) = world(acme().signed().ds(Ds::Wrong)).await;
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::Bogus);
}

#[tokio::test]
async fn a_signed_zone_without_a_ds_is_insecure() {
    let (tree, challenge) = world(acme().signed().ds(Ds::Missing)).await;
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
}

/// The parent says that it delegates without a DS, and cannot prove it.
#[tokio::test]
async fn a_downgrade_without_proof() {
    for signatures in [Signatures::Missing, Signatures::Bogus] {
        let (tree, challenge) = world(acme().signed()).await;
        publish(&tree, &challenge);
        for host in ["ns1.com", "ns2.com"] {
            let server = tree.server(host);
            server.zone("com").set_ds(DOMAIN, Ds::Missing);
            server.set_behaviour(Behaviour::Signatures(signatures));
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_undecided();
    }
}

#[tokio::test]
async fn a_root_that_is_not_the_anchor_s() {
    let (tree, challenge) = world(acme().signed()).await;
    publish(&tree, &challenge);
    for host in ["ns1.root", "ns2.root"] {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::Signatures(Signatures::Bogus));
    }
    Engine::of(&tree).check(&challenge).await.is_undecided();
}

/// The anchor is that of another root, or of a key that is gone.
#[tokio::test]
async fn an_anchor_of_another_root() {
    let (tree, challenge) = world(acme()).await;
    publish(&tree, &challenge);
    let (other, _) = world(acme()).await;
    let setup = Setup {
        anchor: other.trust_anchor(),
        ..Setup::default()
    };
    let checked = Engine::with(&tree, setup).check(&challenge).await;
    checked.is_inconclusive(Failure::UntrustedRoot);
    let hint = hint::of(&challenge, &checked.evidence).unwrap().to_string();
    assert!(hint.contains("--dns-trust-anchor"), "{hint}");
}

/// This machine's clock is days off: every zone on the way has signatures of another time. The row of
/// a server that has no signatures at all does not blame them.
#[tokio::test]
async fn a_clock_that_is_days_off() {
    for (signatures, failure) in [
        (Signatures::Expired, Failure::SignatureExpired),
        (Signatures::Early, Failure::SignatureNotYetValid),
    ] {
        for zone in ["root", "com"] {
            let (tree, challenge) = world(acme()).await;
            publish(&tree, &challenge);
            for n in [1, 2] {
                let server = tree.server(&format!("ns{n}.{zone}"));
                server.set_behaviour(Behaviour::Signatures(signatures));
            }
            let checked = Engine::of(&tree).check(&challenge).await;
            checked.is_undecided();
            let broken = checked.evidence.broken.as_ref().unwrap();
            assert_eq!(broken.zone, if zone == "root" { "." } else { zone });
            assert_eq!(broken.failure, failure, "{zone}: {checked:#?}");
            let hint = hint::of(&challenge, &checked.evidence).unwrap().to_string();
            assert!(hint.contains("clock"), "{hint}");
            if zone == "com" {
                assert_eq!(checked.failure("ns1.acme.com"), Some(Failure::BrokenAbove));
            }
        }
    }
}

async fn denials(builder: Builder) {
    let (tree, challenge) = world(builder).await;
    let engine = Engine::of(&tree);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
    // The name exists and has another type alone.
    tree.zone(DOMAIN)
        .set_addresses(&challenge.owner_underscore(), &[[192, 88, 3, 3].into()]);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
}

#[tokio::test]
async fn denials_are_proved() {
    denials(acme().signed()).await;
}

#[tokio::test]
async fn hashed_denials_are_proved() {
    denials(acme().signed_with_nsec3(0)).await;
    denials(acme().signed_with_nsec3(10)).await;
}

/// A wildcard's answer is proved with the absence of the name itself.
async fn wildcard(builder: Builder) {
    let (tree, challenge) = world(builder).await;
    let engine = Engine::of(&tree);
    tree.zone(DOMAIN).set_txt("*.acme.com", &["wild"]);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
    let value = challenge.value_underscore();
    tree.zone(DOMAIN).set_txt("*.acme.com", &[&value]);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
    // The wildcard lacks the type.
    tree.zone(DOMAIN).remove("*.acme.com");
    tree.zone(DOMAIN)
        .set_addresses("*.acme.com", &[[192, 88, 3, 3].into()]);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
}

#[tokio::test]
async fn a_wildcard_s_answer_is_proved() {
    wildcard(acme().signed()).await;
}

#[tokio::test]
async fn a_wildcard_s_answer_is_proved_with_hashed_denials() {
    wildcard(acme().signed_with_nsec3(0)).await;
}

/// RFC 9276: many rounds count as unsigned, very many as broken.
#[tokio::test]
async fn hash_rounds_are_limited() {
    let (tree, challenge) = world(acme().signed_with_nsec3(100)).await;
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
    let (tree, challenge) = world(acme().signed_with_nsec3(2000)).await;
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::Bogus);
}

/// Signatures are dear to check: an answer with hundreds of them is not looked into.
#[tokio::test]
async fn a_heap_of_wrong_signatures() {
    let (tree, challenge) = world(acme().signed()).await;
    publish(&tree, &challenge);
    for host in HOSTS {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::ManySignatures(200));
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::Bogus);
}

#[tokio::test]
async fn an_unsigned_zone_below_a_signed_one() {
    let tree = acme().signed().zone("sub.acme.com").start().await.unwrap();
    let challenge = challenge("sub.acme.com");
    tree.zone("sub.acme.com").set_txt(
        &challenge.owner_underscore(),
        &[&challenge.value_underscore()],
    );
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
}

#[tokio::test]
async fn only_signed_zones_where_the_install_says_so() {
    let strict = |tree: &Tree| {
        Engine::with(
            tree,
            Setup {
                secure_only: true,
                ..Setup::default()
            },
        )
    };
    let (tree, challenge) = world(acme()).await;
    publish(&tree, &challenge);
    let checked = strict(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::NotSigned);
    let (tree, challenge) = world(acme().signed()).await;
    publish(&tree, &challenge);
    let checked = strict(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn without_anchors_nothing_is_validated() {
    let (tree, challenge) = world(acme().signed()).await;
    publish(&tree, &challenge);
    everywhere(&tree, Signatures::Bogus);
    let setup = Setup {
        without_anchors: true,
        ..Setup::default()
    };
    let checked = Engine::with(&tree, setup).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
}

/// A signed proof needs no second look.
#[tokio::test]
async fn a_secure_proof_is_not_confirmed_over_tcp() {
    let (tree, challenge) = world(acme().signed()).await;
    publish(&tree, &challenge);
    let engine = Engine::of(&tree);
    engine.check(&challenge).await;
    tree.forget_queries();
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
    for host in HOSTS {
        assert_eq!(tree.server(host).queries_over(Transport::Tcp), 0);
    }
}
