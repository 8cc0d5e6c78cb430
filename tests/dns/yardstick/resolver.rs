//! What Unbound finds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use freehold_testbed::nameservers::Recursor;
use hickory_resolver::net::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::net::proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Beyond it Unbound goes on asking a dead server, ever more slowly.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Found {
    pub code: ResponseCode,
    pub values: BTreeSet<Vec<u8>>,
    pub authentic: bool,
    pub time: Duration,
}

/// Asks for the TXT records of a name. None without an answer.
pub async fn ask(recursor: &Recursor, name: &str) -> Option<Found> {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    // Asks for the AD bit without the signatures (RFC 6840 section 5.7).
    message.metadata.authentic_data = true;
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, RecordType::TXT));
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    message.set_edns(edns);
    let start = Instant::now();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(recursor.addr).await.unwrap();
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(DEADLINE, socket.recv(&mut buffer))
        .await
        .ok()?
        .unwrap();
    let time = start.elapsed();
    let answer = Message::from_vec(&buffer[..length]).unwrap();
    let value = |data: &RData| match data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    };
    Some(Found {
        code: answer.metadata.response_code,
        values: answer
            .answers
            .iter()
            .filter_map(|record| value(&record.data))
            .collect(),
        authentic: answer.metadata.authentic_data,
        time,
    })
}
