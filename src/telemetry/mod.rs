//! Logs, metrics and health.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod readiness;
pub mod requests;
