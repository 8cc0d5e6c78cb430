//! A server's sockets: UDP and TCP on one address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::rr::Name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::answer::{Sending, respond};
use super::forward;
use super::state::Shared;
use crate::dns::Transport;

#[derive(Debug)]
pub(super) struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    pub(super) async fn bind(address: Ipv4Addr, port: u16) -> io::Result<Self> {
        Ok(Self {
            udp: UdpSocket::bind((address, port)).await?,
            tcp: TcpListener::bind((address, port)).await?,
        })
    }

    pub(super) fn serve(self, state: &Shared, host: &Name) -> [AbortHandle; 2] {
        let own = || (state.clone(), host.clone());
        let (udp, tcp) = (own(), own());
        [
            tokio::spawn(serve_udp(self.udp, udp.0, udp.1)).abort_handle(),
            tokio::spawn(serve_tcp(self.tcp, tcp.0, tcp.1)).abort_handle(),
        ]
    }
}

fn sending(
    state: &Shared,
    host: &Name,
    client: SocketAddr,
    query: &[u8],
    transport: Transport,
) -> Sending {
    state
        .write(|state| respond(state, host, client.ip(), query, transport))
        .unwrap_or_else(|error| {
            eprintln!("DNS server {host}: no answer: {error:#}");
            Sending::default()
        })
}

async fn serve_udp(socket: UdpSocket, state: Shared, host: Name) {
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
        let sending = sending(&state, &host, client, &buffer[..length], Transport::Udp);
        if let Some(program) = sending.forward {
            let (socket, query) = (socket.clone(), buffer[..length].to_vec());
            late.spawn(async move {
                let answer = forward::over_udp(program, &query).await?;
                socket.send_to(&answer, client).await.map(drop)
            });
        } else if sending.delay.is_zero() && sending.forged.is_none() {
            if let Some(answer) = sending.answer {
                // A client that has gone needs no answer.
                let _ = socket.send_to(&answer, client).await;
            }
        } else {
            late.spawn(send_late(socket.clone(), client, sending));
        }
    }
}

async fn send_late(socket: Arc<UdpSocket>, client: SocketAddr, sending: Sending) -> io::Result<()> {
    if let Some(forged) = sending.forged {
        let address = socket.local_addr()?.ip();
        let other = UdpSocket::bind((address, 0)).await?;
        other.send_to(&forged, client).await?;
    }
    sleep(sending.delay).await;
    if let Some(answer) = sending.answer {
        socket.send_to(&answer, client).await?;
    }
    Ok(())
}

async fn serve_tcp(listener: TcpListener, state: Shared, host: Name) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that has gone again is no reason to end.
                if let Ok((stream, client)) = accepted {
                    let (state, host) = (state.clone(), host.clone());
                    connections.spawn(serve_connection(stream, client, state, host));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Each message is preceded by its length in two bytes.
async fn serve_connection(
    mut stream: TcpStream,
    client: SocketAddr,
    state: Shared,
    host: Name,
) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await?;
        let mut sending = sending(&state, &host, client, &query, Transport::Tcp);
        if let Some(program) = sending.forward {
            sending.answer = Some(forward::over_tcp(program, &query).await?);
        }
        if sending.close {
            return Ok(());
        }
        sleep(sending.delay).await;
        let Some(answer) = sending.answer else {
            continue;
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        stream.write_all(&framed).await?;
    }
}
