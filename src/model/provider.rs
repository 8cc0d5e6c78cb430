//! Who runs a zone's DNS, by the host names of its servers.

use std::sync::LazyLock;

use super::evidence::Evidence;
use super::policy::NamePolicy;
use crate::api::organization_domain::DnsProvider;

/// A provider of DNS and where its customers add records.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Provider {
    name: &'static str,
    /// Where to add the record, if that is known; `{zone}` stands for the zone.
    link: Option<&'static str>,
    patterns: Vec<&'static str>,
}

impl Provider {
    /// Reads a line of the table; none where it is a comment.
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('|').map(str::trim);
        Some(Self {
            name: columns.next().filter(|name| !name.starts_with('#'))?,
            link: columns.next().filter(|link| !link.is_empty()),
            patterns: columns.next()?.split(' ').collect(),
        })
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
        [one] => one.link.map(|link| link.replace("{zone}", &zone.name)),
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
            let mut patterns = provider.patterns.iter();
            patterns.any(|pattern| hosts.iter().any(|host| fits(host.as_ref(), pattern)))
        })
        .collect()
}

/// `*` at the end of a label stands for the rest of that label. A pattern fits at a label boundary.
fn fits(host: &str, pattern: &str) -> bool {
    let mut host = host.rsplit('.');
    pattern.rsplit('.').all(|wanted| {
        host.next()
            .is_some_and(|label| match wanted.strip_suffix('*') {
                Some(start) => label.starts_with(start),
                None => label == wanted,
            })
    })
}

/// Best-effort knowledge; the links are shown and never fetched.
static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let table = include_str!("dns_providers.txt").lines();
    table.filter_map(Provider::read).collect()
});

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

    #[test]
    fn every_line_of_the_table_is_read() {
        let table = include_str!("dns_providers.txt").lines();
        let lines = table.filter(|line| !line.starts_with('#'));
        assert_eq!(PROVIDERS.len(), lines.count());
        let mut patterns = PROVIDERS.iter().flat_map(|provider| &provider.patterns);
        assert!(patterns.all(|pattern| pattern.contains('.')));
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
        for provider in PROVIDERS.iter() {
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
                    prop::sample::select(&PROVIDERS[..]),
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
