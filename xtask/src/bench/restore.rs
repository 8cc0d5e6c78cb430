//! Verified domains as a restored etcd brings them back: written where the API server keeps them, in
//! the form in which it keeps them, with records in the DNS that prove them still.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use data_encoding::BASE64;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fleet::{self, Domain};
use super::parts::Parts;
use super::sample::{Sample, Target, enlarged, record_value};

/// The schedule that the operator follows unless told otherwise.
const RECHECK_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// Two objects each; etcd takes 128 operations in one transaction.
const IN_A_TRANSACTION: usize = 50;
const TRANSACTIONS_AT_ONCE: usize = 4;

/// The run that restored domains belong to.
const RUN: &str = "restored";

/// Restores domains `from..to`, their next checks spread over the day to come.
pub async fn restore(parts: &Parts, sample: &Sample, from: usize, to: usize) -> Result<()> {
    let domains: Vec<Domain> = (from..to).map(|n| Domain::of(RUN, n)).collect();
    fleet::tenants(&parts.client, &domains).await?;
    let now = Timestamp::now();
    let numbered: Vec<(usize, Domain)> = (from..to).zip(domains).collect();
    stream::iter(numbered.chunks(IN_A_TRANSACTION))
        .map(|chunk| {
            let mut puts = Vec::new();
            for (number, domain) in chunk {
                let target = Target {
                    domain,
                    number: *number,
                    uid: None,
                    version: "",
                    next_check: now + due_in(*number),
                };
                let name = &domain.stated;
                puts.push(put(
                    &format!("organizationdomains/{}", domain.key()),
                    &sample.fill(&sample.stored_domain, &target),
                ));
                puts.push(put(
                    &format!("verifieddomains/{name}"),
                    &sample.fill(&sample.stored_holding, &target),
                ));
                let owner = format!("_freehold-challenge.{name}");
                parts.dns.set_txt(&owner, vec![record_value(*number)]);
            }
            let body = json!({ "success": puts }).to_string();
            transact(parts.plane.etcd_address(), body)
        })
        .buffer_unordered(TRANSACTIONS_AT_ONCE)
        .try_collect()
        .await
}

/// Makes the first of the restored domains as large as etcd takes an object.
pub async fn enlarge(parts: &Parts, sample: &Sample, count: usize) -> Result<()> {
    let now = Timestamp::now();
    stream::iter(0..count)
        .map(|number| async move {
            let domain = Domain::of(RUN, number);
            let target = Target {
                domain: &domain,
                number,
                uid: None,
                version: "",
                next_check: now + due_in(number),
            };
            let object = enlarged(&sample.fill(&sample.stored_domain, &target))?;
            let path = format!("organizationdomains/{}", domain.key());
            let body = json!({ "success": [put(&path, &object)] }).to_string();
            transact(parts.plane.etcd_address(), body).await
        })
        .buffer_unordered(TRANSACTIONS_AT_ONCE)
        .try_collect()
        .await
}

/// After which time the next check of a restored domain is due.
pub fn due_in(number: usize) -> SignedDuration {
    let place = i32::try_from(number % 86_400).unwrap_or_default();
    // A step that has no factor with the day's seconds spreads neighbours.
    (RECHECK_PERIOD / 86_400) * (place * 7 % 86_400 + 60)
}

fn put(path: &str, object: &str) -> serde_json::Value {
    let key = format!("/registry/freehold.dev/{path}");
    json!({ "requestPut": {
        "key": BASE64.encode(key.as_bytes()),
        "value": BASE64.encode(object.as_bytes()),
    }})
}

/// By etcd's gateway for JSON.
async fn transact(etcd: SocketAddr, body: String) -> Result<()> {
    let mut stream = TcpStream::connect(etcd).await?;
    let head = format!(
        "POST /v3/kv/txn HTTP/1.1\r\nHost: {etcd}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200") || !answer.contains("\"succeeded\":true") {
        bail!("etcd did not take a transaction: {answer}");
    }
    Ok(())
}
