//! The egress guard: the one place that every packet passes on its way out.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::runtime::{
    RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime,
};
use ipnet::IpNet;
use tokio::net::{TcpStream, UdpSocket};

/// Ports tried before the kernel chooses one.
const RANDOM_PORTS: u8 = 8;

/// Where packets may go, and the sockets that take them there.
///
/// An address that the DNS taught us is asked only if it is a public one: otherwise whoever writes
/// a name server record could send our packets into the cluster.
#[derive(Clone)]
pub struct Guard {
    // Owns the background tasks of connections: one lives as long as the process.
    runtime: TokioRuntimeProvider,
    rules: Arc<Rules>,
}

#[derive(Default)]
struct Rules {
    configured: HashSet<SocketAddr>,
    allowed: Vec<IpNet>,
    moved: Option<HashMap<SocketAddr, SocketAddr>>,
}

impl Guard {
    /// `configured` servers are exempt, and so are the networks that the install allows.
    #[must_use]
    pub fn new(configured: impl IntoIterator<Item = SocketAddr>, allowed: Vec<IpNet>) -> Self {
        Self {
            runtime: TokioRuntimeProvider::new(),
            rules: Arc::new(Rules {
                configured: configured.into_iter().collect(),
                allowed,
                moved: None,
            }),
        }
    }

    /// Sends what is meant for one address to another, and nothing anywhere else: a whole DNS tree
    /// with its public addresses can then sit on loopback. The rules apply to the address meant.
    #[must_use]
    pub fn with_moved(self, moved: HashMap<SocketAddr, SocketAddr>) -> Self {
        let rules = Rules {
            configured: self.rules.configured.clone(),
            allowed: self.rules.allowed.clone(),
            moved: Some(moved),
        };
        Self {
            runtime: self.runtime,
            rules: Arc::new(rules),
        }
    }

    /// Whether a packet may go to this address.
    #[must_use]
    pub fn permits(&self, server: SocketAddr) -> bool {
        let ip = server.ip().to_canonical();
        is_public(server.ip())
            || self.rules.configured.contains(&server)
            || self.rules.allowed.iter().any(|net| net.contains(&ip))
    }

    fn target(&self, server: SocketAddr) -> io::Result<SocketAddr> {
        if !self.permits(server) {
            return Err(io::Error::other("the address is not public"));
        }
        match &self.rules.moved {
            None => Ok(server),
            Some(moved) => moved
                .get(&server)
                .copied()
                .ok_or_else(|| io::Error::from(io::ErrorKind::HostUnreachable)),
        }
    }

    /// A socket of a random port for one question. Connected, it reaches this one address, hears
    /// nobody else, and learns from the kernel that nobody listens there.
    pub async fn udp(&self, server: SocketAddr) -> io::Result<UdpSocket> {
        let target = self.target(server)?;
        let unspecified: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut socket = None;
        // The kernel's own choice is out of fewer ports, so it comes last (RFC 6056 section 3.2).
        for _ in 0..RANDOM_PORTS {
            let port = rand::random_range(1024..=u16::MAX);
            socket = UdpSocket::bind((unspecified, port)).await.ok();
            if socket.is_some() {
                break;
            }
        }
        let socket = match socket {
            Some(socket) => socket,
            None => UdpSocket::bind((unspecified, 0)).await?,
        };
        socket.connect(target).await?;
        Ok(socket)
    }

    /// A connection for one question, which is written at once: there is nothing for it to wait for.
    pub async fn tcp(&self, server: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(self.target(server)?).await
    }
}

/// For the library's connections over TLS.
impl RuntimeProvider for Guard {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = UdpSocket;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.runtime.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        bind: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Tcp>>>> {
        match self.target(server) {
            Ok(target) => self.runtime.connect_tcp(target, bind, timeout),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// Refused: datagrams go through [`Guard::udp`].
    fn bind_udp(
        &self,
        _: SocketAddr,
        _: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Udp>>>> {
        let refused = io::Error::from(io::ErrorKind::Unsupported);
        Box::pin(std::future::ready(Err(refused)))
    }
}

/// Networks of the IANA IPv4 special-purpose registry (RFC 6890) that no public server has, the
/// multicast and reserved classes, and the address at which Azure's hosts answer their guests.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];

/// What lies inside the one global unicast block `2000::/3` and is nobody's public server: protocol
/// assignments with Teredo, documentation, 6to4.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one at which a server of the public DNS can be. Forms that carry an IPv4
/// address inside an IPv6 one are never public, whatever they carry: no name server is reached so.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4
            .iter()
            .any(|&(net, length)| (ip.to_bits() ^ net.to_bits()) >> (32 - length) == 0),
        IpAddr::V6(ip) => {
            ip.to_bits() >> 125 == 0b001
                && !NOT_PUBLIC_V6
                    .iter()
                    .any(|&(net, length)| (ip.to_bits() ^ net.to_bits()) >> (128 - length) == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for ip in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "168.63.129.15",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.3.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2001:503:ba3e::2:30",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::a00:1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn configured_servers_and_allowed_networks_are_exempt() {
        let configured = "127.0.0.1:5353".parse().unwrap();
        let guard = Guard::new([configured], vec!["10.1.0.0/16".parse().unwrap()]);
        for (server, permitted) in [
            ("127.0.0.1:5353", true),
            ("127.0.0.1:53", false),
            ("10.1.2.3:53", true),
            ("[::ffff:10.1.2.3]:53", true),
            ("10.2.0.1:53", false),
            ("8.8.8.8:53", true),
        ] {
            assert_eq!(
                guard.permits(server.parse().unwrap()),
                permitted,
                "{server}"
            );
        }
    }

    #[tokio::test]
    async fn no_socket_is_made_for_a_refused_address() {
        let guard = Guard::new([], vec![]);
        let server = "169.254.169.254:53".parse().unwrap();
        assert!(guard.udp(server).await.is_err());
        assert!(guard.tcp(server).await.is_err());
        assert!(guard.connect_tcp(server, None, None).await.is_err());
        let moved = guard.with_moved(HashMap::new());
        let elsewhere = "8.8.8.8:53".parse().unwrap();
        assert!(moved.udp(elsewhere).await.is_err());
    }
}
