//! The Helm chart.

mod alerts;
mod install;
mod permissions;
mod render;
mod tenants;
mod values;
