//! The root servers and the keys of the root zone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of a.root-servers.net to m.root-servers.net, as IANA lists them.
pub const ROOT_SERVERS: [(Ipv4Addr, Ipv6Addr); 13] = [
    server([198, 41, 0, 4], [0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30]),
    server([170, 247, 170, 2], [0x2801, 0x1b8, 0x10, 0, 0, 0, 0, 0xb]),
    server([192, 33, 4, 12], [0x2001, 0x500, 2, 0, 0, 0, 0, 0xc]),
    server([199, 7, 91, 13], [0x2001, 0x500, 0x2d, 0, 0, 0, 0, 0xd]),
    server([192, 203, 230, 10], [0x2001, 0x500, 0xa8, 0, 0, 0, 0, 0xe]),
    server([192, 5, 5, 241], [0x2001, 0x500, 0x2f, 0, 0, 0, 0, 0xf]),
    server([192, 112, 36, 4], [0x2001, 0x500, 0x12, 0, 0, 0, 0, 0xd0d]),
    server([198, 97, 190, 53], [0x2001, 0x500, 1, 0, 0, 0, 0, 0x53]),
    server([192, 36, 148, 17], [0x2001, 0x7fe, 0, 0, 0, 0, 0, 0x53]),
    server([192, 58, 128, 30], [0x2001, 0x503, 0xc27, 0, 0, 0, 2, 0x30]),
    server([193, 0, 14, 129], [0x2001, 0x7fd, 0, 0, 0, 0, 0, 1]),
    server([199, 7, 83, 42], [0x2001, 0x500, 0x9f, 0, 0, 0, 0, 0x42]),
    server([202, 12, 27, 33], [0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35]),
];

const fn server(v4: [u8; 4], v6: [u16; 8]) -> (Ipv4Addr, Ipv6Addr) {
    (Ipv4Addr::from_octets(v4), Ipv6Addr::from_segments(v6))
}

/// Both addresses of a root server, IPv4 first.
pub fn addresses((v4, v6): (Ipv4Addr, Ipv6Addr)) -> [IpAddr; 2] {
    [v4.into(), v6.into()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::dns::guard::is_public;

    #[test]
    fn every_root_server_is_public_and_named_once() {
        let all: HashSet<_> = ROOT_SERVERS.into_iter().flat_map(addresses).collect();
        assert_eq!(all.len(), 26);
        assert!(all.into_iter().all(is_public));
    }
}
