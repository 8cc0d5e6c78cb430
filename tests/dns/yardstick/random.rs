//! A layout from a seed. What is drawn is honest: every zone has a server that answers all its
//! questions by the standards.

use std::collections::BTreeMap;

use freehold::model::challenge::RecordForm;
use freehold_testbed::tree::{AddressAnswer, Sections, Style, WithoutEdns};

use super::dice::Dice;
use super::layout::{Alias, HostPlan, Layout, Life, Signing, ZonePlan};
use super::tops;

/// Providers whose servers' names are in another provider's zone; deeper than that nobody builds.
const DEEPEST: usize = 2;
const LABEL: &str = "_freehold-challenge";

pub fn layout(seed: u64) -> Layout {
    layout_of(seed, &mut Dice::new(seed))
}

/// Draws the layout from dice that go on afterwards; the seed makes its names its own.
pub fn layout_of(seed: u64, dice: &mut Dice) -> Layout {
    let mut draw = Draw {
        dice,
        tag: format!("{seed:x}"),
        providers: 0,
        zones: Vec::new(),
    };
    let registry = *draw.dice.pick(&tops::REGISTRIES);
    let customer = draw.zone("cust", registry, 0);
    let (domain, zone) = draw.domain(&customer);
    let form = if draw.dice.percent(65) {
        RecordForm::Underscore
    } else {
        RecordForm::Apex
    };
    let mut record = match form {
        RecordForm::Underscore => format!("{LABEL}.{domain}"),
        RecordForm::Apex => domain.clone(),
    };
    let mut record_zone = zone;
    let mut aliases = Vec::new();
    let wildcard = draw.dice.percent(6).then(|| {
        let owner = format!("*.{record_zone}");
        (record_zone.clone(), owner)
    });
    // An alias of the domain itself proves nothing for it.
    if form == RecordForm::Underscore && draw.dice.percent(35) {
        for n in 0..draw.dice.between(1, 3) {
            let (target, target_zone) = draw.target(n);
            // Only a domain that is no zone of its own can be moved as a whole.
            let dname = n == 0 && domain != record_zone && draw.dice.percent(30);
            let (owner, moved) = if dname {
                (domain.clone(), format!("{LABEL}.{target}"))
            } else {
                (record.clone(), target.clone())
            };
            aliases.push(Alias {
                zone: record_zone,
                owner,
                target,
                dname,
            });
            (record, record_zone) = (moved, target_zone);
        }
    }
    let beside = draw.beside(form);
    let hosts = draw.hosts();
    Layout {
        seed,
        domain,
        form,
        aliases,
        record,
        record_zone,
        beside,
        wildcard,
        zones: draw.zones,
        hosts,
    }
}

/// A way for a zone to come to its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hosting {
    Own,
    Sibling,
    Provider,
    Spread,
    SpreadApart,
    Mixed,
    Registry,
}

struct Draw<'a> {
    dice: &'a mut Dice,
    /// What makes the names this layout's own.
    tag: String,
    providers: usize,
    zones: Vec<ZonePlan>,
}

impl Draw<'_> {
    /// A zone `<label>-<seed>` below a registry, and all that its servers need.
    fn zone(&mut self, label: &str, registry: &str, depth: usize) -> String {
        let origin = format!("{label}-{}.{registry}", self.tag);
        let (hosting, hosts) = self.hosting(&origin, registry, depth);
        self.add(&origin, tops::is_signed(registry), hosting, hosts)
    }

    fn add(
        &mut self,
        origin: &str,
        can_be_secure: bool,
        hosting: &'static str,
        hosts: Vec<String>,
    ) -> String {
        let island = if can_be_secure { 4 } else { 30 };
        let signed = if can_be_secure { 12 } else { 0 };
        let signing = self.dice.weighted(&[
            (50, Signing::Unsigned),
            (signed, Signing::Nsec),
            (signed, Signing::Nsec3),
            (signed, Signing::OptOut),
            (island, Signing::Island),
        ]);
        self.zones.push(ZonePlan {
            origin: origin.to_owned(),
            hosting,
            hosts,
            signing,
        });
        origin.to_owned()
    }

    /// The servers of a zone, and the zones that their names need.
    fn hosting(
        &mut self,
        origin: &str,
        registry: &str,
        depth: usize,
    ) -> (&'static str, Vec<String>) {
        let elsewhere = usize::from(depth < DEEPEST);
        let spread = usize::from(depth == 0);
        let kind = self.dice.weighted(&[
            (35, Hosting::Own),
            (8 * elsewhere, Hosting::Sibling),
            (20 * elsewhere, Hosting::Provider),
            (12 * spread, Hosting::Spread),
            (12 * spread, Hosting::SpreadApart),
            (10 * elsewhere, Hosting::Mixed),
            (4 * spread, Hosting::Registry),
        ]);
        let count = self.dice.weighted(&[
            (6, 1),
            (40, 2),
            (14, 3),
            (24, 4),
            (4, 5),
            (6, 6),
            (2, 7),
            (4, 8),
        ]);
        match kind {
            Hosting::Registry => {
                let servers = tops::servers(registry);
                let shared = self.dice.between(1, servers.len());
                let mut hosts = self.dice.several(&servers, shared);
                hosts.extend(own_names("ns", origin, count.min(3)));
                ("some of the registry's servers", hosts)
            }
            Hosting::Own => ("own names", own_names("ns", origin, count)),
            Hosting::Sibling => {
                let hosts = self.provider(registry, count, depth);
                ("names in a sibling zone", hosts)
            }
            Hosting::Provider => {
                let registry = *self.dice.pick(&tops::REGISTRIES);
                (
                    "names in a provider's zone",
                    self.provider(registry, count, depth),
                )
            }
            Hosting::Spread => ("a provider's zones that serve each other", self.spread()),
            Hosting::SpreadApart => ("a provider's zones of their own", self.apart(depth)),
            Hosting::Mixed => {
                let registry = *self.dice.pick(&tops::REGISTRIES);
                let mut hosts = own_names("ns", origin, self.dice.between(1, 2));
                hosts.extend(self.provider(registry, count.min(3), depth));
                ("own names and a provider's", hosts)
            }
        }
    }

    fn provider_label(&mut self) -> String {
        self.providers += 1;
        format!("prv{}", self.providers)
    }

    /// A provider with one zone; its customers' servers are those of the zone itself, or others.
    fn provider(&mut self, registry: &str, count: usize, depth: usize) -> Vec<String> {
        let label = self.provider_label();
        let origin = self.zone(&label, registry, depth + 1);
        let own: Vec<String> = self.zones.last().unwrap().hosts.clone();
        let in_zone = own.iter().all(|host| host.ends_with(&origin));
        if in_zone && own.len() >= count && self.dice.percent(50) {
            return self.dice.several(&own, count);
        }
        own_names("d", &origin, count)
    }

    /// Zones under one to four top-level domains, each served by the hosts of all.
    fn spread(&mut self) -> Vec<String> {
        let label = self.provider_label();
        let (registries, each) = self.registries();
        let origins: Vec<String> = registries
            .iter()
            .map(|registry| format!("{label}-{}.{registry}", self.tag))
            .collect();
        let hosts: Vec<String> = origins
            .iter()
            .enumerate()
            .flat_map(|(n, origin)| own_names(&format!("h{}", n + 1), origin, each))
            .collect();
        for (origin, registry) in origins.iter().zip(&registries) {
            self.add(
                origin,
                tops::is_signed(registry),
                "the hosts of all",
                hosts.clone(),
            );
        }
        hosts
    }

    /// Zones under one to four top-level domains, each served by its own hosts; customers have
    /// other hosts of these zones.
    fn apart(&mut self, depth: usize) -> Vec<String> {
        let label = self.provider_label();
        let (registries, each) = self.registries();
        let mut hosts = Vec::new();
        for registry in registries {
            let origin = format!("{label}-{}.{registry}", self.tag);
            let count = self.dice.between(2, 4);
            let own = own_names("g", &origin, count);
            let origin = self.add(&origin, tops::is_signed(registry), "own names", own);
            hosts.extend(own_names("d", &origin, each));
        }
        debug_assert!(depth == 0, "only a customer's zone is spread");
        hosts
    }

    /// One to four registries, and how many hosts a zone under each has: eight together at most.
    fn registries(&mut self) -> (Vec<&'static str>, usize) {
        let count = self.dice.weighted(&[(1, 1), (2, 2), (2, 3), (5, 4)]);
        let registries = self.dice.several(&tops::REGISTRIES, count);
        let most = if count == 1 { 4 } else { 2 };
        (registries, self.dice.between(1, most))
    }

    /// The domain to verify, at or below the customer's zone, and the zone that it is in.
    fn domain(&mut self, customer: &str) -> (String, String) {
        let choice = self.dice.below(100);
        if choice < 45 {
            return (customer.to_owned(), customer.to_owned());
        }
        if choice < 55 {
            return (format!("www.{customer}"), customer.to_owned());
        }
        if choice < 60 {
            return (format!("a.b.{customer}"), customer.to_owned());
        }
        let mut zone = self.sub_zone("sub", customer);
        if choice < 66 {
            zone = self.sub_zone("deep", &zone);
        }
        if self.dice.percent(65) {
            (zone.clone(), zone)
        } else {
            (format!("x.{zone}"), zone)
        }
    }

    /// A zone below a customer's, often on some of the same servers.
    fn sub_zone(&mut self, label: &str, parent: &str) -> String {
        let origin = format!("{label}.{parent}");
        let plan = self
            .zones
            .iter()
            .find(|zone| zone.origin == parent)
            .unwrap();
        let secure = matches!(
            plan.signing,
            Signing::Nsec | Signing::Nsec3 | Signing::OptOut
        );
        let parents = plan.hosts.clone();
        let (hosting, hosts) = match self.dice.below(100) {
            0..25 => ("the parent's servers", parents),
            25..50 => {
                let shared = self.dice.between(1, parents.len());
                let mut hosts = self.dice.several(&parents, shared);
                let count = self.dice.between(1, 2);
                hosts.extend(own_names("ns", &origin, count));
                ("some of the parent's servers", hosts)
            }
            50..75 => {
                let count = self.dice.between(1, 4);
                ("own names", own_names("ns", &origin, count))
            }
            _ => {
                let registry = *self.dice.pick(&tops::REGISTRIES);
                let count = self.dice.between(2, 4);
                (
                    "names in a provider's zone",
                    self.provider(registry, count, 1),
                )
            }
        };
        self.add(&origin, secure, hosting, hosts)
    }

    /// Where an alias leads: into another provider's zone.
    fn target(&mut self, n: usize) -> (String, String) {
        let registry = *self.dice.pick(&tops::REGISTRIES);
        let zone = self.zone(&format!("alias{n}"), registry, 0);
        (format!("t.{zone}"), zone)
    }

    /// An apex has its SPF record and, often, those of a dozen services.
    fn beside(&mut self, form: RecordForm) -> Vec<String> {
        let likely = if form == RecordForm::Apex { 50 } else { 5 };
        if !self.dice.percent(likely) {
            return Vec::new();
        }
        let count = self.dice.weighted(&[(70, 1), (20, 4), (10, 14)]);
        (0..count)
            .map(|n| format!("service-{n}-verification={}", "0123456789".repeat(8)))
            .collect()
    }

    fn hosts(&mut self) -> BTreeMap<String, HostPlan> {
        let names: Vec<String> = self
            .zones
            .iter()
            .flat_map(|zone| zone.hosts.iter().cloned())
            .filter(|host| !tops::is_registry_server(host))
            .collect();
        let mut hosts: BTreeMap<String, HostPlan> = names
            .into_iter()
            .map(|name| (name, HostPlan::default()))
            .collect();
        for (name, host) in &mut hosts {
            let serves = |zone: &&ZonePlan| zone.hosts.contains(name);
            let mut zones = self.zones.iter().filter(serves);
            let plain = zones.all(|zone| zone.signing == Signing::Unsigned);
            host.style = style(self.dice, plain);
        }
        if self.dice.percent(12)
            && let Some(dead) = self.dead_server()
            && let Some(host) = hosts.get_mut(&dead)
        {
            // A closed port is known at once, so most cost no time.
            host.life = self.dice.weighted(&[(4, Life::Closed), (1, Life::Silent)]);
        }
        hosts
    }

    /// A server beside which each of its zones has another.
    fn dead_server(&mut self) -> Option<String> {
        let zone = self.dice.below(self.zones.len());
        let host = self.dice.pick(&self.zones[zone].hosts).clone();
        if tops::is_registry_server(&host) {
            return None;
        }
        let mut zones = self.zones.iter().filter(|zone| zone.hosts.contains(&host));
        zones.all(|zone| zone.hosts.len() > 1).then_some(host)
    }
}

fn own_names(label: &str, origin: &str, count: usize) -> Vec<String> {
    (1..=count)
        .map(|n| format!("{label}{n}.{origin}"))
        .collect()
}

/// What only breaks signatures is left to servers without a signed zone.
fn style(dice: &mut Dice, plain: bool) -> Style {
    let if_plain = |chance| if plain { chance } else { 0 };
    Style {
        sections: if dice.percent(30) {
            Sections::Full
        } else {
            Sections::Minimal
        },
        without_optional_glue: dice.percent(40),
        without_edns: dice.percent(if_plain(9)).then(|| {
            *dice.pick(&[
                WithoutEdns::FormErr,
                WithoutEdns::NotImp,
                WithoutEdns::Ignores,
            ])
        }),
        lower_case_echo: dice.percent(6),
        compares_octets: dice.percent(if_plain(6)),
        aaaa: dice.weighted(&[
            (84, AddressAnswer::Right),
            (4, AddressAnswer::ServFail),
            (4, AddressAnswer::NotImp),
            (4, AddressAnswer::WithoutSoa),
            (4, AddressAnswer::Nothing),
        ]),
        bare_errors: dice.percent(25),
    }
}
