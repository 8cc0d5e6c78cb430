//! The same zones from BIND, NSD and Knot DNS, and the same check by way of Unbound.
