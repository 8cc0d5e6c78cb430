//! Waits until a server answers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use crate::process::Process;
use crate::tree::name;

const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

/// Returns when the server gives the zone's SOA.
pub(super) async fn wait(process: &mut Process, addr: SocketAddr, zone: &str) -> Result<()> {
    let mut question = Message::new(1, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name(zone), RecordType::SOA));
    let question = question.to_vec().context("writing a question")?;
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        process.check_running()?;
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(addr).await?;
        if socket.send(&question).await.is_ok() && answered(&socket).await {
            return Ok(());
        }
    }
    bail!(
        "{} does not answer for {zone}; the end of its log:\n{}",
        process.name(),
        process.log_tail()
    )
}

/// Waits for an answer a while, and for as long where none can come.
async fn answered(socket: &UdpSocket) -> bool {
    let poll = tokio::time::sleep(POLL);
    let mut buffer = [0; 4096];
    if let Ok(Ok(length)) = timeout(POLL, socket.recv(&mut buffer)).await
        && let Ok(answer) = Message::from_vec(&buffer[..length])
        && answer.metadata.response_code == ResponseCode::NoError
        && !answer.answers.is_empty()
    {
        return true;
    }
    poll.await;
    false
}
