//! The port for probes and metrics. Whoever reaches it may be hostile: a connection serves one
//! request within a time, and when there are too many the oldest of the busiest address ends. A
//! probe is answered within a millisecond, so it ends none.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::task::AbortHandle;

use super::metrics::Metrics;
use super::readiness::Readiness;

/// Open connections.
const MOST: usize = 64;
/// For the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection, until its answer is taken.
const DEADLINE: Duration = Duration::from_secs(10);
/// Octets of a request's head.
const LARGEST_HEAD: usize = 16 * 1024;
/// After a failure to accept, which is mostly for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `/livez`, `/readyz` and `/metrics` until `stop` says so.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    mut stop: Receiver<bool>,
) {
    let app = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(page).with_state(metrics));
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // A sender that is gone means a process that ends.
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.make_room();
                let task = tokio::spawn(answer(stream, app.clone())).abort_handle();
                // Of an IPv4 client the port of every address sees an IPv6 one.
                connections.0.push_back((peer.ip().to_canonical(), task));
            }
            // The connection was gone before it was accepted.
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, app: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // What goes wrong is the client's affair.
    let _ = tokio::time::timeout(DEADLINE, connection).await;
}

/// The open connections, the oldest first.
#[derive(Default)]
struct Connections(VecDeque<(IpAddr, AbortHandle)>);

impl Connections {
    fn make_room(&mut self) {
        self.0.retain(|(_, task)| !task.is_finished());
        while self.0.len() >= MOST {
            let oldest = self.oldest_of_the_busiest();
            let Some((_, task)) = oldest.and_then(|n| self.0.remove(n)) else {
                return;
            };
            task.abort();
        }
    }

    /// A probe comes from an address of its own, mostly, and is not ended for another's connections.
    fn oldest_of_the_busiest(&self) -> Option<usize> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (peer, _) in &self.0 {
            *counts.entry(*peer).or_default() += 1;
        }
        let most = counts.values().max();
        let is_busiest = |(peer, _): &(IpAddr, _)| counts.get(peer) == most;
        self.0.iter().position(is_busiest)
    }
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> impl IntoResponse {
    match readiness.reasons() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(reasons) => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    }
}

async fn page(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let is_open = accepted
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("application/openmetrics-text"));
    let (format, page) = if is_open {
        (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            metrics.encode(),
        )
    } else {
        (
            "text/plain; version=0.0.4; charset=utf-8",
            metrics.encode_as_text(),
        )
    };
    match page {
        Ok(page) => Ok(([(header::CONTENT_TYPE, format)], page)),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;
    use tokio::sync::watch;
    use tokio::task::JoinSet;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const HALF: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a";

    struct Port {
        address: SocketAddr,
        _stop: watch::Sender<bool>,
    }

    impl Port {
        async fn open() -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let (sender, stop) = watch::channel(false);
            let readiness = Arc::new(Readiness::default());
            readiness.clear(&crate::telemetry::readiness::NotReady::Phase);
            tokio::spawn(serve(listener, Arc::default(), readiness, stop));
            Self {
                address,
                _stop: sender,
            }
        }

        /// A connection of this client of the loopback network.
        async fn connect(&self, client: u8) -> TcpStream {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, client], 0).into()).unwrap();
            socket.connect(self.address).await.unwrap()
        }

        /// What a probe of that client hears; empty where its connection ends.
        async fn probe(&self, client: u8) -> String {
            let mut stream = self.connect(client).await;
            let request = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
            let mut answer = Vec::new();
            if stream.write_all(request).await.is_ok() {
                // A reset leaves what came before it.
                let _ = stream.read_to_end(&mut answer).await;
            }
            String::from_utf8(answer).unwrap()
        }

        async fn is_ready(&self, client: u8) {
            let answer = timeout(Duration::from_secs(1), self.probe(client)).await;
            let answer = answer.expect("an answer within a second");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        }
    }

    /// Whether the server ended it.
    async fn is_over(stream: &mut TcpStream) -> bool {
        let mut rest = Vec::new();
        let read = timeout(Duration::from_millis(200), stream.read_to_end(&mut rest));
        read.await.is_ok()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_thousand_half_sent_requests_hold_up_no_probe() {
        let port = Port::open().await;
        let mut held = Vec::new();
        for n in 0..2000 {
            let mut stream = port.connect(1).await;
            stream.write_all(HALF).await.unwrap();
            held.push(stream);
            if n % 100 == 0 {
                port.is_ready(1).await;
                port.is_ready(2).await;
            }
        }
        port.is_ready(2).await;
        assert!(is_over(&mut held[0]).await);
        let old = held.len() - MOST - 1;
        assert!(is_over(&mut held[old]).await, "more than {MOST} are open");
        assert!(!is_over(&mut held[1999]).await);
        port.is_ready(2).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_client_s_flood_ends_no_connection_of_another() {
        let port = Port::open().await;
        let mut slow = port.connect(2).await;
        slow.write_all(HALF).await.unwrap();
        let mut flood = Vec::new();
        for _ in 0..3 * MOST {
            flood.push(port.connect(1).await);
        }
        port.is_ready(2).await;
        slow.write_all(b"\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("freehold_tasks"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_drop_by_drop_has_its_time() {
        let port = Port::open().await;
        let mut stream = port.connect(1).await;
        let begun = Instant::now();
        let mut sent = 0;
        for octet in HALF.iter().cycle() {
            sleep(Duration::from_secs(1)).await;
            if stream.write_all(&[*octet]).await.is_err() || is_over(&mut stream).await {
                break;
            }
            sent += 1;
        }
        assert!(sent > 1);
        let lasted = begun.elapsed();
        assert!(
            lasted <= HEADER_TIMEOUT + Duration::from_secs(2),
            "{lasted:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_body_that_never_comes_nor_silence_keeps_a_connection() {
        let port = Port::open().await;
        let begun = Instant::now();
        for sent in [
            &b""[..],
            b"GET /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
            b"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n",
            b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let mut stream = port.connect(1).await;
            stream.write_all(sent).await.unwrap();
            let mut answer = Vec::new();
            let end = stream.read_to_end(&mut answer);
            let _ = timeout(DEADLINE + Duration::from_secs(1), end)
                .await
                .unwrap();
        }
        assert!(begun.elapsed() < DEADLINE * 4);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_huge_head_is_refused_and_not_kept() {
        let port = Port::open().await;
        let mut senders = JoinSet::new();
        for _ in 0..MOST {
            let mut stream = port.connect(1).await;
            senders.spawn(async move {
                let _ = stream.write_all(HALF).await;
                // Until nobody takes it any more.
                let more = vec![b'a'; 65536];
                let mut sent = 0;
                while sent < 64 << 20 && stream.write_all(&more).await.is_ok() {
                    sent += more.len();
                }
                sent
            });
        }
        while let Some(sent) = senders.join_next().await {
            port.is_ready(2).await;
            assert!(sent.unwrap() < 64 << 20);
        }
    }
}
