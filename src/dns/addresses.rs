//! The addresses of name servers.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::agreement::Weight;

/// Addresses of one name server.
#[derive(Clone, Debug)]
pub struct HostAddresses {
    pub ips: Arc<[IpAddr]>,
    /// Whether all who were asked said so.
    pub weight: Weight,
    /// Whether IPv6 addresses were not looked up.
    pub without_v6: bool,
}
