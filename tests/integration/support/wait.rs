//! Waits on conditions. A deadline is generous: only a failing test meets it.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub const DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// Asks again and again until the answer is good; otherwise panics with the last bad one.
pub async fn eventually<T, E: Display>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    eventually_within(DEADLINE, what, probe).await
}

pub async fn eventually_within<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + deadline;
    loop {
        match probe().await {
            Ok(good) => return good,
            Err(bad) if Instant::now() > end => {
                panic!("not within {} s: {what}\n{bad}", deadline.as_secs())
            }
            Err(_) => sleep(POLL).await,
        }
    }
}
