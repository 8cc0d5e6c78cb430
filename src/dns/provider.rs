//! Who runs a zone's DNS, by the host names of its servers.

/// A provider of DNS and where its customers add records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: &'static str,
    /// Where to add the record, if that is known; `{zone}` stands for the zone.
    pub link: Option<&'static str>,
    patterns: &'static [&'static str],
}

impl Provider {
    /// The page at which a record is added to the zone.
    #[must_use]
    pub fn link_for(&self, zone: &str) -> Option<String> {
        self.link.map(|link| link.replace("{zone}", zone))
    }
}

/// The providers that run the zone, each once, in the order of the table. Several are worth a word:
/// a record must then be added at each.
#[must_use]
pub fn detect(hosts: &[impl AsRef<str>]) -> Vec<&'static Provider> {
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
    use super::*;

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

    #[test]
    fn a_link_names_the_zone() {
        let godaddy = detect(&["ns01.domaincontrol.com"])[0];
        assert_eq!(
            godaddy.link_for("acme.example").as_deref(),
            Some("https://dcc.godaddy.com/control/portfolio/acme.example/settings?tab=dns")
        );
    }
}
