//! Freehold proves which organization controls a DNS domain, keeps the proof true, and hands it to
//! whatever depends on it.
//!
//! [`model`] decides and is pure; [`dns`] gathers evidence; [`cluster`] talks to the API server;
//! [`controller`] reads and writes the objects of [`api`]; [`telemetry`] and [`cli`] are the edges.

pub mod api;
pub mod backup;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod dns;
pub mod model;
pub mod plugin;
pub mod telemetry;
mod usage;
mod workqueue;
