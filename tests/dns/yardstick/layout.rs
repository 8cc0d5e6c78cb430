//! What a layout is: a customer's zones, whoever serves them, and where the record is.

use std::collections::BTreeMap;
use std::fmt;

use freehold::model::challenge::RecordForm;
use freehold_testbed::nameservers::Software;
use freehold_testbed::tree::{AddressAnswer, Sections, Style, ZoneEdit};

/// One customer's part of a tree. Its zones and servers are nobody else's; the root and the
/// top-level domains are those of the tree.
#[derive(Debug, Clone)]
pub struct Layout {
    pub seed: u64,
    /// The domain to verify.
    pub domain: String,
    pub form: RecordForm,
    /// From the record's name onwards.
    pub aliases: Vec<Alias>,
    /// The name that has the value, and its zone.
    pub record: String,
    pub record_zone: String,
    /// Values that the name has beside the record's.
    pub beside: Vec<String>,
    /// A name with a TXT record that is in the domain's zone for something else.
    pub wildcard: Option<(String, String)>,
    pub zones: Vec<ZonePlan>,
    pub hosts: BTreeMap<String, HostPlan>,
}

#[derive(Debug, Clone)]
pub struct ZonePlan {
    pub origin: String,
    /// How it came to its servers.
    pub hosting: &'static str,
    pub hosts: Vec<String>,
    pub signing: Signing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    Unsigned,
    Nsec,
    Nsec3,
    OptOut,
    /// Signed, and the parent does not say so.
    Island,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostPlan {
    pub style: Style,
    pub life: Life,
    /// What answers in its place.
    pub program: Option<Software>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Life {
    #[default]
    Alive,
    /// Nobody listens.
    Closed,
    Silent,
}

#[derive(Debug, Clone)]
pub struct Alias {
    pub zone: String,
    pub owner: String,
    pub target: String,
    pub dname: bool,
}

impl Layout {
    pub fn zone(&self, origin: &str) -> &ZonePlan {
        let mut zones = self.zones.iter();
        zones.find(|zone| zone.origin == origin).unwrap()
    }

    /// Whether the zone decides what the record's name or one of its aliases leads to.
    pub fn is_on_the_way(&self, origin: &str) -> bool {
        let aliases = self.aliases.iter().map(|alias| &alias.owner);
        let mut names = aliases.chain([&self.domain, &self.record]);
        names.any(|name| name == origin || name.ends_with(&format!(".{origin}")))
    }

    pub fn has_dead_server(&self) -> bool {
        self.hosts.values().any(|host| host.life != Life::Alive)
    }

    /// Gives the record's name this value and all that it has beside it.
    pub fn publish(&self, edit: &ZoneEdit, value: Option<&str>) {
        let values: Vec<&str> = self
            .beside
            .iter()
            .map(String::as_str)
            .chain(value)
            .collect();
        if values.is_empty() {
            edit.remove(&self.record);
        } else {
            edit.set_txt(&self.record, &values);
        }
    }

    pub fn zones_of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a ZonePlan> {
        let serves = move |zone: &&ZonePlan| zone.hosts.iter().any(|own| own == host);
        self.zones.iter().filter(serves)
    }
}

impl HostPlan {
    /// How it differs from a current server with short answers.
    fn words(&self) -> Vec<String> {
        let style = &self.style;
        let mut words = Vec::new();
        let mut say = |applies: bool, what: &str| {
            if applies {
                words.push(what.to_owned());
            }
        };
        say(self.life == Life::Closed, "port closed");
        say(self.life == Life::Silent, "silent");
        say(style.sections == Sections::Full, "full answers");
        say(style.without_optional_glue, "required glue alone");
        say(style.lower_case_echo, "echoes in lower case");
        say(style.compares_octets, "compares octets");
        say(style.bare_errors, "errors are a header");
        if let Some(program) = self.program {
            words.push(format!("{program:?}"));
        }
        if let Some(how) = style.without_edns {
            words.push(format!("without EDNS ({how:?})"));
        }
        if style.aaaa != AddressAnswer::Right {
            words.push(format!("AAAA {:?}", style.aaaa));
        }
        words
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  verify {} by its {:?} record", self.domain, self.form)?;
        for zone in &self.zones {
            writeln!(
                f,
                "  {} ({:?}, {}): {}",
                zone.origin,
                zone.signing,
                zone.hosting,
                zone.hosts.join(" ")
            )?;
        }
        for alias in &self.aliases {
            let kind = if alias.dname { "DNAME" } else { "CNAME" };
            writeln!(f, "  {} {kind} {}", alias.owner, alias.target)?;
        }
        writeln!(f, "  {} TXT, in {}", self.record, self.record_zone)?;
        if !self.beside.is_empty() {
            writeln!(f, "  {} other values beside it", self.beside.len())?;
        }
        if let Some((zone, owner)) = &self.wildcard {
            writeln!(f, "  {owner} TXT, in {zone}")?;
        }
        for (name, host) in &self.hosts {
            let words = host.words();
            if !words.is_empty() {
                writeln!(f, "  {name}: {}", words.join(", "))?;
            }
        }
        Ok(())
    }
}
