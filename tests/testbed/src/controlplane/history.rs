//! etcd's history of versions, by its JSON interface.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Removes every version but the newest.
pub(super) async fn compact(client_port: u16) -> Result<()> {
    // Any answer's header has the revision; the key need not exist.
    let answer = post(client_port, "/v3/kv/range", r#"{"key":"Lw=="}"#).await?;
    let revision = answer
        .split_once(r#""revision":""#)
        .and_then(|(_, rest)| rest.split_once('"'))
        .with_context(|| format!("etcd told no revision: {answer}"))?
        .0;
    let body = format!(r#"{{"revision":"{revision}","physical":true}}"#);
    post(client_port, "/v3/kv/compaction", &body)
        .await
        .map(drop)
}

async fn post(port: u16, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .context("connecting to etcd")?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(request.as_bytes())
        .await
        .context("asking etcd")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .context("reading etcd's answer")?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        bail!("etcd refused {path}: {answer}");
    }
    Ok(answer)
}
