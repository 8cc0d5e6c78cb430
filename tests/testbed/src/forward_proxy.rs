//! A forward proxy that speaks HTTP CONNECT and SOCKS5, told apart by the first octet. It notes where
//! clients want to go and brings them all to one server, so that the names need not exist.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

const SOCKS_VERSION: u8 = 5;
/// The address type of a name.
const SOCKS_NAME: u8 = 3;

/// Ends when it is dropped.
#[derive(Debug)]
pub struct ForwardProxy {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl ForwardProxy {
    /// # Errors
    /// Where it cannot listen.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listening for the forward proxy")?;
        let addr = listener.local_addr().context("reading the proxy's port")?;
        let asked = Arc::default();
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&asked))).abort_handle();
        Ok(Self {
            addr,
            asked,
            accepting,
        })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where clients wanted to go since this was last asked, as `HOST:PORT`.
    #[must_use]
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, server, Arc::clone(&asked)));
    }
}

async fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
) -> Result<()> {
    let first = client.read_u8().await?;
    let (target, agreed) = if first == SOCKS_VERSION {
        let target = socks(&mut client).await?;
        (target, &b"\x05\x00\x00\x01\0\0\0\0\0\0"[..])
    } else {
        let target = connect(&mut client, first).await?;
        (target, &b"HTTP/1.1 200 OK\r\n\r\n"[..])
    };
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(target);
    let mut server = TcpStream::connect(server).await?;
    client.write_all(agreed).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn connect(client: &mut TcpStream, first: u8) -> Result<String> {
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    match head.split(' ').collect::<Vec<_>>()[..] {
        ["CONNECT", target, ..] => Ok(target.to_owned()),
        _ => bail!("no CONNECT: {head}"),
    }
}

async fn socks(client: &mut TcpStream) -> Result<String> {
    let methods = client.read_u8().await?;
    client.read_exact(&mut vec![0; methods.into()]).await?;
    client.write_all(&[SOCKS_VERSION, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    if request[3] != SOCKS_NAME {
        bail!("no name is asked for: {request:?}");
    }
    let mut name = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut name).await?;
    let port = client.read_u16().await?;
    Ok(format!("{}:{port}", String::from_utf8(name)?))
}
