//! Questions given to another program, which answers in a server's place.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Longer than any asker waits.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) async fn over_udp(program: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(program).await?;
    socket.send(query).await?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    let length = timeout(DEADLINE, socket.recv(&mut answer)).await??;
    answer.truncate(length);
    Ok(answer)
}

pub(super) async fn over_tcp(program: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(program).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes()[..], query].concat())
        .await?;
    let mut answer = vec![0; usize::from(timeout(DEADLINE, stream.read_u16()).await??)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
