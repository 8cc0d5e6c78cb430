//! Logs, metrics and health.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod outage;
mod process;
pub mod readiness;
pub mod requests;
mod text_format;
