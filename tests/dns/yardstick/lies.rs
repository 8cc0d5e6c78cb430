//! One lying server, where at each level that it serves an honest one answers too or signatures
//! protect what hangs on it.

use std::fmt;
use std::fmt::Write as _;

use freehold::model::challenge::RecordForm;
use freehold::model::verdict::Verdict;
use freehold_testbed::Tree;
use freehold_testbed::tree::{Behaviour, Builder, Signatures, ZoneEdit};

use super::dice::Dice;
use super::honest::{self, Cold};
use super::layout::{Layout, Life, Signing, ZonePlan};
use super::{random, tops};
use crate::support::{Asked, challenge};

const LABEL: &str = "_freehold-challenge";

/// A layout with a liar.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they have nothing to do with each other"
)]
pub struct Lying {
    pub layout: Layout,
    /// The server that lies.
    liar: String,
    /// The zone that it lies about.
    zone: String,
    lies: Vec<Lie>,
    /// Its answers have no signatures at all; else what it changed has wrong ones.
    stripped: bool,
    evil_signed: bool,
    /// Every server of the zone is the attacker's.
    pub unopposed: bool,
    /// The attacker's check and the owner's share what they learn.
    one_engine: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    PublishesAValue,
    NamesDoNotExist,
    NamesHaveNothing,
    OtherNameServers,
    CutAtTheRecord,
    CutAboveTheRecord,
    AliasAtTheRecord,
    AliasOfTheDomain,
    Glue,
    AddressesOfServers,
    RefersUpward,
    AnswersForOtherZones,
    BreaksSignatures,
}

const LIES: [Lie; 13] = [
    Lie::PublishesAValue,
    Lie::NamesDoNotExist,
    Lie::NamesHaveNothing,
    Lie::OtherNameServers,
    Lie::CutAtTheRecord,
    Lie::CutAboveTheRecord,
    Lie::AliasAtTheRecord,
    Lie::AliasOfTheDomain,
    Lie::Glue,
    Lie::AddressesOfServers,
    Lie::RefersUpward,
    Lie::AnswersForOtherZones,
    Lie::BreaksSignatures,
];

impl Lie {
    /// Whether it says something else than the zone does.
    fn fits(self, layout: &Layout, zone: &ZonePlan) -> bool {
        let on_the_way = layout.is_on_the_way(&zone.origin);
        let mut hosts = layout.hosts.keys();
        let has_hosts = hosts.any(|host| is_at_or_below(host, &zone.origin));
        match self {
            Self::PublishesAValue
            | Self::CutAtTheRecord
            | Self::CutAboveTheRecord
            | Self::AliasAtTheRecord
            | Self::AliasOfTheDomain => on_the_way,
            Self::NamesDoNotExist | Self::NamesHaveNothing => on_the_way || has_hosts,
            Self::AddressesOfServers => has_hosts,
            Self::Glue => layout
                .zones
                .iter()
                .any(|below| is_below(&below.origin, &zone.origin)),
            Self::BreaksSignatures => zone.signing != Signing::Unsigned,
            Self::OtherNameServers | Self::RefersUpward | Self::AnswersForOtherZones => true,
        }
    }
}

pub fn lying(seed: u64) -> Lying {
    let mut dice = Dice::new(!seed);
    loop {
        let mut layout = random::layout_of(seed, &mut dice);
        for host in layout.hosts.values_mut() {
            // An honest server is to be there beside the liar.
            host.life = Life::Alive;
        }
        let can_lie: Vec<String> = layout
            .hosts
            .keys()
            .filter(|host| {
                let mut zones = layout.zones_of(host);
                zones.all(|zone| zone.hosts.len() > 1 || protects(&layout, &zone.origin))
            })
            .cloned()
            .collect();
        if can_lie.is_empty() {
            continue;
        }
        let liar = dice.pick(&can_lie).clone();
        let mut zones: Vec<&ZonePlan> = layout.zones_of(&liar).collect();
        if zones.iter().any(|zone| layout.is_on_the_way(&zone.origin)) {
            zones.retain(|zone| layout.is_on_the_way(&zone.origin));
        } else if dice.percent(60) {
            // Most lies are about the record itself.
            continue;
        }
        let zone = (*dice.pick(&zones)).clone();
        let fitting: Vec<Lie> = LIES
            .into_iter()
            .filter(|lie| lie.fits(&layout, &zone))
            .collect();
        let zone = zone.origin;
        let count = dice.weighted(&[(70, 1), (22, 2), (8, 3)]);
        return Lying {
            lies: dice.several(&fitting, count),
            stripped: dice.percent(35),
            evil_signed: dice.percent(40),
            unopposed: false,
            one_engine: dice.percent(40),
            layout,
            liar,
            zone,
        };
    }
}

/// Whether the zone is secure, and with it all zones below: of an insecure one below it the secure
/// zone's referral is not signed.
fn protects(layout: &Layout, origin: &str) -> bool {
    let below = format!(".{origin}");
    let mut zones = layout.zones.iter();
    zones.all(|zone| {
        let concerned = zone.origin == origin || zone.origin.ends_with(&below);
        !concerned || is_secure(layout, &zone.origin)
    })
}

fn is_secure(layout: &Layout, origin: &str) -> bool {
    let signing = layout.zone(origin).signing;
    let signed = !matches!(signing, Signing::Unsigned | Signing::Island);
    let (_, parent) = origin.split_once('.').unwrap();
    let is_zone = layout.zones.iter().any(|zone| zone.origin == parent);
    signed
        && if is_zone {
            is_secure(layout, parent)
        } else {
            tops::is_signed(parent)
        }
}

impl fmt::Display for Lying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.layout)?;
        writeln!(
            f,
            "  {} lies about {}: {:?}, signatures {}; evil zone signed: {}; one engine: {}",
            self.liar,
            self.zone,
            self.lies,
            if self.stripped { "stripped" } else { "wrong" },
            self.evil_signed,
            self.one_engine
        )
    }
}

impl Lying {
    fn evil_zone(&self) -> String {
        format!("evil-{:x}.net", self.layout.seed)
    }

    fn liars(&self) -> &[String] {
        if self.unopposed {
            &self.layout.zone(&self.zone).hosts
        } else {
            std::slice::from_ref(&self.liar)
        }
    }

    fn evil_hosts(&self) -> [String; 2] {
        let zone = self.evil_zone();
        [format!("ns1.{zone}"), format!("ns2.{zone}")]
    }

    /// The attacker's own zone, which is as honest as any.
    pub fn add_evil(&self, builder: Builder) -> Builder {
        let builder = builder.zone(&self.evil_zone());
        if self.evil_signed {
            builder.signed()
        } else {
            builder
        }
    }
}

/// Tokens that mean something for one layout, and the tree it is in.
struct World<'a> {
    tree: &'a Tree,
    lying: &'a Lying,
    owner: Asked,
    attacker: Asked,
}

/// What came of a layout.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the liar was asked about the layout at all.
    pub asked: bool,
    /// Whether the owner's record was found all the same.
    pub proven: bool,
    /// What the lie gained, for a person; empty where it gained nothing.
    pub gains: String,
}

pub async fn run(tree: &Tree, lying: &Lying, cold: Cold) -> Outcome {
    let domain = &lying.layout.domain;
    let world = World {
        tree,
        lying,
        owner: challenge(domain),
        attacker: challenge(domain),
    };
    let value = world.value(&world.owner);
    let zone = tree.zone(&lying.layout.record_zone);
    lying.layout.publish(&zone, Some(&value));
    world.arm_evil_servers();
    for host in lying.liars() {
        world.lie(host);
    }
    let engine = cold(tree);
    let attacker = engine.check(&world.attacker).await;
    let engine = if lying.one_engine { engine } else { cold(tree) };
    let owner = engine.check(&world.owner).await;
    let questions = tree.server(&lying.liar).queries();
    let domain = format!("-{:x}.", lying.layout.seed);
    let mut outcome = Outcome {
        asked: questions.iter().any(|query| query.name.contains(&domain)),
        proven: owner.judged.verdict == Verdict::Proven,
        gains: String::new(),
    };
    let text = &mut outcome.gains;
    if attacker.judged.verdict == Verdict::Proven {
        let _ = writeln!(text, "  the attacker's check: {:?}", attacker.judged);
        honest::tell(text, &attacker);
    }
    if owner.judged.verdict.is_negative() {
        let _ = writeln!(text, "  the owner's check: {:?}", owner.judged);
        honest::tell(text, &owner);
    }
    outcome
}

impl World<'_> {
    fn value(&self, asked: &Asked) -> String {
        match self.lying.layout.form {
            RecordForm::Underscore => asked.value_underscore(),
            RecordForm::Apex => asked.value_apex(),
        }
    }

    /// The name that a check asks for.
    fn asked(&self) -> String {
        self.owner.owner(self.lying.layout.form)
    }

    /// The attacker's other servers claim all zones of the layout, with his record.
    fn arm_evil_servers(&self) {
        let zone = self.lying.evil_zone();
        let value = self.value(&self.attacker);
        let own = self.tree.zone(&zone);
        for owner in [
            format!("t.{zone}"),
            self.moved(&self.asked()),
            self.moved(&self.lying.layout.record),
        ] {
            own.set_txt(&owner, &[&value]);
        }
        for host in self.lying.evil_hosts() {
            let server = self.tree.server(&host);
            server.forges();
            for plan in &self.lying.layout.zones {
                server.serve(&plan.origin);
                self.fill_with_evil(&server.zone(&plan.origin), &plan.origin);
            }
        }
    }

    /// The zone as the attacker would have it.
    fn fill_with_evil(&self, edit: &ZoneEdit, origin: &str) {
        self.own_name_servers(edit, origin);
        for host in self.hosts_in(origin) {
            edit.set_addresses(&host, &[self.evil_address()]);
        }
        for alias in &self.lying.layout.aliases {
            if alias.zone == origin {
                edit.remove(&alias.owner);
            }
        }
        self.publish_in(edit, origin);
    }

    /// Where the zone decides about the record, the attacker's value.
    fn publish_in(&self, edit: &ZoneEdit, origin: &str) {
        let value = self.value(&self.attacker);
        for owner in [&self.asked(), &self.lying.layout.record] {
            if is_at_or_below(owner, origin) {
                edit.set_txt(owner, &[&value]);
            }
        }
    }

    fn own_name_servers(&self, edit: &ZoneEdit, owner: &str) {
        let hosts = self.lying.evil_hosts();
        edit.set_ns(owner, &[&hosts[0], &hosts[1]]);
        for host in &hosts {
            edit.set_glue(host, &[self.evil_address()]);
        }
    }

    fn evil_address(&self) -> std::net::IpAddr {
        self.tree.server(&self.lying.evil_hosts()[0]).told_address()
    }

    /// The layout's servers with names in the zone, whichever zone they are for.
    fn hosts_in(&self, origin: &str) -> Vec<String> {
        let hosts = self.lying.layout.hosts.keys();
        hosts
            .filter(|host| is_at_or_below(host, origin))
            .cloned()
            .collect()
    }

    /// The layout's zones below the zone.
    fn zones_below(&self, origin: &str) -> Vec<String> {
        let zones = self
            .lying
            .layout
            .zones
            .iter()
            .map(|zone| zone.origin.clone());
        zones
            .filter(|zone| zone != origin && is_at_or_below(zone, origin))
            .collect()
    }

    /// The name in the evil zone to which a DNAME at the lied-about zone moves one.
    fn moved(&self, name: &str) -> String {
        let evil = self.lying.evil_zone();
        match name.strip_suffix(&self.lying.zone) {
            Some(labels) => format!("{labels}{evil}"),
            None => format!("{LABEL}.{evil}"),
        }
    }

    /// What the zone has of the way to the record.
    fn names_on_the_way(&self, origin: &str) -> Vec<String> {
        let layout = &self.lying.layout;
        let mut names = vec![self.asked(), layout.record.clone(), layout.domain.clone()];
        names.extend(layout.aliases.iter().map(|alias| alias.owner.clone()));
        names.retain(|name| name != origin && is_at_or_below(name, origin));
        names.sort();
        names.dedup();
        names
    }

    fn lie(&self, host: &str) {
        let liar = self.tree.server(host);
        liar.forges();
        if self.lying.stripped {
            liar.set_behaviour(Behaviour::Signatures(Signatures::Missing));
        }
        let origin = &self.lying.zone;
        let edit = liar.zone(origin);
        let evil = self.lying.evil_zone();
        for lie in &self.lying.lies {
            match lie {
                Lie::PublishesAValue => self.publish_in(&edit, origin),
                Lie::NamesDoNotExist | Lie::NamesHaveNothing => {
                    let mut names = self.names_on_the_way(origin);
                    names.extend(self.hosts_in(origin));
                    names.extend(self.zones_below(origin));
                    names.push(self.asked());
                    for name in names {
                        edit.remove(&name);
                        if *lie == Lie::NamesHaveNothing && is_at_or_below(&name, origin) {
                            // Of a type that nobody asks for.
                            edit.set_dname(&format!("nothing.{name}"), "invalid");
                        }
                    }
                }
                Lie::OtherNameServers => self.own_name_servers(&edit, origin),
                Lie::CutAtTheRecord => {
                    let names = [self.asked(), self.lying.layout.record.clone()];
                    for name in names.iter().filter(|name| is_below(name, origin)) {
                        self.own_name_servers(&edit, name);
                    }
                }
                Lie::CutAboveTheRecord => {
                    let mut names = self.names_on_the_way(origin);
                    names.extend(self.zones_below(origin));
                    for name in names {
                        self.own_name_servers(&edit, &name);
                    }
                }
                Lie::AliasAtTheRecord => {
                    for name in [self.asked(), self.lying.layout.record.clone()] {
                        if is_below(&name, origin) {
                            edit.set_cname(&name, &format!("t.{evil}"));
                        }
                    }
                }
                Lie::AliasOfTheDomain => edit.set_dname(origin, &evil),
                Lie::Glue => {
                    for host in self.lying.layout.hosts.keys() {
                        edit.set_glue(host, &[self.evil_address()]);
                    }
                }
                Lie::AddressesOfServers => {
                    for host in self.hosts_in(origin) {
                        edit.set_addresses(&host, &[self.evil_address()]);
                    }
                }
                Lie::RefersUpward => liar.set_behaviour(Behaviour::UpwardReferral),
                Lie::AnswersForOtherZones => {
                    for plan in &self.lying.layout.zones {
                        if plan.origin != *origin {
                            liar.serve(&plan.origin);
                            self.fill_with_evil(&liar.zone(&plan.origin), &plan.origin);
                        }
                    }
                }
                Lie::BreaksSignatures => {
                    self.publish_in(&edit, origin);
                    liar.set_behaviour(Behaviour::Signatures(Signatures::Bogus));
                }
            }
        }
    }
}

fn is_below(name: &str, origin: &str) -> bool {
    name.ends_with(&format!(".{origin}"))
}

fn is_at_or_below(name: &str, origin: &str) -> bool {
    name == origin || is_below(name, origin)
}
