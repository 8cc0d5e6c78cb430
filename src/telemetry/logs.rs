//! Logs: for people on a terminal, as JSON otherwise.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Where kube's client logs what it was sent and cannot decode: objects, with tokens in them.
const BODIES: &str = "kube_client::client";
/// Where it logs every request that fails, as whoever made the request does.
const REQUESTS: &str = "kube_client::client::builder";

/// Why a filter is none.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error(
        "--log-level (settings.logLevel): {0:?} is not a level: use error, warn, info, debug, trace or off, and TARGET=LEVEL for a part, such as info,freehold=debug"
    )]
    NotALevel(String),
    #[error("--log-level (settings.logLevel): {0}")]
    Directive(#[from] ParseError),
}

/// Reads a level, or directives such as `info,freehold=debug`. A lone word that is no level would be taken
/// for a target, and silence everything else.
fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    for directive in filter.split(',').map(str::trim) {
        let is_target = directive.contains(['=', '[']);
        let is_level = !directive.is_empty() && directive.parse::<LevelFilter>().is_ok();
        if !is_target && !is_level {
            return Err(FilterError::NotALevel(directive.to_owned()));
        }
    }
    // What no directive is about.
    Ok(EnvFilter::builder().parse(format!("info,{filter}"))?)
}

/// Starts logging to standard error, panics too. `filter` is a level or directives such as
/// `info,freehold=debug`.
pub fn start(filter: &str) -> Result<(), FilterError> {
    let filter = parse(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    if stderr().is_terminal() {
        without_bodies(logs.finish()).init();
    } else {
        without_bodies(logs.json().flatten_event(true).finish()).init();
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "this is a bug")));
    Ok(())
}

/// Whatever the filter, no object is logged, and no failed request twice.
fn without_bodies<S: Subscriber>(logs: S) -> impl Subscriber {
    let shown = |metadata: &Metadata<'_>| ![BODIES, REQUESTS].contains(&metadata.target());
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

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for filter in [
            "info",
            "off",
            "DEBUG",
            "warn,freehold=debug",
            "freehold=trace",
        ] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
        for filter in ["inf", "", "info,", "verbose", "freehold", "info,x=loud"] {
            assert!(parse(filter).is_err(), "{filter}");
        }
        let part = parse("freehold=debug").unwrap().to_string();
        assert!(part.contains("info"), "{part}");
        let error = parse("inf").unwrap_err().to_string();
        assert!(
            error.contains("--log-level") && error.contains("\"inf\""),
            "{error}"
        );
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
