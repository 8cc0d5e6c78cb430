//! One question to one server: UDP first, TCP where that gave no answer or a cut one.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use hickory_resolver::net::NetError;
use hickory_resolver::net::proto::op::{
    DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, OpCode, Query, ResponseCode,
};
use hickory_resolver::net::proto::rr::{DNSClass, Name, RecordType};
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::guard::Guard;
use crate::model::evidence::Failure;

/// Keeps answers inside one datagram on any path (<https://www.dnsflagday.net/2020/>).
const EDNS_PAYLOAD: u16 = 1232;
/// Some servers send more than they were asked to.
const LARGEST_DATAGRAM: usize = 4096;
/// RFC 1035 section 4.1.1.
const HEADER_OCTETS: usize = 12;
/// RFC 1035 section 4.1.2.
const TYPE_AND_CLASS_OCTETS: usize = 4;
/// The longest name (RFC 1035 section 2.3.4).
const NAME_OCTETS: usize = 255;
/// An OPT record without data (RFC 6891 section 6.1.2).
const OPT_OCTETS: usize = 11;
/// Where the header counts the records after the answer and the authority.
const ADDITIONAL_COUNT: std::ops::Range<usize> = 10..12;
/// A datagram is sent so often, the last time with most of the time left for its answer.
const UDP_SENDS: u32 = 3;
/// Part of the time after which a datagram counts as lost.
const RESEND_AFTER: u32 = 6;

/// Asks servers directly, without cache, search list or hosts file.
#[derive(Clone)]
pub struct Exchange {
    guard: Guard,
    timeout: Duration,
    /// Whether this machine has no way to any IPv4 address, as far as it has tried.
    without_v4: Arc<AtomicBool>,
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryOptions {
    pub transport: Transport,
    pub recursion_desired: bool,
    /// Whether the answer shall carry its signatures (RFC 3225).
    pub signatures: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, then TCP where that gave no answer or a cut one. The letters of the name are in random
    /// case over UDP, which an answer must repeat (0x20).
    Any,
    /// The same in lower case: some servers compare names octet by octet, and deny what they have.
    AnyLowerCase,
    /// TCP alone, whose handshake nobody off the path can forge.
    Tcp,
}

/// An answer to the question that was asked, whatever its code.
#[derive(Debug)]
pub struct Answer {
    pub message: Message,
    /// The answer as it came, less what was random in the question: two answers that say the same
    /// in the same way have the same.
    pub wire: Vec<u8>,
}

impl Exchange {
    /// `timeout` bounds UDP with its resends, and TCP, each.
    #[must_use]
    pub fn new(guard: Guard, timeout: Duration) -> Self {
        Self {
            guard,
            timeout,
            without_v4: Arc::default(),
        }
    }

    #[must_use]
    pub fn is_without_v4(&self) -> bool {
        self.without_v4.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks one server at one address, and waits for it until `deadline` at most.
    pub async fn ask(
        &self,
        server: SocketAddr,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        if !self.guard.permits(server) {
            return Err(Failure::NotPublicAddress);
        }
        let answer = self
            .ask_with(server, question, Edns::Used, deadline)
            .await?;
        if server.is_ipv4() && self.is_without_v4() {
            self.without_v4.store(false, Ordering::Relaxed);
        }
        // Servers from before EDNS say so (RFC 6891 section 7).
        if matches!(
            answer.message.metadata.response_code,
            ResponseCode::FormErr | ResponseCode::NotImp
        ) {
            return self
                .ask_with(server, question, Edns::LeftOut, deadline)
                .await;
        }
        Ok(answer)
    }

    async fn ask_with(
        &self,
        server: SocketAddr,
        question: &Question,
        edns: Edns,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut over_udp = None;
        if question.transport != Transport::Tcp {
            let sent = question.sent(question.transport == Transport::Any, edns);
            over_udp = match self.ask_udp(server, &sent, deadline).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => Some(Failure::Truncated),
                // Some servers are behind something that lets TCP through alone.
                Err(silent @ (Failure::Timeout | Failure::Unreachable)) => Some(silent),
                Err(failure) => return Err(failure),
            };
        }
        let now = Instant::now();
        if now >= deadline {
            // Without a datagram nothing was sent, and nobody was silent.
            return Err(over_udp.unwrap_or(Failure::Budget));
        }
        let until = deadline.min(now + self.timeout);
        let sent = question.sent(false, edns);
        // Boxed, because most questions are answered over UDP.
        match timeout_at(until, Box::pin(self.ask_tcp(server, &sent))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(over_udp.unwrap_or(failure)),
            Err(_) => Err(over_udp.unwrap_or(Failure::NoTcp)),
        }
    }

    /// None for an answer that is cut, which is asked for over TCP.
    async fn ask_udp(
        &self,
        server: SocketAddr,
        sent: &Sent,
        deadline: Instant,
    ) -> Result<Option<Answer>, Failure> {
        let socket = self.guard.udp(server).await;
        let socket = socket.map_err(|e| self.unreachable(server, &e))?;
        let start = Instant::now();
        for sends in 1..=UDP_SENDS {
            socket.send(&sent.octets).await.map_err(|e| of_io(&e))?;
            let wait = if sends == UDP_SENDS {
                self.timeout
            } else {
                self.timeout / RESEND_AFTER * sends
            };
            let until = deadline.min(start + wait);
            if let Ok(answer) = timeout_at(until, receive(&socket, sent)).await {
                return answer;
            }
            if until == deadline {
                break;
            }
        }
        Err(Failure::Timeout)
    }

    fn unreachable(&self, server: SocketAddr, error: &io::Error) -> Failure {
        if server.is_ipv4() && error.kind() == io::ErrorKind::NetworkUnreachable {
            self.without_v4.store(true, Ordering::Relaxed);
        }
        of_io(error)
    }

    async fn ask_tcp(&self, server: SocketAddr, sent: &Sent) -> Result<Answer, Failure> {
        let stream = self.guard.tcp(server).await;
        let mut stream = stream.map_err(|e| self.unreachable(server, &e))?;
        let length = u16::try_from(sent.octets.len()).map_err(|_| Failure::Malformed)?;
        let framed = [&length.to_be_bytes(), &sent.octets[..]].concat();
        stream.write_all(&framed).await.map_err(|e| of_io(&e))?;
        // Most answers come in one piece.
        let mut received = Vec::with_capacity(usize::from(EDNS_PAYLOAD));
        let octets = loop {
            if let Some(octets) = unframed(&received) {
                break octets;
            }
            if stream
                .read_buf(&mut received)
                .await
                .map_err(|e| of_io(&e))?
                == 0
            {
                return Err(Failure::Unreachable);
            }
        };
        match sent.read(octets) {
            // The handshake has shown who answers; some servers write all names in lower case.
            Received::Answer(answer) | Received::OtherCase(answer) => Ok(answer),
            Received::Truncated | Received::Malformed | Received::Unasked => {
                Err(Failure::Malformed)
            }
        }
    }
}

/// The message behind its length, once all of it is there (RFC 1035 section 4.2.2).
fn unframed(octets: &[u8]) -> Option<&[u8]> {
    let (length, rest) = octets.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// The first datagram that answers the question. Others are not for us, or forged.
async fn receive(socket: &UdpSocket, sent: &Sent) -> Result<Option<Answer>, Failure> {
    loop {
        socket.readable().await.map_err(|e| of_io(&e))?;
        match received(socket, sent) {
            Ok(Received::Answer(answer)) => return Ok(Some(answer)),
            Ok(Received::Truncated) => return Ok(None),
            Ok(Received::Malformed) => return Err(Failure::Malformed),
            // Over TCP the case does not matter.
            Ok(Received::OtherCase(_)) => return Err(Failure::Unreachable),
            Ok(Received::Unasked) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(of_io(&error)),
        }
    }
}

thread_local! {
    /// A heap's quick sizes end below it, and on the stack it would be cleared for each datagram.
    static DATAGRAM: RefCell<[u8; LARGEST_DATAGRAM]> = const { RefCell::new([0; LARGEST_DATAGRAM]) };
}

/// The datagram that is there.
fn received(socket: &UdpSocket, sent: &Sent) -> io::Result<Received> {
    DATAGRAM.with_borrow_mut(|datagram| {
        let length = socket.try_recv(datagram)?;
        Ok(sent.read(&datagram[..length]))
    })
}

/// Whether a question has an OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edns {
    Used,
    LeftOut,
}

/// A question that any number of servers can be asked.
#[derive(Debug)]
pub struct Question {
    transport: Transport,
    kind: RecordType,
    /// Without what is random in it.
    octets: Vec<u8>,
}

/// A question as it goes to one server.
struct Sent {
    octets: Vec<u8>,
}

/// What came in answer to a question.
enum Received {
    Answer(Answer),
    /// The beginning of an answer. What there is of it may end inside a record.
    Truncated,
    Malformed,
    /// The answer, but for the name's letters, which are in another case than was asked.
    OtherCase(Answer),
    /// The answer to something else.
    Unasked,
}

impl Question {
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    #[must_use]
    pub fn kind(&self) -> RecordType {
        self.kind
    }

    /// Written by hand, because it is much of what a check costs: header, question and OPT record
    /// (RFC 1035 section 4.1, RFC 6891 section 6.1).
    #[must_use]
    pub fn new(name: &Name, kind: RecordType, options: QueryOptions) -> Self {
        const OPT: u16 = 41;
        // With the question itself it asks a validating server to say whether it validated (RFC 6840
        // section 5.7).
        let flags: u16 = if options.recursion_desired { 0x0120 } else { 0 };
        let dnssec_ok: u16 = if options.signatures { 0x8000 } else { 0 };
        let mut octets =
            Vec::with_capacity(HEADER_OCTETS + NAME_OCTETS + TYPE_AND_CLASS_OCTETS + OPT_OCTETS);
        for word in [0, flags, 1, 0, 0, 1] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        for label in name {
            // No label has more than 63 octets.
            octets.extend(u8::try_from(label.len()));
            octets.extend_from_slice(label);
        }
        octets.push(0);
        for word in [kind.into(), DNSClass::IN.into()] {
            octets.extend_from_slice(&u16::to_be_bytes(word));
        }
        // The root's name.
        octets.push(0);
        for word in [OPT, EDNS_PAYLOAD, 0, dnssec_ok, 0] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        Self {
            transport: options.transport,
            kind,
            octets,
        }
    }

    /// The id is random, and with `mixed_case` so is the case of the name's letters, which an answer
    /// must repeat (0x20): it is as hard to guess as the id and the port.
    fn sent(&self, mixed_case: bool, edns: Edns) -> Sent {
        let mut octets = self.octets.clone();
        if let Some(id) = octets.first_chunk_mut() {
            *id = rand::random::<[u8; 2]>();
        }
        if edns == Edns::LeftOut {
            octets.truncate(octets.len() - OPT_OCTETS);
            if let Some(additional) = octets.get_mut(ADDITIONAL_COUNT) {
                additional.fill(0);
            }
        }
        if mixed_case {
            let flips: [u8; NAME_OCTETS / 8 + 1] = rand::random();
            for (n, octet) in asked_name_mut(&mut octets).iter_mut().enumerate() {
                // The length before each label is below the letters.
                if octet.is_ascii_alphabetic() && flips[n / 8] >> (n % 8) & 1 == 1 {
                    *octet ^= b'a' ^ b'A';
                }
            }
        }
        Sent { octets }
    }
}

impl Sent {
    fn read(&self, octets: &[u8]) -> Received {
        // Before anything is parsed: whoever floods us with guesses costs little.
        if octets.first_chunk::<2>() != self.octets.first_chunk() {
            return Received::Unasked;
        }
        let Some(header) = octets.first_chunk::<HEADER_OCTETS>() else {
            return Received::Malformed;
        };
        // QR and opcode (RFC 1035 section 4.1.1): a response to a query.
        if header[2] & 0xf8 != 0x80 {
            return Received::Unasked;
        }
        let is_cut = header[2] & 0x02 != 0;
        let Ok(message) = Message::from_vec(octets) else {
            return if is_cut {
                Received::Truncated
            } else {
                code_alone(header).map_or(Received::Malformed, Received::Answer)
            };
        };
        // An error may come without the question (RFC 1035 section 4.1.1 leaves that open).
        if message.queries.is_empty()
            && let Some(answer) = code_alone(header)
        {
            return Received::Answer(answer);
        }
        if !is_response(&message) {
            return Received::Unasked;
        }
        let (asked, repeated) = (question_of(&self.octets), question_of(octets));
        if !repeated.eq_ignore_ascii_case(asked) {
            return Received::Unasked;
        }
        if is_cut {
            return Received::Truncated;
        }
        let answer = Answer {
            message,
            wire: without_randomness(octets),
        };
        if repeated == asked {
            Received::Answer(answer)
        } else {
            Received::OtherCase(answer)
        }
    }
}

/// An error that its header tells, whatever follows.
fn code_alone(header: &[u8; HEADER_OCTETS]) -> Option<Answer> {
    let mut octets = *header;
    octets[4..].fill(0);
    let message = Message::from_vec(&octets).ok()?;
    let code = message.metadata.response_code;
    (!matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)).then(|| Answer {
        message,
        wire: without_randomness(&octets),
    })
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
    options: QueryOptions,
) -> Result<DnsResponse, NetError> {
    let mut answers = exchange.send(request(question, options));
    answers.next().await.unwrap_or(Err(NetError::Timeout))
}

fn request(question: Query, options: QueryOptions) -> DnsRequest {
    let mut of_library = DnsRequestOptions::default();
    of_library.use_edns = true;
    of_library.edns_payload_len = EDNS_PAYLOAD;
    of_library.edns_set_dnssec_ok = options.signatures;
    of_library.recursion_desired = options.recursion_desired;
    let mut request = DnsRequest::from_query(question, of_library);
    request.metadata.authentic_data = options.recursion_desired;
    request
}

/// Only an answer to the very question counts.
pub(super) fn accept(answer: DnsResponse, question: &Query) -> Result<Answer, Failure> {
    let (message, octets) = answer.into_parts();
    if is_answer_to(&message, question) {
        Ok(Answer {
            message,
            wire: without_randomness(&octets),
        })
    } else {
        Err(Failure::Malformed)
    }
}

/// Without the id, and with the asked name in lower case.
fn without_randomness(octets: &[u8]) -> Vec<u8> {
    let mut wire = octets.to_vec();
    if let Some(id) = wire.first_chunk_mut() {
        *id = [0; 2];
    }
    asked_name_mut(&mut wire).make_ascii_lowercase();
    wire
}

/// The name in the question of a message with one, which ends at the first zero.
fn asked_name_mut(octets: &mut [u8]) -> &mut [u8] {
    let after_header = octets.get_mut(HEADER_OCTETS..).unwrap_or_default();
    let name = after_header.split_mut(|&octet| octet == 0).next();
    name.unwrap_or_default()
}

/// The question of a message with one: name, type and class.
fn question_of(octets: &[u8]) -> &[u8] {
    let after_header = octets.get(HEADER_OCTETS..).unwrap_or_default();
    let name = after_header.iter().position(|&octet| octet == 0);
    let end = name.map_or(0, |zero| zero + 1 + TYPE_AND_CLASS_OCTETS);
    after_header.get(..end).unwrap_or_default()
}

fn is_response(message: &Message) -> bool {
    message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && message.queries.len() == 1
}

fn is_answer_to(message: &Message, question: &Query) -> bool {
    is_response(message)
        && matches!(&message.queries[..], [asked]
            if asked.name == question.name
                && asked.query_type == question.query_type
                && asked.query_class == DNSClass::IN)
}

pub(super) fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::Timeout,
        NetError::Io(io) => of_io(io),
        NetError::NoConnections | NetError::H2(_) => Failure::Unreachable,
        _ => Failure::Malformed,
    }
}

fn of_io(error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    if let Some(rustls::Error::InvalidCertificate(_)) = tls {
        Failure::Certificate
    } else if error.kind() == io::ErrorKind::TimedOut {
        Failure::Timeout
    } else {
        Failure::Unreachable
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::net::proto::op;

    use super::*;

    const OPTIONS: QueryOptions = QueryOptions {
        transport: Transport::Any,
        recursion_desired: false,
        signatures: true,
    };

    fn sent(name: &Name) -> Sent {
        let question = Question::new(name, RecordType::TXT, OPTIONS);
        question.sent(true, Edns::Used)
    }

    fn answer(question: &Sent, change: impl Fn(&mut Message)) -> Vec<u8> {
        let mut message = Message::from_vec(&question.octets).unwrap();
        message.metadata.message_type = MessageType::Response;
        change(&mut message);
        message.to_vec().unwrap()
    }

    #[test]
    fn a_question_is_written_as_the_library_writes_it() {
        for (name, kind) in [
            (".", RecordType::DNSKEY),
            ("acme.example.", RecordType::TXT),
            ("_Freehold-challenge.a\\.b.acme.example.", RecordType::DS),
        ] {
            let name = Name::from_ascii(name).unwrap();
            for (recursion_desired, signatures) in [(false, true), (true, false)] {
                let mut message = Message::new(0, MessageType::Query, OpCode::Query);
                message.metadata.recursion_desired = recursion_desired;
                message.metadata.authentic_data = recursion_desired;
                message.add_query(Query::query(name.clone(), kind));
                let edns = message.edns.get_or_insert_with(op::Edns::new);
                edns.set_max_payload(EDNS_PAYLOAD);
                edns.set_dnssec_ok(signatures);
                let options = QueryOptions {
                    transport: Transport::Any,
                    recursion_desired,
                    signatures,
                };
                let question = Question::new(&name, kind, options);
                assert_eq!(question.octets, message.to_vec().unwrap(), "{name}");
            }
        }
    }

    #[tokio::test]
    async fn a_machine_without_ipv4_is_told_by_its_network() {
        let exchange = Exchange::new(Guard::new([], Vec::new()), Duration::from_secs(1));
        let four = "198.41.0.4:53".parse().unwrap();
        let six = "[2001:503:ba3e::2:30]:53".parse().unwrap();
        let error = |kind| io::Error::from(kind);
        exchange.unreachable(four, &error(io::ErrorKind::ConnectionRefused));
        exchange.unreachable(six, &error(io::ErrorKind::NetworkUnreachable));
        assert!(!exchange.is_without_v4());
        exchange.unreachable(four, &error(io::ErrorKind::NetworkUnreachable));
        assert!(exchange.is_without_v4());
    }

    #[test]
    fn errors_count_without_their_question_and_cut_answers_as_cut() {
        let question = sent(&Name::from_ascii("acme.example.").unwrap());
        let header = |flags: [u8; 2]| {
            let mut octets = [0; HEADER_OCTETS];
            octets[..2].copy_from_slice(&question.octets[..2]);
            octets[2..4].copy_from_slice(&flags);
            octets
        };
        for code in [1, 2, 4, 5] {
            let received = question.read(&header([0x80, code]));
            let Received::Answer(answer) = received else {
                panic!("{code}");
            };
            assert_eq!(answer.message.metadata.response_code.low(), code);
        }
        // What denies a name must repeat it.
        for code in [0, 3] {
            assert!(matches!(
                question.read(&header([0x80, code])),
                Received::Unasked
            ));
        }
        let mut cut = answer(&question, |message| message.metadata.truncation = true);
        cut.extend([0xff; 7]);
        cut[7] = 1;
        assert!(matches!(question.read(&cut), Received::Truncated));
        assert!(matches!(question.read(&cut[..12]), Received::Truncated));
        // Somebody else's error is none.
        let mut other = header([0x80, 5]);
        other[0] ^= 1;
        assert!(matches!(question.read(&other), Received::Unasked));
    }

    #[test]
    fn only_the_answer_to_the_very_question_is_heard() {
        let name = Name::from_ascii("_freehold-challenge.acme.example.").unwrap();
        let question = sent(&name);
        let received = |change: fn(&mut Message)| question.read(&answer(&question, change));
        assert!(matches!(received(|_| ()), Received::Answer(_)));
        assert!(matches!(
            received(|message| message.metadata.id ^= 1),
            Received::Unasked
        ));
        assert!(matches!(
            received(|message| message.metadata.message_type = MessageType::Query),
            Received::Unasked
        ));
        assert!(matches!(
            received(|message| message.queries.clear()),
            Received::Unasked
        ));
        assert!(matches!(
            received(|message| message.queries[0].query_type = RecordType::A),
            Received::Unasked
        ));
        assert!(matches!(
            received(|message| message.queries[0].name = Name::root()),
            Received::Unasked
        ));
        assert!(matches!(
            question.read(&question.octets[..1]),
            Received::Unasked
        ));
        assert!(matches!(
            question.read(&question.octets[..9]),
            Received::Malformed
        ));
    }

    #[test]
    fn the_same_answer_has_the_same_wire_whatever_was_random_in_the_question() {
        let name = Name::from_ascii("_freehold-challenge.acme.example.").unwrap();
        let received = |change: fn(&mut Message)| {
            let question = sent(&name);
            match question.read(&answer(&question, change)) {
                Received::Answer(answer) => answer.wire,
                _ => panic!("not the answer"),
            }
        };
        assert_eq!(received(|_| ()), received(|_| ()));
        let other = |message: &mut Message| message.metadata.authoritative = true;
        assert_ne!(received(|_| ()), received(other));
    }

    #[test]
    fn the_case_asked_is_random_and_must_come_back() {
        let name = Name::from_ascii("_freehold-challenge.acme.example.").unwrap();
        let question = sent(&name);
        let other = sent(&name);
        assert_ne!(question_of(&question.octets), question_of(&other.octets));
        let folded = answer(&question, |message| {
            message.queries[0].name = message.queries[0].name.to_lowercase();
        });
        assert!(matches!(question.read(&folded), Received::OtherCase(_)));
    }
}
