//! The tree's zones, proofs and referrals hold before real servers: BIND, NSD, Knot and `PowerDNS` load them,
//! and Unbound validates what they and the tree answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends there"
)]

use std::net::SocketAddr;
use std::time::Duration;

use freehold_testbed::nameservers::{Recursor, Software, Unbound, external, start, substitute};
use freehold_testbed::tree::{Behaviour, Builder, Signatures, Tree};
use freehold_testbed::{Packages, RecordType, ResponseCode};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use tokio::net::UdpSocket;
use tokio::time::timeout;

const ZONES: [&str; 3] = ["acme.com", "hashed.com", "plain.com"];

async fn ask(server: SocketAddr, name: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let name = Name::from_ascii(format!("{name}.")).unwrap();
    message.add_query(Query::query(name, record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    message.set_edns(edns);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_secs(10), socket.recv(&mut buffer))
        .await
        .expect("no answer")
        .unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

fn zones() -> Builder {
    let mut builder = Tree::builder();
    for zone in ZONES {
        builder = builder.zone(zone).servers(3);
        builder = match zone {
            "acme.com" => builder.signed(),
            "hashed.com" => builder.signed_with_nsec3(3),
            _ => builder,
        };
        builder = builder
            .txt(&format!("_x.{zone}"), "token=a")
            .txt(&format!("*.wild.{zone}"), "wild");
    }
    builder
}

fn fill(tree: &Tree) {
    for zone in ZONES {
        let edit = tree.zone(zone);
        edit.set_cname(&format!("alias.{zone}"), &format!("_x.{zone}"));
        edit.set_dname(&format!("moved.{zone}"), &format!("wild.{zone}"));
    }
}

/// Every kind of answer and denial, and whether it is right and as secure as its zone.
async fn unbound_agrees(server: SocketAddr) {
    for zone in ZONES {
        let secure = zone != "plain.com";
        for (name, code, answers) in [
            ("_x", ResponseCode::NoError, true),
            ("any.wild", ResponseCode::NoError, true),
            ("alias", ResponseCode::NoError, true),
            ("any.moved", ResponseCode::NoError, true),
            ("moved", ResponseCode::NoError, false),
            ("wild", ResponseCode::NoError, false),
            ("nothing", ResponseCode::NXDomain, false),
            ("deep.er.nothing", ResponseCode::NXDomain, false),
        ] {
            let name = format!("{name}.{zone}");
            let answer = ask(server, &name, RecordType::TXT).await;
            assert_eq!(answer.metadata.response_code, code, "{name}: {answer}");
            assert_eq!(answer.metadata.authentic_data, secure, "{name}: {answer}");
            assert_eq!(!answer.answers.is_empty(), answers, "{name}: {answer}");
        }
        let name = format!("any.wild.{zone}");
        let answer = ask(server, &name, RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert_eq!(answer.metadata.authentic_data, secure, "{name}: {answer}");
    }
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn unbound_validates_the_tree() {
    let packages = Packages::from_environment().unwrap();
    let tree = zones().start().await.unwrap();
    fill(&tree);
    let folder = tempfile::tempdir().unwrap();
    let unbound = Unbound::start(&packages, &tree, folder.path())
        .await
        .unwrap();

    unbound_agrees(unbound.plain).await;
    for (n, signatures) in [Signatures::Bogus, Signatures::Expired, Signatures::Missing]
        .into_iter()
        .enumerate()
    {
        let name = format!("new{n}.acme.com");
        tree.zone("acme.com").set_txt(&name, &["value"]);
        for host in ["ns1", "ns2", "ns3"] {
            let server = tree.server(&format!("{host}.acme.com"));
            server.set_behaviour(Behaviour::Signatures(signatures));
        }
        let answer = ask(unbound.plain, &name, RecordType::TXT).await;
        let code = answer.metadata.response_code;
        assert_eq!(code, ResponseCode::ServFail, "{signatures:?}: {answer}");
    }
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn real_servers_load_the_tree_s_zones() {
    let packages = Packages::from_environment().unwrap();
    for software in Software::ALL {
        let mut builder = zones();
        for zone in ZONES {
            builder = builder.zone(zone).served_by(&["ns1.acme.com"]);
        }
        let tree = external(builder, &[("ns1.acme.com", software)])
            .start()
            .await
            .unwrap();
        fill(&tree);
        let folder = tempfile::tempdir().unwrap();
        let _server = start(&packages, software, &tree, "ns1.acme.com", folder.path())
            .await
            .unwrap();
        let unbound = Unbound::start(&packages, &tree, folder.path())
            .await
            .unwrap();
        unbound_agrees(unbound.plain).await;
        assert!(tree.server("ns1.acme.com").queries().is_empty());
    }
}

/// From the root over the tree's own referrals, through a top-level domain that leaves insecure
/// delegations out of its proofs.
#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn unbound_recurses_from_the_root() {
    let packages = Packages::from_environment().unwrap();
    let tree = zones()
        .zone("com")
        .signed_with_opt_out()
        .listen_at(53)
        .start()
        .await
        .unwrap();
    fill(&tree);
    let folder = tempfile::tempdir().unwrap();
    let recursor = Recursor::start(&packages, &tree, folder.path())
        .await
        .unwrap();
    unbound_agrees(recursor.addr).await;
    // Whether the name is an insecure delegation is not known.
    let answer = ask(recursor.addr, "nothing.com", RecordType::TXT).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    assert!(!answer.metadata.authentic_data);

    tree.forget_queries();
    ask(recursor.addr, "_x.acme.com", RecordType::TXT).await;
    assert_eq!(tree.queries(), []);
    recursor.flush().await.unwrap();
    ask(recursor.addr, "_x.acme.com", RecordType::TXT).await;
    let queries = tree.queries();
    assert!(queries.iter().any(|query| query.server.ends_with("root")));
    assert!(queries.iter().all(|query| query.client == recursor.client));
}

#[tokio::test]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn a_program_answers_for_a_server_of_the_tree() {
    let packages = Packages::from_environment().unwrap();
    let tree = zones().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for software in Software::ALL {
        let _program = substitute(&packages, software, &tree, "ns2.acme.com", folder.path())
            .await
            .unwrap();
        tree.forget_queries();
        let answer = ask(
            tree.server("ns2.acme.com").addr(),
            "_x.acme.com",
            RecordType::TXT,
        )
        .await;
        assert_eq!(answer.answers.len(), 2, "{answer}");
        assert_eq!(tree.queries().len(), 1);
    }
}
