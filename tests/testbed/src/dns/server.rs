//! The sockets: UDP and TCP on one port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::answer::{Answer, answer};
use super::https::OverHttps;
use super::programme::{Behaviour, Programme, QueryLogEntry, Transport};
use super::zone_file::ZoneFile;

/// The longest character-string of a TXT record, in bytes.
const LONGEST_STRING: usize = 255;
const PORT_ATTEMPTS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct State {
    programme: Programme,
    zone_file: Option<ZoneFile>,
}

pub(super) type Shared = Arc<Mutex<State>>;

/// Works in the runtime that started it; dropping it ends it. Names are given as text, any case,
/// with or without the final dot.
#[derive(Debug)]
pub struct DnsServer {
    addr: SocketAddr,
    state: Shared,
    serving: [AbortHandle; 2],
}

impl DnsServer {
    /// Starts on a free port of 127.0.0.1 with no names at all.
    pub async fn start() -> Result<Self> {
        let (udp, tcp) = bind_anywhere().await?;
        Self::serve(udp, tcp, State::default())
    }

    /// Starts with the TXT and CNAME records of a zone file (`name TTL IN TXT "value"`), which is
    /// read again whenever it changes and may be missing at first.
    pub async fn start_with_zone_file(path: &Path, addr: Option<SocketAddr>) -> Result<Self> {
        let (udp, tcp) = match addr {
            Some(addr) => bind(addr).await?,
            None => bind_anywhere().await?,
        };
        let state = State {
            zone_file: Some(ZoneFile::new(path)),
            ..State::default()
        };
        Self::serve(udp, tcp, state)
    }

    fn serve(udp: UdpSocket, tcp: TcpListener, state: State) -> Result<Self> {
        let addr = udp.local_addr().context("reading the DNS server's port")?;
        let state = Arc::new(Mutex::new(state));
        let serving = [
            tokio::spawn(serve_udp(udp, state.clone())).abort_handle(),
            tokio::spawn(serve_tcp(tcp, state.clone())).abort_handle(),
        ];
        Ok(Self {
            addr,
            state,
            serving,
        })
    }

    /// The same answers over HTTPS, from a server with a certificate for this host name.
    pub async fn over_https(&self, host: &str) -> Result<OverHttps> {
        OverHttps::start(self.state.clone(), host).await
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Gives the name one TXT record a value, in place of what it had. A value longer than 255
    /// bytes becomes several character-strings.
    pub fn set_txt(&self, name: &str, values: Vec<String>) {
        let records = values.into_iter().map(strings).collect();
        self.edit(|programme| programme.zone.set_txt(name, records));
    }

    /// Gives the name one more TXT record.
    pub fn add_txt(&self, name: &str, value: &str) {
        self.edit(|programme| programme.zone.add_txt(name, strings(value.to_owned())));
    }

    /// Gives the name TXT records of these character-strings, in place of what it had.
    pub fn set_txt_strings(&self, name: &str, records: Vec<Vec<Vec<u8>>>) {
        self.edit(|programme| programme.zone.set_txt(name, records));
    }

    /// Makes the name an alias, in place of what it had.
    pub fn set_cname(&self, name: &str, target: &str) {
        self.edit(|programme| programme.zone.set_cname(name, target));
    }

    /// Makes every name below `suffix` that does not exist an alias (RFC 4592).
    pub fn set_wildcard_cname(&self, suffix: &str, target: &str) {
        self.edit(|programme| programme.zone.set_wildcard_cname(suffix, target));
    }

    /// Gives every name below `suffix` that does not exist one TXT record (RFC 4592).
    pub fn set_wildcard_txt(&self, suffix: &str, value: &str) {
        let records = vec![strings(value.to_owned())];
        self.edit(|programme| programme.zone.set_wildcard_txt(suffix, records));
    }

    /// Forgets the name's records and the wildcard below it.
    pub fn remove(&self, name: &str) {
        self.edit(|programme| programme.zone.remove(name));
    }

    /// For one name, or with `*` for every name that has no behaviour of its own. What counts is
    /// the name asked for, not those that its CNAMEs lead to.
    pub fn set_behaviour(&self, name: &str, behaviour: Behaviour) {
        self.edit(|programme| programme.set_behaviour(name, behaviour));
    }

    /// Answers nothing any more until resumed. Queries are still counted.
    pub fn pause(&self) {
        self.edit(|programme| programme.paused = true);
    }

    pub fn resume(&self) {
        self.edit(|programme| programme.paused = false);
    }

    /// How many queries have arrived.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.edit(|programme| programme.queries())
    }

    #[must_use]
    pub fn queries_for(&self, name: &str) -> u64 {
        self.edit(|programme| programme.queries_for(name))
    }

    /// The last ten thousand queries, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<QueryLogEntry> {
        self.edit(|programme| programme.log())
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Programme) -> T) -> T {
        edit(&mut lock(&self.state).programme)
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        for task in &self.serving {
            task.abort();
        }
    }
}

/// A test that panics while it holds the lock must not hide its message behind another panic.
fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn strings(value: String) -> Vec<Vec<u8>> {
    let bytes = value.into_bytes();
    if bytes.len() <= LONGEST_STRING {
        return vec![bytes];
    }
    bytes.chunks(LONGEST_STRING).map(<[u8]>::to_vec).collect()
}

/// A port that is free for UDP may be taken for TCP.
async fn bind_anywhere() -> Result<(UdpSocket, TcpListener)> {
    for _ in 0..PORT_ATTEMPTS {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listening for DNS over UDP")?;
        let addr = udp.local_addr().context("reading the DNS server's port")?;
        if let Ok(tcp) = TcpListener::bind(addr).await {
            return Ok((udp, tcp));
        }
    }
    bail!("no port of 127.0.0.1 is free for both UDP and TCP")
}

async fn bind(addr: SocketAddr) -> Result<(UdpSocket, TcpListener)> {
    let udp = UdpSocket::bind(addr)
        .await
        .with_context(|| format!("listening for DNS on {addr}/udp"))?;
    let tcp = TcpListener::bind(addr)
        .await
        .with_context(|| format!("listening for DNS on {addr}/tcp"))?;
    Ok((udp, tcp))
}

pub(super) fn respond(state: &Shared, query: &[u8], transport: Transport) -> Option<Answer> {
    let mut state = lock(state);
    if let Some(zone) = state.zone_file.as_mut().and_then(ZoneFile::changed) {
        state.programme.zone = zone;
    }
    answer(&mut state.programme, query, transport).unwrap_or_else(|error| {
        eprintln!("DNS server: no answer: {error:#}");
        None
    })
}

async fn serve_udp(socket: UdpSocket, state: Shared) {
    let socket = Arc::new(socket);
    let mut late = JoinSet::new();
    let mut buffer = vec![0; 4096];
    loop {
        let (length, client) = tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                // An earlier answer met a closed port.
                Err(_) => continue,
            },
            Some(_) = late.join_next() => continue,
        };
        let Some(answer) = respond(&state, &buffer[..length], Transport::Udp) else {
            continue;
        };
        if answer.delay.is_zero() {
            // A client that has gone needs no answer.
            let _ = socket.send_to(&answer.bytes, client).await;
        } else {
            let socket = socket.clone();
            late.spawn(async move {
                sleep(answer.delay).await;
                let _ = socket.send_to(&answer.bytes, client).await;
            });
        }
    }
}

async fn serve_tcp(listener: TcpListener, state: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that has gone again is no reason to end.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve_connection(stream, state.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Each message is preceded by its length in two bytes.
async fn serve_connection(mut stream: TcpStream, state: Shared) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await?;
        let Some(answer) = respond(&state, &query, Transport::Tcp) else {
            continue;
        };
        sleep(answer.delay).await;
        let length = u16::try_from(answer.bytes.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &answer.bytes].concat();
        stream.write_all(&framed).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
    use hickory_proto::rr::{Name, RData, RecordType};
    use tokio::time::{Instant, timeout};

    use super::*;

    fn question(name: &str) -> Message {
        let mut message = Message::new(7, hickory_proto::op::MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        let name = Name::from_ascii(name).unwrap();
        message.add_query(Query::query(name, RecordType::TXT));
        message
    }

    async fn ask(server: &DnsServer, message: &Message) -> Message {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket
            .send_to(&message.to_vec().unwrap(), server.addr())
            .await
            .unwrap();
        let mut buffer = [0; 4096];
        let length = timeout(Duration::from_secs(2), socket.recv(&mut buffer))
            .await
            .expect("no answer")
            .unwrap();
        Message::from_vec(&buffer[..length]).unwrap()
    }

    async fn ask_tcp(server: &DnsServer, message: &Message) -> Message {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let bytes = message.to_vec().unwrap();
        stream
            .write_u16(u16::try_from(bytes.len()).unwrap())
            .await
            .unwrap();
        stream.write_all(&bytes).await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.unwrap();
        Message::from_vec(&answer).unwrap()
    }

    fn values(message: &Message) -> Vec<String> {
        let joined = |data: &RData| match data {
            RData::TXT(txt) => Some(String::from_utf8(txt.txt_data.concat()).unwrap()),
            _ => None,
        };
        message
            .answers
            .iter()
            .filter_map(|record| joined(&record.data))
            .collect()
    }

    #[tokio::test]
    async fn answers_over_udp_and_tcp_with_the_question_as_it_came() {
        let server = DnsServer::start().await.unwrap();
        server.set_txt("acme.example", vec!["one".to_owned(), "x".repeat(300)]);
        let mut message = question("AcMe.eXample.");
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_dnssec_ok(true);
        message.set_edns(edns);

        for answer in [
            ask(&server, &message).await,
            ask_tcp(&server, &message).await,
        ] {
            assert_eq!(answer.metadata.id, 7);
            assert!(answer.metadata.recursion_available);
            assert_eq!(answer.queries[0].name().to_ascii(), "AcMe.eXample.");
            assert_eq!(answer.answers[0].name.to_ascii(), "AcMe.eXample.");
            assert!(answer.edns.as_ref().unwrap().flags().dnssec_ok);
            assert_eq!(values(&answer), ["one".to_owned(), "x".repeat(300)]);
        }
        assert_eq!(server.queries(), 2);
        assert_eq!(server.queries_for("ACME.example."), 2);
        assert_eq!(server.log()[1].transport, Transport::Tcp);
    }

    #[tokio::test]
    async fn negative_answers_tell_missing_names_from_missing_records() {
        let server = DnsServer::start().await.unwrap();
        server.add_txt("_x.www.acme.example", "value");

        for (name, code) in [
            ("www.acme.example.", ResponseCode::NoError),
            ("mail.acme.example.", ResponseCode::NXDomain),
        ] {
            let answer = ask(&server, &question(name)).await;
            assert_eq!(answer.metadata.response_code, code, "{name}");
            assert!(answer.answers.is_empty());
            assert_eq!(answer.authorities[0].record_type(), RecordType::SOA);
            assert_eq!(answer.authorities[0].name.to_ascii(), "acme.example.");
        }
        server.set_behaviour("*", Behaviour::NegativeWithoutSoa);
        let answer = ask(&server, &question("mail.acme.example.")).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        assert!(answer.authorities.is_empty());
        server.remove("_x.www.acme.example");
        let answer = ask(&server, &question("www.acme.example.")).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    }

    #[tokio::test]
    async fn cnames_are_followed_and_loops_end() {
        let server = DnsServer::start().await.unwrap();
        server.set_cname("a.example", "b.example");
        server.set_wildcard_cname("example", "c.example");
        server.set_txt_strings("c.example", vec![vec![b"to".to_vec(), b"ken".to_vec()]]);
        server.set_cname("loop.example", "pool.example");
        server.set_cname("pool.example", "loop.example");

        let answer = ask(&server, &question("a.example.")).await;
        let owners: Vec<String> = answer.answers.iter().map(|r| r.name.to_ascii()).collect();
        assert_eq!(owners, ["a.example.", "b.example.", "c.example."]);
        assert_eq!(values(&answer), ["token"]);
        let answer = ask(&server, &question("loop.example.")).await;
        assert_eq!(answer.answers.len(), 12);
    }

    #[tokio::test]
    async fn behaves_as_told() {
        let server = DnsServer::start().await.unwrap();
        server.set_txt("acme.example", vec!["value".to_owned()]);
        let message = question("acme.example.");

        server.set_behaviour("acme.example", Behaviour::Rcode(ResponseCode::ServFail));
        let answer = ask(&server, &message).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);

        server.set_behaviour("acme.example", Behaviour::Truncate);
        let answer = ask(&server, &message).await;
        assert!(answer.metadata.truncation && answer.answers.is_empty());
        assert_eq!(values(&ask_tcp(&server, &message).await), ["value"]);

        server.set_behaviour("acme.example", Behaviour::WrongOwner);
        let answer = ask(&server, &message).await;
        assert_eq!(answer.answers[0].name.to_ascii(), "other-owner.invalid.");

        server.set_behaviour("acme.example", Behaviour::DelayMs(150));
        let started = Instant::now();
        ask(&server, &message).await;
        assert!(started.elapsed() >= Duration::from_millis(150));

        server.pause();
        let silent = timeout(Duration::from_millis(200), ask(&server, &message)).await;
        assert!(silent.is_err(), "a paused server answered");
        server.resume();
        assert_eq!(values(&ask(&server, &message).await), ["value"]);
        assert_eq!(server.queries(), 7);
    }

    #[tokio::test]
    async fn an_answer_too_long_for_udp_is_truncated() {
        let server = DnsServer::start().await.unwrap();
        server.set_txt("acme.example", vec!["x".repeat(255); 3]);
        let message = question("acme.example.");

        assert!(ask(&server, &message).await.metadata.truncation);
        assert_eq!(values(&ask_tcp(&server, &message).await).len(), 3);
    }

    #[tokio::test]
    async fn a_record_added_to_the_zone_file_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.zone");
        let server = DnsServer::start_with_zone_file(&path, None).await.unwrap();
        let message = question("acme.example.");
        let answer = ask(&server, &message).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);

        std::fs::write(&path, "acme.example. 5 IN TXT \"value\"\n").unwrap();
        assert_eq!(values(&ask(&server, &message).await), ["value"]);
    }
}
