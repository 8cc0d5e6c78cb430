//! An API server for unit tests: a function that answers each request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::access_monitor::{AccessMonitor, Purpose};
use crate::telemetry::metrics::Metrics;

/// What was asked.
pub struct Asked {
    pub method: Method,
    pub path: String,
    /// Null where there is none.
    pub body: Value,
}

/// A code and a body.
pub type Answer = (u16, Value);

/// No answer ever.
pub const SILENCE: Answer = (0, Value::Null);

/// A client of an API server that answers so.
pub fn client(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Client {
    let answer = Arc::new(answer);
    let service = service_fn(move |request: http::Request<Body>| {
        let answer = Arc::clone(&answer);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let (code, body) = answer(&Asked {
                method: head.method,
                path: head.uri.path().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            });
            if (code, &body) == (SILENCE.0, &SILENCE.1) {
                std::future::pending::<()>().await;
            }
            let body = Body::from(body.to_string().into_bytes());
            let response = Response::builder().status(code).body(body).unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    Client::new(service, "default")
}

/// A client of ours of an API server that answers so.
pub fn calls(
    deadline: Duration,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> super::client::Client {
    super::client::Client {
        api: client(answer),
        metrics: Arc::new(Metrics::default()),
        deadline,
        leadership: None,
        access_monitor: Arc::new(AccessMonitor::new(Purpose::Work, Arc::default())),
    }
}

/// A failure, in the API server's own words.
pub fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({ "kind": "Status", "status": "Failure", "reason": reason, "code": code });
    (code, status)
}
