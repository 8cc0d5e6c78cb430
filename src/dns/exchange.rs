//! One question to one server: UDP first, TCP where that gave no answer or a cut one.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use hickory_resolver::net::NetError;
use hickory_resolver::net::proto::op::{
    DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, OpCode, Query,
};
use hickory_resolver::net::proto::rr::{DNSClass, Name, RecordType};
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle, DnsRequestSender};

use super::guard::Guard;
use crate::model::evidence::Failure;

/// Keeps answers inside one datagram on any path (<https://www.dnsflagday.net/2020/>).
const EDNS_PAYLOAD: u16 = 1232;
const UDP_RESENDS: u8 = 2;

/// Asks servers directly, without cache, search list or hosts file.
#[derive(Clone)]
pub struct Exchange {
    guard: Guard,
    timeout: Duration,
}

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    pub transport: Transport,
    pub recursion_desired: bool,
    /// Whether the answer shall carry its signatures (RFC 3225).
    pub signatures: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP, then TCP where that gave no answer or a cut one.
    Any,
    /// TCP alone, whose handshake nobody off the path can forge.
    Tcp,
}

/// An answer to the question that was asked, whatever its code.
#[derive(Debug)]
pub struct Answer {
    pub message: Message,
    pub octets: usize,
}

impl Exchange {
    /// `timeout` bounds UDP with its resends, and TCP, each.
    #[must_use]
    pub fn new(guard: Guard, timeout: Duration) -> Self {
        Self { guard, timeout }
    }

    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks one server at one address.
    pub async fn ask(
        &self,
        server: SocketAddr,
        name: &Name,
        kind: RecordType,
        manner: Manner,
    ) -> Result<Answer, Failure> {
        if !self.guard.permits(server) {
            return Err(Failure::NotPublicAddress);
        }
        let question = Query::query(name.clone(), kind);
        let mut over_udp = None;
        if manner.transport == Transport::Any {
            over_udp = match self.ask_udp(server, question.clone(), manner).await {
                Ok(answer) if !answer.metadata.truncation => return accept(answer, &question),
                Ok(_) | Err(NetError::QueryCaseMismatch) => Some(Failure::Truncated),
                Err(error) => match failure(&error) {
                    // Some servers are behind something that lets TCP through alone.
                    silent @ (Failure::Timeout | Failure::Unreachable) => Some(silent),
                    failure => return Err(failure),
                },
            };
        }
        match self.ask_tcp(server, question.clone(), manner).await {
            Ok(answer) if answer.metadata.truncation => Err(Failure::Malformed),
            Ok(answer) => accept(answer, &question),
            Err(error) => Err(over_udp.unwrap_or_else(|| failure(&error))),
        }
    }

    async fn ask_udp(
        &self,
        server: SocketAddr,
        question: Query,
        manner: Manner,
    ) -> Result<DnsResponse, NetError> {
        let mut stream = UdpClientStream::builder(server, self.guard.clone())
            .with_timeout(Some(self.timeout))
            .with_max_retries(UDP_RESENDS)
            .build();
        let request = request(question, manner, true);
        // Straight to the socket: an exchange of its own would cost a task and two channels.
        first(stream.send_message(request)).await
    }

    async fn ask_tcp(
        &self,
        server: SocketAddr,
        question: Query,
        manner: Manner,
    ) -> Result<DnsResponse, NetError> {
        let asked = async {
            let exchange =
                TcpClientStream::exchange(server, None, self.timeout, None, self.guard.clone())
                    .await?;
            over(&exchange, question, manner).await
        };
        tokio::time::timeout(self.timeout, asked)
            .await
            .unwrap_or(Err(NetError::Timeout))
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Asks over a connection that is there.
pub(super) async fn over(
    exchange: &DnsExchange<Guard>,
    question: Query,
    manner: Manner,
) -> Result<DnsResponse, NetError> {
    first(exchange.send(request(question, manner, false))).await
}

async fn first(
    mut answers: impl futures::Stream<Item = Result<DnsResponse, NetError>> + Unpin,
) -> Result<DnsResponse, NetError> {
    answers.next().await.unwrap_or(Err(NetError::Timeout))
}

fn request(question: Query, manner: Manner, case_randomization: bool) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    options.use_edns = true;
    options.edns_payload_len = EDNS_PAYLOAD;
    options.edns_set_dnssec_ok = manner.signatures;
    options.recursion_desired = manner.recursion_desired;
    options.case_randomization = case_randomization;
    let mut request = DnsRequest::from_query(question, options);
    // Asks a validating server to say whether it validated (RFC 6840 section 5.7).
    request.metadata.authentic_data = manner.recursion_desired;
    request
}

/// Only an answer to the very question counts.
pub(super) fn accept(answer: DnsResponse, question: &Query) -> Result<Answer, Failure> {
    let octets = answer.as_buffer().len();
    let message = answer.into_message();
    if is_answer_to(&message, question) {
        Ok(Answer { message, octets })
    } else {
        Err(Failure::Malformed)
    }
}

fn is_answer_to(message: &Message, question: &Query) -> bool {
    message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && matches!(&message.queries[..], [asked]
            if asked.name == question.name
                && asked.query_type == question.query_type
                && asked.query_class == DNSClass::IN)
}

pub(super) fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::Timeout,
        NetError::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => Failure::Timeout,
        NetError::Io(_) | NetError::NoConnections => Failure::Unreachable,
        _ => Failure::Malformed,
    }
}
