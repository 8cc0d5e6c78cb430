//! Real name servers of Debian's packages on loopback: BIND, NSD, Knot DNS and `PowerDNS` with zones of a
//! [`Tree`], and Unbound as a validating recursive server of that tree.

mod authoritative;
mod certificate;
mod powerdns;
mod ready;
mod recursor;
mod unbound;

pub use authoritative::{Software, external, start, substitute};
pub use recursor::Recursor;
pub use unbound::Unbound;

#[cfg(doc)]
use crate::Tree;
