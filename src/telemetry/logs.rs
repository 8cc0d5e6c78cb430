//! Logs: for people on a terminal, as JSON otherwise.

use std::io::{IsTerminal, stderr};

use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Where kube's client logs what it was sent and cannot decode: objects, with tokens in them.
const BODIES: &str = "kube_client::client";

/// Starts logging to standard error. `filter` is a level or directives such as
/// `info,freehold=debug`.
pub fn start(filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    if stderr().is_terminal() {
        without_bodies(logs.finish()).init();
    } else {
        without_bodies(logs.json().flatten_event(true).finish()).init();
    }
    Ok(())
}

/// Whatever the filter, no object is logged.
fn without_bodies<S: Subscriber>(logs: S) -> impl Subscriber {
    let shown = |metadata: &Metadata<'_>| metadata.target() != BODIES;
    logs.with(filter_fn(shown))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn no_level_shows_an_object_that_the_library_cannot_decode() {
        let log = Log::default();
        let writer = log.clone();
        let logs = tracing_subscriber::fmt()
            .with_env_filter("trace")
            .with_writer(move || writer.clone());
        let _guard = without_bodies(logs.finish()).set_default();
        let client = fake_api::client(|_| (200, json!({ "token": "the-token", "major": 7 })));
        // The library's own decoder, which nothing here uses.
        client.apiserver_version().await.unwrap_err();
        tracing::info!("something else");
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains("something else"), "{logged}");
        assert!(!logged.contains("the-token"), "{logged}");
    }
}
