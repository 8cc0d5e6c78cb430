//! Answers from somebody who is not the server, and answers to something else.

use freehold::model::agreement::Weight::{Complete, Partial};
use freehold::model::evidence::Failure;
use freehold::model::verdict::Verdict;
use freehold_testbed::tree::Behaviour;
use freehold_testbed::{Transport, Tree};

use crate::support::{Asked, DOMAIN, Engine, acme, challenge, publish};

const HOSTS: [&str; 2] = ["ns1.acme.com", "ns2.acme.com"];

async fn world() -> (Tree, Asked) {
    let tree = acme().start().await.unwrap();
    (tree, challenge(DOMAIN))
}

fn everywhere(tree: &Tree, behaviour: &Behaviour) {
    for host in HOSTS {
        tree.server(host).set_behaviour(behaviour.clone());
    }
}

#[tokio::test]
async fn a_forged_answer_from_another_port() {
    let (tree, challenge) = world().await;
    let forged = challenge.value_underscore();
    everywhere(&tree, &Behaviour::SpoofedFirst(forged.clone()));
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    everywhere(&tree, &Behaviour::SpoofedOnly(forged));
    let checked = Engine::of(&tree).check(&challenge).await;
    assert_ne!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
}

/// Over UDP the forged answer is taken, as from somebody who guessed port and id; the owner's
/// server, asked again over TCP, knows nothing of it.
#[tokio::test]
async fn a_forged_answer_that_is_taken_is_not_confirmed() {
    let (tree, challenge) = world().await;
    for host in HOSTS {
        tree.server(host).set_behaviour_for(
            &challenge.owner_underscore(),
            Behaviour::ForgedOverUdp(challenge.value_underscore()),
        );
    }
    let checked = Engine::of(&tree).check(&challenge).await;
    assert_ne!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
    for host in HOSTS {
        assert!(tree.server(host).queries_over(Transport::Tcp) > 0);
    }
}

#[tokio::test]
async fn the_wrong_id() {
    let (tree, challenge) = world().await;
    publish(&tree, &challenge);
    let server = tree.server(HOSTS[0]);
    server.set_behaviour(Behaviour::WrongId);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Partial);
    everywhere(&tree, &Behaviour::WrongId);
    Engine::of(&tree).check(&challenge).await.is_undecided();
}

#[tokio::test]
async fn the_wrong_question() {
    let (tree, challenge) = world().await;
    publish(&tree, &challenge);
    let server = tree.server(HOSTS[0]);
    server.set_behaviour(Behaviour::WrongQuestion);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is(Verdict::Proven, Partial);
    everywhere(&tree, &Behaviour::WrongQuestion);
    Engine::of(&tree).check(&challenge).await.is_undecided();
}

/// The question's mixed case comes back flat: over TCP it matters no more.
#[tokio::test]
async fn a_server_that_flattens_case() {
    let (tree, challenge) = world().await;
    everywhere(&tree, &Behaviour::FlatCase);
    let engine = Engine::of(&tree);
    engine.check(&challenge).await.is(Verdict::Absent, Complete);
    publish(&tree, &challenge);
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
    for host in HOSTS {
        assert!(tree.server(host).queries_over(Transport::Tcp) > 0);
    }
}

#[tokio::test]
async fn records_of_another_owner() {
    let (tree, challenge) = world().await;
    publish(&tree, &challenge);
    everywhere(&tree, &Behaviour::ForeignOwner);
    let checked = Engine::of(&tree).check(&challenge).await;
    checked.is_inconclusive(Failure::NegativeWithoutSoa);
}

#[tokio::test]
async fn a_record_of_another_owner_beside_a_denial() {
    let (tree, challenge) = world().await;
    let forged = challenge.value_underscore();
    everywhere(&tree, &Behaviour::ForeignBeside(forged));
    let checked = Engine::of(&tree).check(&challenge).await;
    assert_ne!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
}
