//! Keys handed out one at a time, fairly and with backoff, and limits on what is asked for.

pub mod fair;
pub mod queue;
pub mod rate_limit;
pub mod worker;
