//! The Helm chart.

mod permissions;
mod render;
