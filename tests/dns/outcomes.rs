//! What each kind of answer means, from all servers of a zone and from one of two.

use std::time::Duration;

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::challenge::RecordForm;
use freehold::model::evidence::{Failure, Security};
use freehold::model::hint::{self, Hint};
use freehold::model::verdict::{MismatchKind, Verdict};
use freehold_testbed::tree::Behaviour;
use freehold_testbed::{ResponseCode, Transport, Tree};

use crate::support::{DOMAIN, Engine, TIMEOUT, acme, challenge, publish};

const HOSTS: [&str; 2] = ["ns1.acme.com", "ns2.acme.com"];

#[tokio::test]
async fn the_right_value_in_a_signed_zone() {
    let tree = acme().signed().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Secure);
    for host in HOSTS {
        assert!(tree.server(host).queries_for(&challenge.owner_underscore()) > 0);
    }
}

#[tokio::test]
async fn the_right_value_in_an_unsigned_zone_is_confirmed_over_tcp_everywhere() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
    assert_eq!(checked.judged.security, Security::Insecure);
    for host in HOSTS {
        let confirmed = tree.server(host).queries().into_iter().any(|query| {
            query.transport == Transport::Tcp && query.name == challenge.owner_underscore()
        });
        assert!(confirmed, "{host}: {:?}", tree.server(host).queries());
    }
}

#[tokio::test]
async fn the_right_value_at_the_apex() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let value = challenge.value_apex();
    tree.zone(DOMAIN).set_txt(DOMAIN, &["v=spf1 -all", &value]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn no_question_asks_for_recursion() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    Engine::of(&tree).check(&challenge).await;
    let queries = tree.queries();
    assert!(!queries.is_empty());
    assert!(queries.iter().all(|query| !query.recursion_desired));
}

#[tokio::test]
async fn another_value_is_a_mismatch() {
    for signed in [false, true] {
        let builder = if signed { acme().signed() } else { acme() };
        let tree = builder.start().await.unwrap();
        let challenge = challenge(DOMAIN);
        let zone = tree.zone(DOMAIN);
        zone.set_txt(&challenge.owner_underscore(), &["token=somebodyelses"]);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Mismatch(MismatchKind::OtherValue), Complete);
    }
}

#[tokio::test]
async fn no_data_is_absence() {
    for builder in [acme(), acme().signed(), acme().signed_with_nsec3(0)] {
        let tree = builder.start().await.unwrap();
        let challenge = challenge(DOMAIN);
        let zone = tree.zone(DOMAIN);
        // The name exists through the one below it.
        zone.set_txt(&format!("x.{}", challenge.owner_underscore()), &["x"]);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Absent, Complete);
    }
}

#[tokio::test]
async fn no_such_name_is_absence() {
    for builder in [acme(), acme().signed(), acme().signed_with_nsec3(0)] {
        let tree = builder.start().await.unwrap();
        let checked = Engine::of(&tree).check(&challenge(DOMAIN)).await;
        checked.is(Verdict::Absent, Complete);
    }
}

#[tokio::test]
async fn a_domain_that_its_registry_does_not_know_is_absent() {
    let tree = acme().start().await.unwrap();
    let checked = Engine::of(&tree).check(&challenge("nobody.com")).await;
    checked.is(Verdict::Absent, Complete);
}

#[tokio::test]
async fn only_what_a_registry_does_not_know_is_told_to_be_registered() {
    let tree = acme().start().await.unwrap();
    let engine = Engine::of(&tree);
    for (domain, registry) in [
        ("nobody.com", Some("com")),
        ("shop.acme.com", None),
        ("eu.shop.acme.com", None),
    ] {
        let challenge = challenge(domain);
        let checked = engine.check(&challenge).await;
        let hint = registry.map(|zone| Hint::NotDelegated {
            zone: zone.to_owned(),
        });
        assert_eq!(hint::of(&challenge, &checked.evidence), hint, "{domain}");
        checked.is(Verdict::Absent, Complete);
    }
}

#[tokio::test]
async fn a_record_at_a_wrong_name_is_found() {
    let app = "app.acme.com";
    for (domain, name, form) in [
        (
            DOMAIN,
            "_freehold-challenge.acme.com.acme.com",
            RecordForm::Underscore,
        ),
        (DOMAIN, "acme.com.acme.com", RecordForm::Apex),
        (
            app,
            "_freehold-challenge.app.acme.com.acme.com",
            RecordForm::Underscore,
        ),
        (app, "app.acme.com.acme.com", RecordForm::Apex),
        (app, "_freehold-challenge.acme.com", RecordForm::Underscore),
        (app, DOMAIN, RecordForm::Apex),
    ] {
        let tree = acme().start().await.unwrap();
        let challenge = challenge(domain);
        tree.zone(DOMAIN).set_txt(name, &[&challenge.value(form)]);
        let engine = Engine::of(&tree);
        let checked = engine.check(&challenge).await;
        let found = |evidence| hint::of(&challenge, evidence).unwrap().to_string();
        let hint = found(&checked.evidence);
        assert!(hint.contains(&format!("found at {name}")), "{name}: {hint}");
        checked.is(Verdict::Absent, Complete);
        // Also where the servers do not agree.
        let one = tree.server(HOSTS[1]).zone(DOMAIN);
        one.set_txt(
            &challenge.owner_underscore(),
            &[&challenge.value_underscore()],
        );
        let checked = engine.check(&challenge).await;
        let hint = found(&checked.evidence);
        assert!(hint.contains(&format!("found at {name}")), "{name}: {hint}");
        assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
    }
}

#[tokio::test]
async fn a_record_published_after_a_check_is_seen_at_the_next() {
    for builder in [acme(), acme().signed()] {
        let tree = builder.start().await.unwrap();
        tree.zone(DOMAIN).set_negative_ttl(3600);
        let challenge = challenge(DOMAIN);
        let engine = Engine::of(&tree);
        engine.check(&challenge).await.is(Verdict::Absent, Complete);
        publish(&tree, &challenge);
        engine.check(&challenge).await.is(Verdict::Proven, Complete);
        tree.zone(DOMAIN).remove(&challenge.owner_underscore());
        engine.check(&challenge).await.is(Verdict::Absent, Complete);
    }
}

/// What the zone says of the challenge.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Published {
    Yes,
    No,
}

async fn world(published: Published) -> (Tree, crate::support::Asked) {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    if published == Published::Yes {
        publish(&tree, &challenge);
    }
    (tree, challenge)
}

/// With the behaviour at every server, neither yes nor no; with it at one of two, what the other
/// says, from incomplete evidence.
async fn fails(behaviour: Behaviour, failure: Failure) {
    for published in [Published::Yes, Published::No] {
        let (tree, challenge) = world(published).await;
        for host in HOSTS {
            tree.server(host).set_behaviour(behaviour.clone());
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(failure);

        let (tree, challenge) = world(published).await;
        tree.server(HOSTS[0]).set_behaviour(behaviour.clone());
        let checked = Engine::of(&tree).check(&challenge).await;
        let verdict = match published {
            Published::Yes => Verdict::Proven,
            Published::No => Verdict::Absent,
        };
        checked.is(verdict, Partial);
        assert_eq!(checked.failure(HOSTS[0]), Some(failure), "{checked:?}");
        assert_eq!(checked.failure(HOSTS[1]), None, "{checked:?}");
    }
}

/// The behaviour takes nothing from the evidence.
async fn is_overcome(behaviour: Behaviour) {
    for (published, verdict) in [
        (Published::Yes, Verdict::Proven),
        (Published::No, Verdict::Absent),
    ] {
        let (tree, challenge) = world(published).await;
        for host in HOSTS {
            tree.server(host).set_behaviour(behaviour.clone());
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(verdict, Complete);
    }
}

#[tokio::test]
async fn servfail() {
    fails(Behaviour::Rcode(ResponseCode::ServFail), Failure::ServFail).await;
}

#[tokio::test]
async fn refused() {
    fails(Behaviour::Rcode(ResponseCode::Refused), Failure::Refused).await;
}

#[tokio::test]
async fn another_code() {
    fails(Behaviour::Rcode(ResponseCode::NotImp), Failure::NotImp).await;
}

#[tokio::test]
async fn silence() {
    fails(Behaviour::Silent, Failure::Timeout).await;
}

#[tokio::test]
async fn too_late() {
    fails(Behaviour::Slow(TIMEOUT * 3), Failure::Timeout).await;
}

#[tokio::test]
async fn slow_and_in_time() {
    is_overcome(Behaviour::Slow(Duration::from_millis(60))).await;
}

#[tokio::test]
async fn a_lame_server_refers_upwards() {
    fails(Behaviour::UpwardReferral, Failure::Lame).await;
}

#[tokio::test]
async fn an_answer_without_authority() {
    fails(Behaviour::NotAuthoritative, Failure::Lame).await;
}

#[tokio::test]
async fn truncated_and_answered_over_tcp() {
    is_overcome(Behaviour::TruncatedOverUdp).await;
}

#[tokio::test]
async fn truncated_without_tcp() {
    for published in [Published::Yes, Published::No] {
        let (tree, challenge) = world(published).await;
        for host in HOSTS {
            let server = tree.server(host);
            server.set_behaviour(Behaviour::TruncatedWithoutTcp);
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(Failure::Truncated);
        tree.server(HOSTS[1]).set_behaviour(Behaviour::Normal);
        let checked = Engine::of(&tree).check(&challenge).await;
        assert_eq!(checked.judged.weight, Partial, "{checked:#?}");
        assert!(checked.failure(HOSTS[0]).is_some());
    }
}

#[tokio::test]
async fn truncated_over_tcp_too() {
    let (tree, challenge) = world(Published::Yes).await;
    for host in HOSTS {
        let server = tree.server(host);
        server.set_behaviour(Behaviour::AlwaysTruncated);
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    assert!(
        matches!(checked.judged.verdict, Verdict::Inconclusive(_)),
        "{checked:?}"
    );
}

/// It says so, and is asked again without.
#[tokio::test]
async fn a_server_that_knows_no_edns() {
    is_overcome(Behaviour::FormErrToEdns).await;
}

#[tokio::test]
async fn a_server_that_answers_over_tcp_alone() {
    is_overcome(Behaviour::TcpOnly).await;
}

/// Absence needs no confirmation, a proof from an unsigned zone does.
#[tokio::test]
async fn a_server_that_answers_over_udp_alone() {
    let (tree, challenge) = world(Published::No).await;
    tree.server(HOSTS[0]).set_behaviour(Behaviour::UdpOnly);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    publish(&tree, &challenge);
    let checked = Engine::of(&tree).check(&challenge).await;
    assert_ne!(
        (checked.judged.verdict, checked.judged.weight),
        (Verdict::Proven, Complete),
        "{checked:?}"
    );
    tree.server(HOSTS[1]).set_behaviour(Behaviour::UdpOnly);
    let checked = Engine::of(&tree).check(&challenge).await;
    assert!(
        matches!(checked.judged.verdict, Verdict::Inconclusive(_)),
        "{checked:?}"
    );
}

#[tokio::test]
async fn a_negative_answer_without_the_zone_s_soa() {
    for behaviour in [
        Behaviour::NegativeWithoutSoa,
        Behaviour::NegativeWithForeignSoa,
    ] {
        let (tree, challenge) = world(Published::No).await;
        for host in HOSTS {
            tree.server(host).set_behaviour(behaviour.clone());
        }
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is_inconclusive(Failure::NegativeWithoutSoa);
        publish(&tree, &challenge);
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
    }
}

#[tokio::test]
async fn no_such_name_beside_records() {
    let (tree, challenge) = world(Published::Yes).await;
    for host in HOSTS {
        let server = tree.server(host);
        server.set_behaviour_for(
            &challenge.owner_underscore(),
            Behaviour::NxDomainWithAnswers,
        );
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::Malformed);
}

#[tokio::test]
async fn garbage() {
    let (tree, challenge) = world(Published::Yes).await;
    for host in HOSTS {
        tree.server(host).set_behaviour(Behaviour::Garbage);
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    assert!(
        matches!(checked.judged.verdict, Verdict::Inconclusive(_)),
        "{checked:?}"
    );
}

#[tokio::test]
async fn servers_that_disagree() {
    let (tree, challenge) = world(Published::No).await;
    let one = tree.server(HOSTS[1]).zone(DOMAIN);
    one.set_txt(
        &challenge.owner_underscore(),
        &[&challenge.value_underscore()],
    );
    let checked = Engine::of(&tree).check(&challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Disagreement, "{checked:?}");
}

/// Different values, none of them right, deny the same.
#[tokio::test]
async fn servers_that_differ_and_still_deny() {
    let (tree, challenge) = world(Published::No).await;
    let one = tree.server(HOSTS[1]).zone(DOMAIN);
    one.set_txt(&challenge.owner_underscore(), &["token=other"]);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Mismatch(MismatchKind::OtherValue), Complete);
}

#[tokio::test]
async fn fewer_than_half_answer() {
    let tree = acme().servers(5).start().await.unwrap();
    let challenge = challenge(DOMAIN);
    publish(&tree, &challenge);
    for n in 1..=3 {
        let server = tree.server(&format!("ns{n}.acme.com"));
        server.set_behaviour(Behaviour::Rcode(ResponseCode::Refused));
    }
    let engine = Engine::of(&tree);
    engine
        .check(&challenge)
        .await
        .is_inconclusive(Failure::Refused);
    let server = tree.server("ns1.acme.com");
    server.set_behaviour(Behaviour::Normal);
    engine.check(&challenge).await.is(Verdict::Proven, Partial);
}

#[tokio::test]
async fn servers_of_the_zones_above_may_fail_in_part() {
    for zone in ["root", "com"] {
        let (tree, challenge) = world(Published::Yes).await;
        let server = tree.server(&format!("ns1.{zone}"));
        server.set_behaviour(Behaviour::Rcode(ResponseCode::ServFail));
        let checked = Engine::of(&tree).check(&challenge).await;
        checked.is(Verdict::Proven, Complete);
        let server = tree.server(&format!("ns2.{zone}"));
        server.set_behaviour(Behaviour::Silent);
        let checked = Engine::of(&tree).check(&challenge).await;
        assert!(
            matches!(checked.judged.verdict, Verdict::Inconclusive(_)),
            "{zone}: {checked:?}"
        );
    }
}
