//! The private DNS answers as authoritative servers do, and misbehaves as it is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::net::SocketAddr;
use std::time::Duration;

use freehold_testbed::tree::{
    AddressAnswer, Behaviour, Ds, Sections, Signatures, Style, Tree, WithoutEdns,
};
use freehold_testbed::{RecordType, ResponseCode, Transport};
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::dnssec::{PublicKey, TBS};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

type Check = fn(&Message) -> bool;

const CHALLENGE: &str = "_freehold-challenge.acme.com";

fn question(name: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    message.set_edns(edns);
    message
}

async fn udp(server: SocketAddr, message: &Message) -> Option<Message> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // Takes answers from that address alone, as a careful client does.
    socket.connect(server).await.unwrap();
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_millis(500), socket.recv(&mut buffer))
        .await
        .ok()?
        .unwrap();
    Some(Message::from_vec(&buffer[..length]).unwrap())
}

async fn tcp(server: SocketAddr, message: &Message) -> Option<Message> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let bytes = message.to_vec().unwrap();
    let length = u16::try_from(bytes.len()).unwrap();
    stream.write_u16(length).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let length = timeout(Duration::from_millis(500), stream.read_u16())
        .await
        .ok()?
        .ok()?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.unwrap();
    Some(Message::from_vec(&answer).unwrap())
}

async fn ask(tree: &Tree, server: &str, name: &str, record_type: RecordType) -> Message {
    let addr = tree.server(server).addr();
    udp(addr, &question(name, record_type)).await.unwrap()
}

async fn txt(tree: &Tree, server: &str, name: &str) -> Message {
    ask(tree, server, name, RecordType::TXT).await
}

fn values(message: &Message) -> Vec<String> {
    let value = |record: &Record| match &record.data {
        RData::TXT(txt) => Some(String::from_utf8(txt.txt_data.concat()).unwrap()),
        _ => None,
    };
    message.answers.iter().filter_map(value).collect()
}

fn shown(records: &[Record]) -> Vec<String> {
    let one = |record: &Record| format!("{} {}", record.name, record.record_type());
    records.iter().map(one).collect()
}

fn key_of(message: &Message) -> DNSKEY {
    let key = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
        _ => None,
    };
    message.answers.iter().find_map(key).unwrap()
}

fn signatures(records: &[Record]) -> Vec<(&Name, &RRSIG)> {
    let one = |record: &'_ Record| matches!(record.data, RData::DNSSEC(DNSSECRData::RRSIG(_)));
    records
        .iter()
        .filter(|record| one(record))
        .map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) => (&record.name, rrsig),
            _ => unreachable!(),
        })
        .collect()
}

/// Every signature in the section is right over its records.
fn all_signed(records: &[Record], key: &DNSKEY) -> bool {
    let signatures = signatures(records);
    let right = |(owner, rrsig): &(&Name, &RRSIG)| {
        let input = rrsig.input();
        let signed = TBS::from_input(owner, DNSClass::IN, input, records.iter()).unwrap();
        let key = key.public_key();
        key.verify(signed.as_ref(), rrsig.sig()).is_ok()
    };
    !signatures.is_empty() && signatures.iter().all(right)
}

#[tokio::test]
async fn referrals_lead_from_the_root_to_the_answer() {
    let tree = Tree::builder()
        .zone("acme.com")
        .txt(CHALLENGE, "token=a")
        .start()
        .await
        .unwrap();

    assert_eq!(tree.roots().len(), 2);
    let referral = txt(&tree, "ns1.root", CHALLENGE).await;
    assert!(!referral.metadata.authoritative);
    assert!(referral.answers.is_empty());
    assert_eq!(referral.authorities[0].name.to_ascii(), "com.");
    assert_eq!(shown(&referral.additionals), ["ns1.com. A", "ns2.com. A"]);
    let referral = txt(&tree, "ns2.com", CHALLENGE).await;
    assert_eq!(
        shown(&referral.authorities[..2]),
        ["acme.com. NS", "acme.com. NS"]
    );
    let RData::A(glue) = &referral.additionals[0].data else {
        panic!("{referral}");
    };
    assert_eq!(
        SocketAddr::from((glue.0, tree.port())),
        tree.server("ns1.acme.com").addr()
    );

    let answer = txt(&tree, "ns1.acme.com", CHALLENGE).await;
    assert!(answer.metadata.authoritative);
    assert_eq!(values(&answer), ["token=a"]);
    let host = ask(&tree, "ns2.acme.com", "ns1.acme.com", RecordType::A).await;
    assert_eq!(shown(&host.answers), ["ns1.acme.com. A"]);
    let elsewhere = txt(&tree, "ns1.acme.com", "other.org").await;
    assert_eq!(elsewhere.metadata.response_code, ResponseCode::Refused);
    assert_eq!(tree.server("ns1.acme.com").queries().len(), 2);
    assert_eq!(tree.server("ns1.acme.com").queries_for(CHALLENGE), 1);
    assert_eq!(tree.queries().len(), 5);
}

#[tokio::test]
async fn absence_is_told_from_missing_types_and_wildcards_answer() {
    let tree = Tree::builder()
        .zone("acme.com")
        .txt("a.b.acme.com", "x")
        .txt("*.w.acme.com", "wild")
        .start()
        .await
        .unwrap();
    tree.zone("acme.com").set_negative_ttl(17);

    for (name, code) in [
        ("acme.com", ResponseCode::NoError),
        ("b.acme.com", ResponseCode::NoError),
        ("w.acme.com", ResponseCode::NoError),
        ("c.acme.com", ResponseCode::NXDomain),
        ("x.a.b.acme.com", ResponseCode::NXDomain),
    ] {
        let answer = txt(&tree, "ns1.acme.com", name).await;
        assert_eq!(answer.metadata.response_code, code, "{name}");
        assert!(answer.metadata.authoritative);
        let RData::SOA(soa) = &answer.authorities[0].data else {
            panic!("{answer}");
        };
        assert_eq!(soa.minimum, 17);
    }
    let wild = txt(&tree, "ns1.acme.com", "any.deep.w.acme.com").await;
    assert_eq!(values(&wild), ["wild"]);
    assert_eq!(wild.answers[0].name.to_ascii(), "any.deep.w.acme.com.");
    let other_type = ask(&tree, "ns1.acme.com", "any.w.acme.com", RecordType::A).await;
    assert_eq!(other_type.metadata.response_code, ResponseCode::NoError);
    assert!(other_type.answers.is_empty());
}

#[tokio::test]
async fn aliases_are_followed_inside_the_zone() {
    let tree = Tree::builder().zone("acme.com").start().await.unwrap();
    let zone = tree.zone("acme.com");
    zone.set_cname("a.acme.com", "b.acme.com");
    zone.set_txt("b.acme.com", &["here"]);
    zone.set_cname("out.acme.com", "other.org");
    zone.set_cname("loop.acme.com", "pool.acme.com");
    zone.set_cname("pool.acme.com", "loop.acme.com");
    zone.set_cname("*.star.acme.com", "b.acme.com");
    zone.set_dname("old.acme.com", "star.acme.com");

    for (name, owners) in [
        ("a.acme.com", vec!["a.acme.com. CNAME", "b.acme.com. TXT"]),
        ("out.acme.com", vec!["out.acme.com. CNAME"]),
        (
            "loop.acme.com",
            vec!["loop.acme.com. CNAME", "pool.acme.com. CNAME"],
        ),
        (
            "x.old.acme.com",
            vec![
                "old.acme.com. DNAME",
                "x.old.acme.com. CNAME",
                "x.star.acme.com. CNAME",
                "b.acme.com. TXT",
            ],
        ),
    ] {
        let answer = txt(&tree, "ns1.acme.com", name).await;
        assert_eq!(shown(&answer.answers), owners, "{name}");
    }
}

#[tokio::test]
async fn a_signed_zone_signs_answers_and_denials() {
    for rounds in [None, Some(0), Some(5)] {
        let mut builder = Tree::builder().zone("acme.com");
        builder = match rounds {
            None => builder.signed(),
            Some(rounds) => builder.signed_with_nsec3(rounds),
        };
        let tree = builder
            .txt(CHALLENGE, "token=a")
            .txt("*.w.acme.com", "wild")
            .zone("plain.com")
            .start()
            .await
            .unwrap();
        let server = "ns1.acme.com";
        let key = key_of(&ask(&tree, server, "acme.com", RecordType::DNSKEY).await);

        let answer = txt(&tree, server, CHALLENGE).await;
        assert!(all_signed(&answer.answers, &key), "{answer}");
        for name in ["acme.com", "nothing.acme.com", "a.b.nothing.acme.com"] {
            let answer = txt(&tree, server, name).await;
            let proofs = answer.authorities.iter().filter(|record| {
                matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
            });
            // One record may prove several things.
            assert!((1..=3).contains(&proofs.count()), "{name}: {answer}");
            assert!(all_signed(&answer.authorities, &key), "{name}: {answer}");
        }

        let com = key_of(&ask(&tree, "ns1.com", "com", RecordType::DNSKEY).await);
        let ds = ask(&tree, "ns1.com", "acme.com", RecordType::DS).await;
        assert!(all_signed(&ds.answers, &com));
        let RData::DNSSEC(DNSSECRData::DS(ds)) = &ds.answers[0].data else {
            panic!("{ds}");
        };
        assert!(
            ds.covers(&Name::from_ascii("acme.com.").unwrap(), &key)
                .unwrap()
        );
        let insecure = txt(&tree, "ns1.com", "_x.plain.com").await;
        assert!(all_signed(&insecure.authorities, &com), "{insecure}");
        let types = shown(&insecure.authorities);
        assert!(types.contains(&"plain.com. NSEC".to_owned()), "{types:?}");
        assert!(
            tree.trust_anchor()
                .unwrap()
                .starts_with(". 3600 IN DNSKEY 257 3 13 ")
        );
    }
}

#[tokio::test]
async fn signatures_break_as_told() {
    let tree = Tree::builder()
        .zone("acme.com")
        .signed()
        .txt(CHALLENGE, "token=a")
        .start()
        .await
        .unwrap();
    let key = key_of(&ask(&tree, "ns1.acme.com", "acme.com", RecordType::DNSKEY).await);
    let server = tree.server("ns2.acme.com");

    server.set_behaviour(Behaviour::Signatures(Signatures::Missing));
    assert_eq!(txt(&tree, "ns2.acme.com", CHALLENGE).await.answers.len(), 1);
    server.set_behaviour(Behaviour::Signatures(Signatures::Bogus));
    let answer = txt(&tree, "ns2.acme.com", CHALLENGE).await;
    assert!(!all_signed(&answer.answers, &key));
    server.set_behaviour(Behaviour::Signatures(Signatures::Expired));
    let answer = txt(&tree, "ns2.acme.com", CHALLENGE).await;
    assert!(all_signed(&answer.answers, &key));
    let (_, rrsig) = signatures(&answer.answers)[0];
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(u64::from(rrsig.input().sig_expiration.get()) < now);

    tree.zone("com").set_ds("acme.com", Ds::Wrong);
    let ds = ask(&tree, "ns1.com", "acme.com", RecordType::DS).await;
    let RData::DNSSEC(DNSSECRData::DS(ds)) = &ds.answers[0].data else {
        panic!("{ds}");
    };
    assert!(
        !ds.covers(&Name::from_ascii("acme.com.").unwrap(), &key)
            .unwrap()
    );
    tree.zone("com").set_ds("acme.com", Ds::Missing);
    let ds = ask(&tree, "ns1.com", "acme.com", RecordType::DS).await;
    assert!(ds.answers.is_empty());
}

#[tokio::test]
async fn one_server_can_lie_alone() {
    let tree = Tree::builder()
        .zone("acme.com")
        .txt(CHALLENGE, "token=a")
        .start()
        .await
        .unwrap();
    let liar = tree.server("ns2.acme.com").zone("acme.com");
    liar.set_ns("acme.com", &["ns1.evil.net"]);
    liar.set_addresses("ns1.acme.com", &[[127, 0, 0, 9].into()]);
    liar.set_ns(CHALLENGE, &["ns1.evil.net"]);

    let honest = txt(&tree, "ns1.acme.com", CHALLENGE).await;
    assert_eq!(values(&honest), ["token=a"]);
    let forged = txt(&tree, "ns2.acme.com", CHALLENGE).await;
    assert!(!forged.metadata.authoritative && forged.answers.is_empty());
    let servers = ask(&tree, "ns2.acme.com", "acme.com", RecordType::NS).await;
    assert_eq!(servers.answers.len(), 1);
    // A change of the zone reaches the liar too.
    tree.zone("acme.com").set_txt("new.acme.com", &["new"]);
    assert_eq!(
        values(&txt(&tree, "ns2.acme.com", "new.acme.com").await),
        ["new"]
    );
}

#[tokio::test]
async fn servers_misbehave_as_told() {
    let tree = Tree::builder()
        .zone("acme.com")
        .txt(CHALLENGE, "token=a")
        .start()
        .await
        .unwrap();
    let server = tree.server("ns1.acme.com");
    let addr = server.addr();
    let message = question(CHALLENGE, RecordType::TXT);

    for silent_over_udp in [
        Behaviour::Silent,
        Behaviour::TcpOnly,
        Behaviour::SpoofedOnly("forged".to_owned()),
    ] {
        server.set_behaviour(silent_over_udp.clone());
        assert!(udp(addr, &message).await.is_none(), "{silent_over_udp:?}");
    }
    for without_tcp in [Behaviour::UdpOnly, Behaviour::TruncatedWithoutTcp] {
        server.set_behaviour(without_tcp);
        assert!(tcp(addr, &message).await.is_none());
        assert!(udp(addr, &message).await.is_some());
    }
    for truncated in [Behaviour::TruncatedOverUdp, Behaviour::AlwaysTruncated] {
        server.set_behaviour(truncated.clone());
        let answer = udp(addr, &message).await.unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty());
        let answer = tcp(addr, &message).await.unwrap();
        assert_eq!(
            answer.metadata.truncation,
            truncated == Behaviour::AlwaysTruncated
        );
    }

    server.set_behaviour(Behaviour::FormErrToEdns);
    let answer = udp(addr, &message).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    assert!(answer.edns.is_none());
    let mut plain = message.clone();
    plain.edns = None;
    assert_eq!(values(&udp(addr, &plain).await.unwrap()), ["token=a"]);

    let checks: [(Behaviour, Check); 8] = [
        (Behaviour::WrongId, |m| m.metadata.id != 7),
        (Behaviour::WrongQuestion, |m| {
            m.queries[0].name().to_ascii() == "other-question.invalid."
        }),
        (Behaviour::NotAuthoritative, |m| {
            !m.metadata.authoritative && m.answers.len() == 1
        }),
        (Behaviour::UpwardReferral, |m| {
            !m.metadata.authoritative && m.authorities[0].name.is_root()
        }),
        (Behaviour::NxDomainWithAnswers, |m| {
            m.metadata.response_code == ResponseCode::NXDomain && m.answers.len() == 1
        }),
        (Behaviour::ForeignOwner, |m| {
            m.answers[0].name.to_ascii() == "other-owner.invalid."
        }),
        (Behaviour::ForeignBeside("evil".to_owned()), |m| {
            m.answers.len() == 2
        }),
        (Behaviour::SpoofedFirst("evil".to_owned()), |m| {
            m.answers.len() == 1 && values(m) == ["token=a"]
        }),
    ];
    for (behaviour, check) in checks {
        server.set_behaviour(behaviour.clone());
        let answer = udp(addr, &message).await.unwrap();
        assert!(check(&answer), "{behaviour:?}: {answer}");
    }

    server.set_behaviour(Behaviour::Normal);
    server.set_behaviour_for(CHALLENGE, Behaviour::Rcode(ResponseCode::ServFail));
    let answer = udp(addr, &message).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    let answer = txt(&tree, "ns1.acme.com", "acme.com").await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    server.set_behaviour_for("gone.acme.com", Behaviour::NegativeWithoutSoa);
    let answer = txt(&tree, "ns1.acme.com", "gone.acme.com").await;
    assert!(answer.authorities.is_empty());
    assert!(server.queries_over(Transport::Tcp) >= 2);
}

#[tokio::test]
async fn long_answers_need_tcp() {
    let tree = Tree::builder().zone("acme.com").start().await.unwrap();
    let values_of_300: Vec<String> = (0..300).map(|n| format!("value {n}")).collect();
    let values_of_300: Vec<&str> = values_of_300.iter().map(String::as_str).collect();
    let zone = tree.zone("acme.com");
    zone.set_txt("many.acme.com", &values_of_300);
    zone.set_txt("long.acme.com", &[&"x".repeat(8192)]);

    for (name, count) in [("many.acme.com", 300), ("long.acme.com", 1)] {
        let message = question(name, RecordType::TXT);
        let addr = tree.server("ns1.acme.com").addr();
        assert!(udp(addr, &message).await.unwrap().metadata.truncation);
        let answer = tcp(addr, &message).await.unwrap();
        assert_eq!(values(&answer).len(), count);
    }
}

#[tokio::test]
async fn servers_of_other_zones_and_told_addresses() {
    let tree = Tree::builder()
        .public_addresses()
        .zone("acme.com")
        .served_by(&["ns1.host.net", "ns2.host.net"])
        .zone("host.net")
        .told_address("ns2.host.net", [10, 0, 0, 53].into())
        .start()
        .await
        .unwrap();

    let referral = txt(&tree, "ns1.com", CHALLENGE).await;
    assert!(referral.additionals.is_empty(), "glueless: {referral}");
    let host = ask(&tree, "ns1.host.net", "ns2.host.net", RecordType::A).await;
    let RData::A(address) = &host.answers[0].data else {
        panic!("{host}");
    };
    assert_eq!(address.0.octets(), [10, 0, 0, 53]);
    let told = tree.server("ns2.host.net").told_address();
    assert_eq!(
        tree.address_map()[&told],
        tree.server("ns2.host.net").addr()
    );
    assert!(tree.roots()[0].to_string().starts_with("192.88."));
    let answer = txt(&tree, "ns2.host.net", "acme.com").await;
    assert!(answer.metadata.authoritative);
}

#[tokio::test]
async fn honest_servers_answer_in_different_styles() {
    let tree = Tree::builder()
        .zone("acme.com")
        .served_by(&["ns1.acme.com", "ns1.host.com"])
        .txt(CHALLENGE, "token=a")
        .zone("host.com")
        .start()
        .await
        .unwrap();
    let server = tree.server("ns1.acme.com");
    let style = |style| server.set_style(style);
    let ordinary = Style::default;

    style(Style {
        sections: Sections::Full,
        ..ordinary()
    });
    let answer = txt(&tree, "ns1.acme.com", CHALLENGE).await;
    assert_eq!(shown(&answer.authorities), ["acme.com. NS", "acme.com. NS"]);
    assert_eq!(shown(&answer.additionals), ["ns1.acme.com. A"]);

    for (without_edns, code, answers) in [
        (WithoutEdns::FormErr, ResponseCode::FormErr, 0),
        (WithoutEdns::NotImp, ResponseCode::NotImp, 0),
        (WithoutEdns::Ignores, ResponseCode::NoError, 1),
    ] {
        style(Style {
            without_edns: Some(without_edns),
            ..ordinary()
        });
        let answer = txt(&tree, "ns1.acme.com", CHALLENGE).await;
        assert_eq!(answer.metadata.response_code, code);
        assert_eq!(answer.answers.len(), answers);
        assert!(answer.edns.is_none());
        let mut plain = question(CHALLENGE, RecordType::TXT);
        plain.edns = None;
        let answer = udp(server.addr(), &plain).await.unwrap();
        assert_eq!(values(&answer), ["token=a"]);
    }

    style(Style {
        lower_case_echo: true,
        compares_octets: true,
        ..ordinary()
    });
    let answer = txt(&tree, "ns1.acme.com", "_Freehold-challenge.acme.com").await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(answer.queries[0].name().to_ascii(), format!("{CHALLENGE}."));
    let answer = txt(&tree, "ns1.acme.com", "_freehold-challenge.ACME.com").await;
    assert_eq!(values(&answer), ["token=a"]);

    for (aaaa, code) in [
        (AddressAnswer::ServFail, Some(ResponseCode::ServFail)),
        (AddressAnswer::NotImp, Some(ResponseCode::NotImp)),
        (AddressAnswer::WithoutSoa, Some(ResponseCode::NoError)),
        (AddressAnswer::Nothing, None),
    ] {
        style(Style {
            aaaa,
            bare_errors: true,
            ..ordinary()
        });
        let asked = question("ns1.acme.com", RecordType::AAAA);
        let answer = udp(server.addr(), &asked).await;
        let found = answer.as_ref().map(|answer| answer.metadata.response_code);
        assert_eq!(found, code);
        assert!(answer.is_none_or(|answer| answer.authorities.is_empty()));
        let address = ask(&tree, "ns1.acme.com", "ns1.acme.com", RecordType::A).await;
        assert_eq!(address.answers.len(), 1);
    }
    let refused = txt(&tree, "ns1.acme.com", "other.org").await;
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
    assert!(refused.queries.is_empty());

    // Only the cut's own hosts need glue.
    let referral = txt(&tree, "ns1.com", CHALLENGE).await;
    assert_eq!(
        shown(&referral.additionals),
        ["ns1.acme.com. A", "ns1.host.com. A"]
    );
    tree.server("ns1.com").set_style(Style {
        without_optional_glue: true,
        ..ordinary()
    });
    let referral = txt(&tree, "ns1.com", CHALLENGE).await;
    assert_eq!(shown(&referral.additionals), ["ns1.acme.com. A"]);
}

/// He has every signature that the zone has, and makes none for what he changes.
#[tokio::test]
async fn a_forger_has_no_key() {
    let tree = Tree::builder()
        .zone("acme.com")
        .signed()
        .txt(CHALLENGE, "token=a")
        .txt("other.acme.com", "b")
        .start()
        .await
        .unwrap();
    let liar = tree.server("ns1.acme.com");
    liar.forges();
    liar.zone("acme.com").set_txt(CHALLENGE, &["token=evil"]);
    let keys = ask(&tree, "ns2.acme.com", "acme.com", RecordType::DNSKEY).await;
    let key = key_of(&keys);
    let forged = txt(&tree, "ns1.acme.com", CHALLENGE).await;
    assert!(!all_signed(&forged.answers, &key));
    let untouched = txt(&tree, "ns1.acme.com", "other.acme.com").await;
    assert!(all_signed(&untouched.answers, &key));
    let denied = txt(&tree, "ns1.acme.com", "nothing.acme.com").await;
    assert!(all_signed(&denied.authorities, &key));
    liar.zone("acme.com").remove("other.acme.com");
    let denied = txt(&tree, "ns1.acme.com", "other.acme.com").await;
    assert!(!all_signed(&denied.authorities, &key));
}
