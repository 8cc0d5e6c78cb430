//! What all servers of a tree share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::rr::{Name, RecordType};

use super::SharedState;
use super::host::Host;
use super::zone::Zone;
use crate::dns::Transport;

/// A load test must not fill the memory with its log.
const LOG_LENGTH: usize = 100_000;

/// One query as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Where the question came from.
    pub client: IpAddr,
    /// The server's host name, in lower case and without the final dot, as all names here.
    pub server: String,
    pub name: String,
    pub record_type: RecordType,
    pub transport: Transport,
    pub recursion_desired: bool,
    pub dnssec_ok: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) zones: BTreeMap<Name, Zone>,
    pub(super) hosts: BTreeMap<Name, Host>,
    pub(super) log: Vec<Query>,
}

impl State {
    pub(super) fn note(&mut self, query: Query) {
        if self.log.len() < LOG_LENGTH {
            self.log.push(query);
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Shared(SharedState);

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        self.write(|state| read(state))
    }

    /// A test that panics while it holds the lock must not hide its message behind another panic.
    pub(super) fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
