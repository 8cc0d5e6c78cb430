//! Counts what goes to the API server, as a layer of its client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::DATE;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use tower::{Layer, Service};

use super::metrics::Metrics;

/// Clocks that are set by NTP differ by much less.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(1);

/// Counts every request by method, code and host.
#[derive(Clone, Debug)]
pub struct CountRequests {
    pub metrics: Arc<Metrics>,
    pub skew: Arc<ClockSkew>,
}

impl CountRequests {
    #[must_use]
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            skew: Arc::default(),
        }
    }
}

/// How far this machine's clock is from the API server's, from which all times of objects come.
#[derive(Debug, Default)]
pub struct ClockSkew {
    warned: AtomicBool,
}

impl ClockSkew {
    /// Warns once of a clock that is far off, and again after it was right.
    fn compare(&self, headers: &HeaderMap, now: Timestamp) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(theirs) = date.and_then(|date| rfc2822::parse(date).ok()) else {
            return;
        };
        let ahead = now.duration_since(theirs.timestamp());
        let is_far = ahead.abs() > MAX_SKEW;
        if is_far != self.warned.swap(is_far, Ordering::Relaxed) && is_far {
            tracing::warn!(
                seconds_ahead = ahead.as_secs(),
                "this machine's clock is far from the API server's: correct it, or periods are counted wrongly"
            );
        }
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counted {
            inner,
            metrics: Arc::clone(&self.metrics),
            skew: Arc::clone(&self.skew),
        }
    }
}

/// A client's service that is counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
    skew: Arc<ClockSkew>,
}

impl<S, B> Service<http::Request<Body>> for Counted<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let metrics = Arc::clone(&self.metrics);
        let skew = Arc::clone(&self.skew);
        let method = request.method().clone();
        let host = request.uri().host().unwrap_or_default().to_owned();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            let code = response
                .as_ref()
                .map_or(0, |response| response.status().as_u16());
            metrics.request(method.as_str(), code, &host);
            if let Ok(response) = &response {
                skew.compare(response.headers(), Timestamp::now());
            }
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_is_said_once_until_it_was_right() {
        let skew = ClockSkew::default();
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let compare = |date: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            skew.compare(&headers, now);
            skew.warned.load(Ordering::Relaxed)
        };
        assert!(!compare("Sun, 01 Mar 2026 12:00:30 GMT"));
        assert!(compare("Sun, 01 Mar 2026 12:05:00 GMT"));
        assert!(compare("Sun, 01 Mar 2026 11:55:00 GMT"));
        // What is no date says nothing.
        assert!(compare("yesterday"));
        assert!(!compare("Sun, 01 Mar 2026 12:00:00 GMT"));
    }
}
