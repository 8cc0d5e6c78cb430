//! Real parts on loopback for Freehold's tests and its demo: a Kubernetes control plane, a DNS
//! server that does as it is told, a whole tree of zones, a TCP proxy that fails on request, and a
//! clock that jumps.

#![forbid(unsafe_code)]

pub mod clock;
pub mod controlplane;
pub mod definitions;
pub mod dns;
pub mod forward_proxy;
pub mod kubeconfig;
pub mod nameservers;
pub mod packages;
mod ports;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod tree;

pub use clock::Clock;
pub use controlplane::{ControlPlane, Options};
pub use dns::{
    Behaviour, DnsServer, OverHttps, QueryLogEntry, RecordType, ResponseCode, Transport,
};
pub use forward_proxy::ForwardProxy;
pub use kubeconfig::{kubeconfig_through, kubeconfig_with_token};
pub use packages::Packages;
pub use process::Process;
pub use programs::Programs;
pub use proxy::Proxy;
pub use tree::Tree;
