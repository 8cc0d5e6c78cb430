//! The root and the top-level domains that all layouts of a tree share.

use freehold_testbed::tree::{Builder, Sections, Server, Style, Tree};

/// Under which customers and providers register their zones.
pub const REGISTRIES: [&str; 8] = ["com", "net", "org", "nl", "de", "fr", "io", "co.uk"];
/// Those of them, and of what is above, whose delegations prove what is signed.
const UNSIGNED: &str = "io";
/// One company has both, as it is.
const GTLD: [&str; 3] = [
    "a.gtld-servers.net",
    "b.gtld-servers.net",
    "c.gtld-servers.net",
];
/// Registry and public suffix share two of their servers.
const UK: [&str; 3] = ["nsa.nic.uk", "nsb.nic.uk", "nsc.nic.uk"];
const CO_UK: [&str; 3] = ["nsa.nic.uk", "nsb.nic.uk", "nsd.nic.uk"];
/// One server's name is under another top-level domain.
const FR: [&str; 3] = ["d.nic.fr", "e.ext-nic.fr", "f.nic-fr.org"];

/// Whether a zone directly below can be secure.
pub fn is_signed(registry: &str) -> bool {
    registry != UNSIGNED
}

/// The names of a registry's servers. Some have customers' zones too, as brands' registries do.
pub fn servers(registry: &str) -> Vec<String> {
    let own: &[&str] = match registry {
        "com" | "net" => &GTLD,
        "org" => &["ns1.org", "ns2.org", "ns3.org"],
        "nl" => &["ns1.nl", "ns2.nl"],
        "de" => &["ns1.de", "ns2.de", "ns3.de"],
        "fr" => &FR,
        "co.uk" => &CO_UK,
        _ => &["ns1.io", "ns2.io"],
    };
    own.iter().map(|&host| host.to_owned()).collect()
}

pub fn is_registry_server(host: &str) -> bool {
    REGISTRIES
        .iter()
        .any(|registry| servers(registry).iter().any(|own| own == host))
}

pub fn builder() -> Builder {
    Tree::builder()
        .listen_at(53)
        .zone(".")
        .servers(3)
        .zone("com")
        .served_by(&GTLD)
        .signed_with_opt_out()
        .zone("net")
        .served_by(&GTLD)
        .signed_with_opt_out()
        .zone("org")
        .servers(3)
        .signed_with_opt_out()
        .zone("nl")
        .servers(2)
        .signed_with_nsec3(0)
        .zone("de")
        .servers(3)
        .zone("fr")
        .served_by(&FR)
        .signed_with_nsec3(0)
        .zone(UNSIGNED)
        .servers(2)
        .unsigned()
        .zone("uk")
        .served_by(&UK)
        .signed_with_opt_out()
        .zone("co.uk")
        .served_by(&CO_UK)
        .signed_with_opt_out()
}

/// Registries run several kinds of software: beside the same referral some of their servers give
/// addresses that others leave out.
pub fn set_styles(tree: &Tree) {
    let brief = Style {
        without_optional_glue: true,
        ..Style::default()
    };
    let full = Style {
        sections: Sections::Full,
        ..Style::default()
    };
    let set = |host: &str, style| Server::set_style(&tree.server(host), style);
    for host in [
        "ns2.root", GTLD[1], "ns2.org", "ns1.nl", "ns3.de", UK[2], CO_UK[0], FR[1],
    ] {
        set(host, brief);
    }
    for host in ["ns3.root", GTLD[2], "ns3.org", "ns2.nl", UK[1], FR[2]] {
        set(host, full);
    }
}
