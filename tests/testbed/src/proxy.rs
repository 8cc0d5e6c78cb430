//! A TCP proxy that fails on request.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Frozen,
    Cut,
}

/// Listens on loopback and passes bytes on to one upstream. Works in the runtime that started it;
/// dropping it ends it and its connections.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    state: watch::Sender<State>,
    accepting: AbortHandle,
}

impl Proxy {
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listening for the proxy")?;
        let addr = listener.local_addr().context("reading the proxy's port")?;
        let (state, watched) = watch::channel(State::Open);
        let accepting = tokio::spawn(accept(listener, upstream, watched)).abort_handle();
        Ok(Self {
            addr,
            state,
            accepting,
        })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Resets every connection, and every new one at once, until restored.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Stops all bytes, as a lost network does: connections stay open, and new ones are accepted
    /// but not passed on until restored.
    pub fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Ends a cut or a freeze. Bytes that a freeze held back are delivered.
    pub fn restore(&self) {
        self.state.send_replace(State::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that has gone again is no reason to end.
                if let Ok((client, _)) = accepted {
                    connections.spawn(connection(client, upstream, state.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut state: watch::Receiver<State>,
) {
    let mut until_cut = state.clone();
    let cut = tokio::select! {
        cut = until_cut.wait_for(|state| *state == State::Cut) => cut.is_ok(),
        // A side that ended or failed ends the other; there is nobody to tell more.
        _ = pass_on(&mut client, upstream, &mut state) => false,
    };
    if cut {
        // Closing then sends a reset in place of an orderly end.
        let _ = client.set_zero_linger();
    }
}

async fn pass_on(
    client: &mut TcpStream,
    upstream: SocketAddr,
    state: &mut watch::Receiver<State>,
) -> io::Result<()> {
    until_not_frozen(state).await?;
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    tokio::try_join!(
        pump(client_reader, server_writer, state.clone()),
        pump(server_reader, client_writer, state.clone()),
    )?;
    Ok(())
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        // What was read before or during a freeze waits here.
        until_not_frozen(&mut state).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

async fn until_not_frozen(state: &mut watch::Receiver<State>) -> io::Result<()> {
    state
        .wait_for(|state| *state != State::Frozen)
        .await
        .map(drop)
        .map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn echo_server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    io::copy(&mut reader, &mut writer).await
                });
            }
        });
        addr
    }

    async fn echo(stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut [0; 4]).await.map(drop)
    }

    #[tokio::test]
    async fn a_cut_resets_and_a_restore_heals() {
        let proxy = Proxy::start(echo_server().await).await.unwrap();
        let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
        echo(&mut client).await.unwrap();

        proxy.cut();
        let error = client.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut refused = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(echo(&mut refused).await.is_err());

        proxy.restore();
        let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
        echo(&mut client).await.unwrap();
    }

    #[tokio::test]
    async fn a_freeze_holds_bytes_back_and_keeps_connections() {
        let proxy = Proxy::start(echo_server().await).await.unwrap();
        let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
        echo(&mut client).await.unwrap();

        proxy.freeze();
        client.write_all(b"held").await.unwrap();
        let mut answer = [0; 4];
        let early = timeout(Duration::from_millis(200), client.read_exact(&mut answer)).await;
        assert!(early.is_err(), "a frozen proxy passed bytes on");

        proxy.restore();
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"held");
    }
}
