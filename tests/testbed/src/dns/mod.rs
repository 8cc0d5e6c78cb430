//! A DNS server on loopback that answers as a recursive server does, from a programme that can be
//! changed while it runs, and fails on request.

mod answer;
mod https;
mod programme;
mod server;
mod zone_file;

pub use hickory_proto::op::ResponseCode;
pub use hickory_proto::rr::RecordType;
pub use https::OverHttps;
pub use programme::{Behaviour, QueryLogEntry, Transport};
pub use server::DnsServer;
