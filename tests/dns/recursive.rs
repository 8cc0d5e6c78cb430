//! Evidence from configured recursive servers.
