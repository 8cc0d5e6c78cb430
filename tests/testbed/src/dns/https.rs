//! The same answers over HTTPS (RFC 8484), from a server that can refuse and hang up.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::server::{SendResponse, handshake};
use http::{Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::programme::Transport;
use super::server::{Shared, respond};

/// The one path that is answered.
const PATH: &str = "/dns-query";

/// Ends when it is dropped.
#[derive(Debug)]
pub struct OverHttps {
    addr: SocketAddr,
    certificate: String,
    control: Arc<Control>,
    serving: AbortHandle,
}

#[derive(Debug)]
struct Control {
    status: AtomicU16,
    connections: AtomicU64,
    /// Changes when all connections are to be closed.
    hang_up: watch::Sender<()>,
}

impl OverHttps {
    /// On a free port of 127.0.0.1, with a certificate for this host name that is its own authority.
    pub(super) async fn start(state: Shared, host: &str) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()])
            .context("making a certificate")?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listening for DNS over HTTPS")?;
        let addr = listener.local_addr().context("reading the port")?;
        let control = Arc::new(Control {
            status: AtomicU16::new(StatusCode::OK.as_u16()),
            connections: AtomicU64::new(0),
            hang_up: watch::Sender::new(()),
        });
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serving = tokio::spawn(serve(listener, acceptor, state, control.clone()));
        Ok(Self {
            addr,
            certificate: made.cert.pem(),
            control,
            serving: serving.abort_handle(),
        })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The code of every answer; with any other than 200 it has no DNS message.
    pub fn set_status(&self, code: u16) {
        self.control.status.store(code, Ordering::Relaxed);
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.control.connections.load(Ordering::Relaxed)
    }

    /// Closes all connections. New ones are welcome.
    pub fn hang_up(&self) {
        self.control.hang_up.send_replace(());
    }
}

impl Drop for OverHttps {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Shared, control: Arc<Control>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let mut hang_up = control.hang_up.subscribe();
                    let served = serve_connection(
                        stream, acceptor.clone(), state.clone(), control.clone(),
                    );
                    connections.spawn(async move {
                        tokio::select! {
                            // A client that goes away is no fault of the server.
                            _ = served => {}
                            _ = hang_up.changed() => {}
                        }
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    state: Shared,
    control: Arc<Control>,
) -> Result<()> {
    let tls = acceptor.accept(stream).await?;
    control.connections.fetch_add(1, Ordering::Relaxed);
    let mut connection = handshake(tls).await?;
    let mut answering = JoinSet::new();
    while let Some(request) = connection.accept().await {
        let (request, answer) = request?;
        answering.spawn(exchange(request, answer, state.clone(), control.clone()));
    }
    Ok(())
}

async fn exchange(
    request: Request<h2::RecvStream>,
    mut answer: SendResponse<Bytes>,
    state: Shared,
    control: Arc<Control>,
) -> Result<()> {
    let found = request.uri().path() == PATH;
    let mut body = request.into_body();
    let mut query = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        query.extend_from_slice(&data);
    }
    let code = if found {
        StatusCode::from_u16(control.status.load(Ordering::Relaxed))?
    } else {
        StatusCode::NOT_FOUND
    };
    if code != StatusCode::OK {
        let refused = Response::builder().status(code).body(())?;
        answer.send_response(refused, true)?;
        return Ok(());
    }
    let Some(told) = respond(&state, &query, Transport::Tcp) else {
        // Silence; the client gives up.
        return std::future::pending().await;
    };
    tokio::time::sleep(told.delay).await;
    let head = Response::builder().header("content-type", "application/dns-message");
    let mut stream = answer.send_response(head.body(())?, false)?;
    stream.send_data(told.bytes.into(), true)?;
    Ok(())
}
