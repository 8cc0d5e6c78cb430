//! One question to one server: UDP first, TCP where the answer was cut or its case was not echoed.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Message, Query};
use hickory_resolver::proto::rr::{Name, RecordType};

use crate::model::evidence::Failure;

/// Keeps answers inside one datagram on any path (<https://www.dnsflagday.net/2020/>).
const EDNS_PAYLOAD: u16 = 1232;
const UDP_RESENDS: u8 = 2;

/// Asks servers directly, without cache, search list or hosts file.
#[derive(Clone)]
pub struct Exchange {
    // Owns the background tasks of TCP connections: one lives as long as the process.
    runtime: TokioRuntimeProvider,
    timeout: Duration,
    recursion_desired: bool,
}

impl Exchange {
    /// `timeout` bounds UDP with its resends, and TCP, each.
    #[must_use]
    pub fn new(timeout: Duration, recursion_desired: bool) -> Self {
        Self {
            runtime: TokioRuntimeProvider::new(),
            timeout,
            recursion_desired,
        }
    }

    /// The server's answer to the question, whatever its code.
    pub async fn ask(
        &self,
        server: SocketAddr,
        name: Name,
        kind: RecordType,
    ) -> Result<Message, Failure> {
        let question = Query::query(name, kind);
        match self.ask_udp(server, question.clone()).await {
            Ok(answer) if !answer.metadata.truncation => Ok(answer),
            Ok(_) | Err(NetError::QueryCaseMismatch) => self.ask_tcp(server, question).await,
            Err(error) => Err(failure(&error)),
        }
    }

    async fn ask_udp(&self, server: SocketAddr, question: Query) -> Result<Message, NetError> {
        let exchange = UdpClientStream::builder(server, self.runtime.clone())
            .with_timeout(Some(self.timeout))
            .with_max_retries(UDP_RESENDS)
            .exchange();
        first(&exchange, question, self.options(true)).await
    }

    async fn ask_tcp(&self, server: SocketAddr, question: Query) -> Result<Message, Failure> {
        let answer = tokio::time::timeout(self.timeout, async {
            let exchange =
                TcpClientStream::exchange(server, None, self.timeout, None, self.runtime.clone())
                    .await?;
            first(&exchange, question, self.options(false)).await
        })
        .await;
        match answer {
            Ok(Ok(answer)) if answer.metadata.truncation => Err(Failure::Malformed),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Failure::Truncated),
        }
    }

    fn options(&self, case_randomization: bool) -> DnsRequestOptions {
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        options.edns_payload_len = EDNS_PAYLOAD;
        options.recursion_desired = self.recursion_desired;
        options.case_randomization = case_randomization;
        options
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

async fn first(
    exchange: &DnsExchange<TokioRuntimeProvider>,
    question: Query,
    options: DnsRequestOptions,
) -> Result<Message, NetError> {
    match exchange.lookup(question, options).next().await {
        Some(answer) => answer.map(DnsResponse::into_message),
        None => Err(NetError::Timeout),
    }
}

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::Timeout,
        NetError::Io(_) | NetError::NoConnections => Failure::Unreachable,
        _ => Failure::Malformed,
    }
}
