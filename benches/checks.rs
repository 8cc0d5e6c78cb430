//! Checks a second, against the bare exchange of the same packets: `cargo bench --bench checks`,
//! with the beginning of a row's title for that row alone.
//!
//! Server and client share this machine's processors, so only the ratio says something.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run ends"
)]

#[path = "../tests/dns/support.rs"]
#[allow(dead_code, reason = "made for the tests, which need more of it")]
mod support;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use freehold_testbed::{Transport, Tree};
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use hickory_resolver::net::proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_resolver::net::proto::rr::Name;
use support::{Asked, Engine, challenge};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Each has servers of its own, because the engine asks one address few things at a time.
const DOMAINS: usize = 64;
const IN_FLIGHT: usize = 64;
/// Short, so that both of a round see the machine in one state: it does other things, which change
/// within a second.
const MEASURED: Duration = Duration::from_millis(250);
/// Both are measured in turn so often, and the middle one of the ratios counts.
const ROUNDS: usize = 61;

/// A question as the engine put it.
#[derive(Clone)]
struct Packet {
    server: SocketAddr,
    transport: Transport,
    octets: Vec<u8>,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wanted = std::env::args()
        .nth(1)
        .filter(|argument| argument != "--bench");
    println!("{DOMAINS} domains, {IN_FLIGHT} checks in flight");
    println!(
        "{:<28}{:>10}{:>10}{:>9}{:>7}",
        "", "checks/s", "bare/s", "packets", "ratio"
    );
    for (title, signed, published) in [
        ("unsigned, not published", false, false),
        ("unsigned, proven", false, true),
        ("signed, not published", true, false),
        ("signed, proven", true, true),
    ] {
        if wanted
            .as_ref()
            .is_none_or(|wanted| title.starts_with(wanted))
        {
            runtime.block_on(compare(title, signed, published));
        }
    }
}

async fn compare(title: &str, signed: bool, published: bool) {
    let (tree, domains) = world(signed, published).await;
    let engine = Engine::of(&tree);
    let mut checks = Vec::new();
    for asked in domains {
        // The delegation is known from now on.
        engine.check(&asked).await;
        tree.forget_queries();
        engine.check(&asked).await;
        let rounds = rounds(&tree, asked.name.as_str());
        checks.push((asked, rounds));
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        tree.forget_queries();
        let ours = rate(&checks, async |(asked, _)| {
            engine.check(asked).await;
        });
        let ours = ours.await;
        tree.forget_queries();
        let bare = rate(&checks, async |(_, rounds)| exchange(rounds).await).await;
        rounds.push((ours / bare, ours, bare));
    }
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, ours, bare) = rounds[ROUNDS / 2];
    let packets: usize = checks[0].1.iter().map(Vec::len).sum();
    println!("{title:<28}{ours:>10.0}{bare:>10.0}{packets:>9}{ratio:>7.2}");
}

async fn world(signed: bool, published: bool) -> (Tree, Vec<Asked>) {
    let names: Vec<String> = (0..DOMAINS).map(|n| format!("d{n}.com")).collect();
    let mut builder = Tree::builder().public_addresses();
    for name in &names {
        builder = builder.zone(name);
        if signed {
            builder = builder.signed();
        }
    }
    let tree = builder.start().await.unwrap();
    let domains: Vec<Asked> = names.iter().map(|name| challenge(name)).collect();
    if published {
        for (name, asked) in names.iter().zip(&domains) {
            tree.zone(name)
                .set_txt(&asked.owner_underscore(), &[&asked.value_underscore()]);
        }
    }
    (tree, domains)
}

/// What the last check sent, in rounds: a question that comes of an answer has to wait for it.
fn rounds(tree: &Tree, domain: &str) -> Vec<Vec<Packet>> {
    let packet = |query: freehold_testbed::tree::Query| {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        let name = Name::from_ascii(format!("{}.", query.name)).unwrap();
        message.add_query(Query::query(name, query.record_type));
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_dnssec_ok(query.dnssec_ok);
        message.set_edns(edns);
        Packet {
            server: tree.server(&query.server).addr(),
            transport: query.transport,
            octets: message.to_vec().unwrap(),
        }
    };
    // Each form in mixed case; what is denied in lower case, and a proof over TCP; last the names at
    // which records stand by mistake.
    let appended = format!("{domain}.{domain}");
    let mut rounds: [Vec<Packet>; 3] = Default::default();
    let mut seen = HashSet::new();
    for query in tree.queries() {
        let again = !seen.insert((query.server.clone(), query.name.clone()));
        let round = if query.name.ends_with(&appended) {
            2
        } else {
            usize::from(again || query.transport == Transport::Tcp)
        };
        rounds[round].push(packet(query));
    }
    rounds.into()
}

async fn rate<T>(checks: &[T], one: impl AsyncFn(&T)) -> f64 {
    let started = Instant::now();
    let mut done = 0_u32;
    let mut results = stream::iter(checks.iter().cycle())
        .take_while(|_| std::future::ready(started.elapsed() < MEASURED))
        .map(|check| one(check))
        .buffer_unordered(IN_FLIGHT);
    while results.next().await.is_some() {
        done += 1;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// Each on a socket of its own, all of a round at once, as the engine does.
async fn exchange(rounds: &[Vec<Packet>]) {
    for round in rounds {
        join_all(round.iter().map(|packet| async move {
            let answer = match packet.transport {
                Transport::Udp => over_udp(packet).await,
                Transport::Tcp => over_tcp(packet).await,
            };
            Message::from_vec(&answer).unwrap();
        }))
        .await;
    }
}

async fn over_udp(packet: &Packet) -> Vec<u8> {
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    socket.connect(packet.server).await.unwrap();
    socket.send(&packet.octets).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).await.unwrap();
    answer.truncate(length);
    answer
}

async fn over_tcp(packet: &Packet) -> Vec<u8> {
    let mut stream = TcpStream::connect(packet.server).await.unwrap();
    let length = u16::try_from(packet.octets.len()).unwrap();
    let framed = [&length.to_be_bytes()[..], &packet.octets].concat();
    stream.write_all(&framed).await.unwrap();
    let length = stream.read_u16().await.unwrap();
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}
