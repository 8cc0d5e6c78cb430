//! The Helm chart.

mod install;
mod permissions;
mod render;
mod tenants;
