//! What the server knows and how it behaves: names and their records, behaviours, counts.

use std::collections::{BTreeMap, HashMap, VecDeque};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

/// Enough for any test that reads the log; a load test must not fill the memory with it.
const LOG_LENGTH: usize = 10_000;

/// The character-strings of each TXT record.
pub(super) type TxtRecords = Vec<Vec<Vec<u8>>>;

/// How the server treats queries for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Normal,
    /// No answer at all.
    Silent,
    /// An empty answer with this code.
    Rcode(ResponseCode),
    /// An empty answer with TC=1 over UDP, the real one over TCP.
    Truncate,
    /// Negative answers lack the SOA record that proves them.
    NegativeWithoutSoa,
    /// A name with a capital letter does not exist, as behind a server that compares octets.
    ComparesOctets,
    /// The real answer, late.
    DelayMs(u64),
    /// The answer's records belong to another name than the one asked for.
    WrongOwner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// One query as it arrived. The name is in lower case and without the final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLogEntry {
    pub name: String,
    pub record_type: RecordType,
    pub transport: Transport,
}

/// What a name resolves to in one step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup<'a> {
    Cname(&'a str),
    /// The name exists; it has these TXT records, perhaps none.
    Txt(&'a [Vec<Vec<u8>>]),
    Unknown,
}

#[derive(Debug, Default)]
struct Node {
    txt: TxtRecords,
    cname: Option<String>,
    wildcard_cname: Option<String>,
    wildcard_txt: TxtRecords,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.txt.is_empty()
            && self.cname.is_none()
            && self.wildcard_cname.is_none()
            && self.wildcard_txt.is_empty()
    }
}

/// Names in text form, any case, with or without the final dot.
#[derive(Debug, Default)]
pub(super) struct Zone {
    /// By the labels from the root on, so that a name's descendants follow it.
    nodes: BTreeMap<String, Node>,
}

impl Zone {
    pub(super) fn set_txt(&mut self, name: &str, records: TxtRecords) {
        let node = self.nodes.entry(from_root(name)).or_default();
        node.txt = records;
        node.cname = None;
    }

    pub(super) fn add_txt(&mut self, name: &str, record: Vec<Vec<u8>>) {
        let node = self.nodes.entry(from_root(name)).or_default();
        node.txt.push(record);
        node.cname = None;
    }

    pub(super) fn set_cname(&mut self, name: &str, target: &str) {
        let node = self.nodes.entry(from_root(name)).or_default();
        node.txt.clear();
        node.cname = Some(target.to_owned());
    }

    pub(super) fn set_wildcard_cname(&mut self, suffix: &str, target: &str) {
        let node = self.nodes.entry(from_root(suffix)).or_default();
        node.wildcard_cname = Some(target.to_owned());
    }

    pub(super) fn set_wildcard_txt(&mut self, suffix: &str, records: TxtRecords) {
        let node = self.nodes.entry(from_root(suffix)).or_default();
        node.wildcard_txt = records;
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.nodes.remove(&from_root(name));
    }

    pub(super) fn lookup(&self, name: &str) -> Lookup<'_> {
        let key = from_root(name);
        if let Some(node) = self.nodes.get(&key).filter(|node| !node.is_empty()) {
            return match &node.cname {
                Some(target) => Lookup::Cname(target),
                None => Lookup::Txt(&node.txt),
            };
        }
        if self.exists(&key) {
            return Lookup::Txt(&[]);
        }
        self.wildcard(&key).unwrap_or(Lookup::Unknown)
    }

    /// RFC 4592: a wildcard answers for a name only where its parent is the closest ancestor that
    /// exists.
    fn wildcard(&self, key: &str) -> Option<Lookup<'_>> {
        let mut ancestor = key;
        while let Some((parent, _)) = ancestor.rsplit_once('.') {
            if self.exists(parent) {
                let node = self.nodes.get(parent)?;
                let txt = Some(&node.wildcard_txt).filter(|records| !records.is_empty());
                return txt
                    .map(|records| Lookup::Txt(records))
                    .or_else(|| node.wildcard_cname.as_deref().map(Lookup::Cname));
            }
            ancestor = parent;
        }
        None
    }

    /// Whether the name or one below it has records.
    fn exists(&self, key: &str) -> bool {
        let below = format!("{key}.");
        self.nodes.contains_key(key)
            || self
                .nodes
                .range(below.clone()..)
                .next()
                .is_some_and(|(name, _)| name.starts_with(&below))
    }
}

#[derive(Debug, Default)]
pub(super) struct Programme {
    pub(super) zone: Zone,
    pub(super) paused: bool,
    behaviours: HashMap<String, Behaviour>,
    queries: u64,
    queries_by_name: HashMap<String, u64>,
    log: VecDeque<QueryLogEntry>,
}

impl Programme {
    pub(super) fn set_behaviour(&mut self, name: &str, behaviour: Behaviour) {
        self.behaviours.insert(normal(name), behaviour);
    }

    pub(super) fn behaviour(&self, name: &str) -> Behaviour {
        if self.paused {
            return Behaviour::Silent;
        }
        let behaviour = self.behaviours.get(&normal(name));
        behaviour
            .or_else(|| self.behaviours.get("*"))
            .copied()
            .unwrap_or(Behaviour::Normal)
    }

    pub(super) fn count(&mut self, name: &str, record_type: RecordType, transport: Transport) {
        let name = normal(name);
        self.queries += 1;
        *self.queries_by_name.entry(name.clone()).or_default() += 1;
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(QueryLogEntry {
            name,
            record_type,
            transport,
        });
    }

    pub(super) fn queries(&self) -> u64 {
        self.queries
    }

    pub(super) fn queries_for(&self, name: &str) -> u64 {
        self.queries_by_name
            .get(&normal(name))
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn log(&self) -> Vec<QueryLogEntry> {
        self.log.iter().cloned().collect()
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn from_root(name: &str) -> String {
    let name = normal(name);
    let labels: Vec<&str> = name.rsplit('.').collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stops_at_the_closest_existing_ancestor() {
        let mut zone = Zone::default();
        zone.set_wildcard_cname("acme.example", "parked.example");
        zone.set_txt("_x.www.acme.example", vec![vec![b"value".to_vec()]]);

        assert_eq!(
            zone.lookup("A.B.acme.example."),
            Lookup::Cname("parked.example")
        );
        assert_eq!(zone.lookup("acme.example"), Lookup::Txt(&[]));
        assert_eq!(zone.lookup("www.acme.example"), Lookup::Txt(&[]));
        assert_eq!(zone.lookup("_y.www.acme.example"), Lookup::Unknown);
        assert_eq!(zone.lookup("macme.example"), Lookup::Unknown);

        let values = vec![vec![b"v=spf1 -all".to_vec()]];
        zone.set_wildcard_txt("acme.example", values.clone());
        assert_eq!(zone.lookup("x.acme.example"), Lookup::Txt(&values));
        assert_eq!(zone.lookup("acme.example"), Lookup::Txt(&[]));
    }

    #[test]
    fn a_name_s_own_behaviour_goes_before_the_general_one() {
        let mut programme = Programme::default();
        programme.set_behaviour("*", Behaviour::Silent);
        programme.set_behaviour("acme.example", Behaviour::Truncate);

        assert_eq!(programme.behaviour("ACME.example."), Behaviour::Truncate);
        assert_eq!(programme.behaviour("other.example"), Behaviour::Silent);
        programme.paused = true;
        assert_eq!(programme.behaviour("acme.example"), Behaviour::Silent);
    }
}
