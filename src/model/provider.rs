//! Who runs a zone's DNS, by the host names of its servers.

use super::evidence::Evidence;
use super::policy::NamePolicy;
use crate::api::organization_domain::DnsProvider;

/// A provider of DNS and where its customers add records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Provider {
    name: &'static str,
    /// Where to add the record, if that is known; `{zone}` stands for the zone.
    link: Option<&'static str>,
    patterns: &'static [&'static str],
}

impl Provider {
    /// The page at which a record is added to the zone.
    fn link_for(&self, zone: &str) -> Option<String> {
        self.link.map(|link| link.replace("{zone}", zone))
    }
}

/// Who runs the zone that the evidence is from, as far as it is known. The servers of a registry
/// say nothing of a domain that they do not delegate.
#[must_use]
pub fn of(evidence: &Evidence, names: &NamePolicy) -> Option<DnsProvider> {
    let zone = evidence.zone.as_ref()?;
    if names.is_registry(&zone.name) {
        return None;
    }
    let providers = detect(&zone.hosts);
    let link = match providers.as_slice() {
        [] => return None,
        [one] => one.link_for(&zone.name),
        // One page is not where the record is added.
        _ => None,
    };
    let known: Vec<&str> = providers.iter().map(|provider| provider.name).collect();
    Some(DnsProvider {
        name: known.join(", "),
        link,
    })
}

/// The providers that run the zone, each once, in the order of the table.
fn detect(hosts: &[impl AsRef<str>]) -> Vec<&'static Provider> {
    PROVIDERS
        .iter()
        .filter(|provider| {
            provider
                .patterns
                .iter()
                .any(|pattern| hosts.iter().any(|host| fits(host.as_ref(), pattern)))
        })
        .collect()
}

/// `*` at the end of a label stands for the rest of that label. A pattern fits at a label boundary.
fn fits(host: &str, pattern: &str) -> bool {
    let mut host = host.rsplit('.');
    pattern.rsplit('.').all(|wanted| {
        let Some(label) = host.next() else {
            return false;
        };
        match wanted.strip_suffix('*') {
            Some(start) => label.starts_with(start),
            None => label == wanted,
        }
    })
}

const fn provider(
    name: &'static str,
    link: &'static str,
    patterns: &'static [&'static str],
) -> Provider {
    Provider {
        name,
        link: if link.is_empty() { None } else { Some(link) },
        patterns,
    }
}

/// Best-effort knowledge; the links are shown and never fetched.
const PROVIDERS: &[Provider] = &[
    provider(
        "Cloudflare",
        "https://dash.cloudflare.com/?to=/:account/{zone}/dns/records",
        &[
            "ns.cloudflare.com",
            "foundationdns.com",
            "foundationdns.net",
            "foundationdns.org",
        ],
    ),
    provider(
        "Amazon Route 53",
        "https://console.aws.amazon.com/route53/v2/hostedzones",
        &[
            "awsdns-*.com",
            "awsdns-*.net",
            "awsdns-*.org",
            "awsdns-*.co.uk",
        ],
    ),
    provider(
        "GoDaddy",
        "https://dcc.godaddy.com/control/portfolio/{zone}/settings?tab=dns",
        &["domaincontrol.com"],
    ),
    provider(
        "Namecheap",
        "https://ap.www.namecheap.com/Domains/DomainControlPanel/{zone}/advancedns",
        &["registrar-servers.com", "namecheaphosting.com"],
    ),
    provider(
        "Google Cloud DNS or Squarespace",
        "",
        &["ns-cloud-*.googledomains.com"],
    ),
    provider(
        "Squarespace",
        "https://account.squarespace.com/domains/managed/{zone}/dns/dns-settings",
        &["squarespacedns.com"],
    ),
    provider(
        "Azure DNS",
        "https://portal.azure.com",
        &[
            "azure-dns.com",
            "azure-dns.net",
            "azure-dns.org",
            "azure-dns.info",
        ],
    ),
    provider(
        "DigitalOcean",
        "https://cloud.digitalocean.com/networking/domains",
        &[
            "ns1.digitalocean.com",
            "ns2.digitalocean.com",
            "ns3.digitalocean.com",
        ],
    ),
    provider("NS1 or Netlify DNS", "", &["nsone.net"]),
    provider(
        "Hetzner",
        "https://dns.hetzner.com",
        &[
            "hetzner.com",
            "hetzner.de",
            "your-server.de",
            "first-ns.de",
            "second-ns.de",
            "second-ns.com",
        ],
    ),
    provider(
        "OVHcloud",
        "https://www.ovh.com/manager/#/web/domain",
        &["ovh.net", "anycast.me"],
    ),
    provider("Gandi", "https://admin.gandi.net/domain", &["gandi.net"]),
    provider(
        "IONOS",
        "https://my.ionos.com/domain-dns-settings/{zone}",
        &[
            "ui-dns.com",
            "ui-dns.de",
            "ui-dns.org",
            "ui-dns.biz",
            "1and1.com",
            "ionos.com",
        ],
    ),
    provider(
        "DNSimple",
        "https://dnsimple.com/domains",
        &["dnsimple.com", "dnsimple-edge.net", "dnsimple-edge.org"],
    ),
    provider(
        "Vercel",
        "https://vercel.com/dashboard/domains",
        &["vercel-dns.com"],
    ),
    provider("Wix", "https://manage.wix.com", &["wixdns.net"]),
    provider(
        "Name.com",
        "https://www.name.com/account/domain",
        &["name.com"],
    ),
    provider(
        "Porkbun",
        "https://porkbun.com/account/domainsSpeedy",
        &["porkbun.com"],
    ),
    provider("Akamai", "https://control.akamai.com", &["akam.net"]),
    provider(
        "Linode",
        "https://cloud.linode.com/domains",
        &["linode.com"],
    ),
    provider(
        "Hostinger",
        "https://hpanel.hostinger.com/domains",
        &["dns-parking.com", "dns.hostinger.com"],
    ),
    provider(
        "Bluehost",
        "https://my.bluehost.com/hosting/app",
        &["bluehost.com"],
    ),
    provider(
        "Oracle Cloud",
        "https://cloud.oracle.com/dns",
        &["dns.oraclecloud.net", "dynect.net"],
    ),
    provider("DNS Made Easy", "", &["dnsmadeeasy.com"]),
    provider("Constellix", "", &["constellix.com", "constellix.net"]),
    provider(
        "UltraDNS",
        "",
        &[
            "ultradns.com",
            "ultradns.net",
            "ultradns.org",
            "ultradns.biz",
            "ultradns.co.uk",
        ],
    ),
    provider("Hurricane Electric", "", &["he.net"]),
    provider("ClouDNS", "", &["cloudns.net"]),
    provider("DreamHost", "", &["dreamhost.com"]),
    provider("Network Solutions", "", &["worldnic.com"]),
    provider("Alibaba Cloud", "", &["alidns.com", "hichina.com"]),
    provider("DNSPod", "", &["dnspod.net"]),
];

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::model::evidence::{Source, ZoneServers};

    fn names(hosts: &[&str]) -> Vec<&'static str> {
        detect(hosts)
            .into_iter()
            .map(|provider| provider.name)
            .collect()
    }

    #[test]
    fn hosts_fit_at_label_boundaries() {
        for (hosts, expected) in [
            (&["amy.ns.cloudflare.com"][..], &["Cloudflare"][..]),
            (&["notns.cloudflare.com"], &[]),
            (&["ns.cloudflare.com.evil.example"], &[]),
            (&["ns-1.awsdns-07.co.uk"], &["Amazon Route 53"]),
            (&["ns-1.awsdns.com"], &[]),
            (&["ns1-03.azure-dns.com"], &["Azure DNS"]),
            (
                &["ns-cloud-a1.googledomains.com"],
                &["Google Cloud DNS or Squarespace"],
            ),
            (&["ns7.digitalocean.com"], &[]),
            (
                &["amy.ns.cloudflare.com", "ns1.digitalocean.com"],
                &["Cloudflare", "DigitalOcean"],
            ),
            (&["ns1.acme.example", "com"], &[]),
        ] {
            assert_eq!(names(hosts), expected, "{hosts:?}");
        }
    }

    fn run_by(zone: &str, hosts: &[&str]) -> Option<DnsProvider> {
        let evidence = Evidence {
            time: Timestamp::UNIX_EPOCH,
            source: Source::Authoritative,
            secure_only: false,
            lookups: Vec::new(),
            zone: Some(ZoneServers {
                name: zone.to_owned(),
                hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            }),
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
        };
        of(&evidence, &NamePolicy::default())
    }

    #[test]
    fn one_provider_has_a_page_for_the_zone_and_several_are_all_named() {
        let of = |name: &str, link: Option<&str>| {
            Some(DnsProvider {
                name: name.to_owned(),
                link: link.map(str::to_owned),
            })
        };
        let godaddy = "https://dcc.godaddy.com/control/portfolio/acme.com/settings?tab=dns";
        for (zone, hosts, expected) in [
            (
                "acme.com",
                &["ns01.domaincontrol.com", "ns02.domaincontrol.com"][..],
                of("GoDaddy", Some(godaddy)),
            ),
            ("acme.com", &["ns1.he.net"], of("Hurricane Electric", None)),
            (
                "acme.com",
                &[
                    "amy.ns.cloudflare.com",
                    "ns1.acme.com",
                    "ns01.domaincontrol.com",
                ],
                of("Cloudflare, GoDaddy", None),
            ),
            ("acme.com", &["ns1.acme.com"], None),
            // The registry's own provider is not the domain's.
            ("com", &["a.akam.net"], None),
        ] {
            assert_eq!(run_by(zone, hosts), expected, "{zone} {hosts:?}");
        }
    }

    #[test]
    fn whatever_is_found_fits_the_schema() {
        let zone = format!("{0}.{0}.{0}.{1}.com", "a".repeat(63), "a".repeat(57));
        let mut all = Vec::new();
        for provider in PROVIDERS {
            let host = format!("x.{}", provider.patterns[0].replace('*', "1"));
            let found = run_by(&zone, &[&host]).unwrap();
            assert_eq!(found.name, provider.name);
            assert!(found.link.is_none_or(|link| link.len() <= 512));
            all.push(host);
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let found = run_by(&zone, &all).unwrap();
        assert!(found.name.len() <= 512, "{}", found.name.len());
    }

    proptest! {
        #[test]
        fn whatever_servers_a_zone_names_the_providers_are_those_that_they_are_of(
            hosts in prop::collection::vec(
                (
                    prop_oneof![Just(String::new()), "[a-z0-9-]{0,4}", "[a-z\u{e4}.]{0,6}\\."],
                    prop::sample::select(PROVIDERS),
                    prop::sample::select(vec!["", "", ".evil.example", ".", "x", "-x"]),
                ),
                0..20,
            ),
        ) {
            let hosts = hosts.into_iter().map(|(before, provider, after)| {
                format!("{before}{}{after}", provider.patterns[0].replace('*', "1"))
            });
            let hosts: Vec<_> = hosts.collect();
            let is_at_or_below = |host: &str, name: &str| {
                host.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            };
            let plain = |provider: &&Provider| !provider.patterns.iter().any(|pattern| pattern.contains('*'));
            let expected: Vec<_> = PROVIDERS
                .iter()
                .filter(plain)
                .filter(|provider| provider.patterns.iter().any(|name| hosts.iter().any(|host| is_at_or_below(host, name))))
                .collect();
            let found: Vec<_> = detect(&hosts).into_iter().filter(plain).collect();
            prop_assert_eq!(found, expected);
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let published = run_by("acme.com", &hosts);
            prop_assert!(published.is_none_or(|provider| provider.name.len() <= 512));
        }
    }
}
