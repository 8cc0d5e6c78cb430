//! An honest layout: whatever Unbound finds, the first check finds.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use freehold::model::agreement::Weight;
use freehold::model::challenge::RecordForm;
use freehold::model::evidence::{Outcome, Security};
use freehold::model::verdict::Verdict;
use freehold_testbed::nameservers::Recursor;
use freehold_testbed::{Packages, ResponseCode, Tree};

use super::layout::Layout;
use super::resolver::{self, Found};
use super::software;
use crate::support::{Asked, Checked, Engine, Setup, challenge};

/// What a first check may send, with nothing remembered of the root or any zone. Unbound asks one
/// server of each zone and needs up to 100 in these layouts; a check asks every server, up to eight,
/// of each zone that the record's name passes.
pub const MOST_PACKETS: usize = 320;

/// The Internet's.
const WRONG_ANCHOR: &str = ". 3600 IN DNSKEY 257 3 8 \
     AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN\
     7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8\
     efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLY\
     A4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";

/// Makes an engine that knows nothing yet.
pub type Cold = fn(&Tree) -> Engine;

/// What came of one layout.
#[derive(Debug, Default)]
pub struct Result {
    /// Whether Unbound found the value, and whether we did.
    pub found: [bool; 2],
    pub secure: [bool; 2],
    pub packets: [usize; 2],
    pub time: [Duration; 2],
    /// What is not as it should be, by kind.
    pub misses: Vec<String>,
    /// Both sides' findings, for a person.
    pub findings: String,
}

/// The same questions to each side, both of which know nothing.
struct Side {
    /// For the form in which the record is published.
    theirs: Option<Found>,
    /// For the other form, which a check asks for too.
    other: Option<Found>,
    ours: Checked,
    packets: [usize; 2],
    time: [Duration; 2],
}

/// With packages, their programs serve the layout.
pub async fn run(
    tree: &Tree,
    recursor: &Recursor,
    layout: &Layout,
    cold: Cold,
    packages: Option<&Packages>,
) -> Result {
    let asked = challenge(&layout.domain);
    let zone = tree.zone(&layout.record_zone);
    let value = match layout.form {
        RecordForm::Underscore => asked.value_underscore(),
        RecordForm::Apex => asked.value_apex(),
    };
    layout.publish(&zone, Some(&value));
    let serve = async || match packages {
        Some(packages) => Some(software::serve(packages, tree, layout).await),
        None => None,
    };
    let serving = serve().await;
    let with = both(tree, recursor, layout, &asked, cold).await;
    drop(serving);
    if !with.has(&value) {
        return compare(layout, &value, &with, None);
    }
    layout.publish(&zone, None);
    let _serving = serve().await;
    let without = both(tree, recursor, layout, &asked, cold).await;
    compare(layout, &value, &with, Some(&without))
}

async fn both(
    tree: &Tree,
    recursor: &Recursor,
    layout: &Layout,
    asked: &Asked,
    cold: Cold,
) -> Side {
    recursor.flush().await.unwrap();
    tree.forget_queries();
    let owner = asked.owner(layout.form);
    let mut theirs = resolver::ask(recursor, &owner).await;
    if theirs.is_none() && !layout.has_dead_server() {
        // A busy machine made it wait for servers that are there.
        theirs = resolver::ask(recursor, &owner).await;
    }
    let other = match layout.form {
        RecordForm::Underscore => RecordForm::Apex,
        RecordForm::Apex => RecordForm::Underscore,
    };
    let other = match &theirs {
        Some(_) => resolver::ask(recursor, &asked.owner(other)).await,
        None => None,
    };
    let engine = cold(tree);
    let start = Instant::now();
    let ours = engine.check(asked).await;
    let took = start.elapsed();
    let queries = tree.queries();
    let of_unbound = queries
        .iter()
        .filter(|query| query.client == recursor.client)
        .count();
    Side {
        packets: [of_unbound, queries.len() - of_unbound],
        time: [
            theirs.iter().chain(&other).map(|found| found.time).sum(),
            took,
        ],
        theirs,
        other,
        ours,
    }
}

impl Side {
    /// Whether Unbound found the value.
    fn has(&self, value: &str) -> bool {
        let theirs = self.theirs.as_ref();
        theirs.is_some_and(|found| found.values.contains(value.as_bytes()))
    }

    fn is_authentic(&self) -> bool {
        self.theirs.as_ref().is_some_and(|found| found.authentic)
    }

    /// A no rests on both forms.
    /// Whether Unbound said anything of both forms. Beside a dead server it gives up now and then.
    fn is_answered(&self) -> bool {
        let said =
            |found: &Found| matches!(found.code, ResponseCode::NoError | ResponseCode::NXDomain);
        self.theirs.as_ref().is_some_and(said) && self.other.as_ref().is_some_and(said)
    }

    fn is_no_authentic(&self) -> bool {
        self.is_authentic() && self.other.as_ref().is_some_and(|found| found.authentic)
    }
}

/// `without` is none where Unbound did not even find what was there.
fn compare(layout: &Layout, value: &str, with: &Side, without: Option<&Side>) -> Result {
    let judged = &with.ours.judged;
    let mut result = Result {
        found: [with.has(value), judged.verdict == Verdict::Proven],
        secure: [with.is_authentic(), judged.security == Security::Secure],
        packets: with.packets,
        time: with.time,
        misses: Vec::new(),
        findings: String::new(),
    };
    let Some(without) = without else {
        result.findings = findings(&[("published", with)]);
        return result;
    };
    let complete =
        |side: &Side| side.ours.judged.weight == Weight::Complete || layout.has_dead_server();
    let found = result.found[1];
    let denied = without.ours.judged.verdict.is_negative();
    let unlike = result.secure[0] != result.secure[1];
    let no_secure = without.ours.judged.security == Security::Secure;
    let published = with.ours.judged.verdict;
    let removed = without.ours.judged.verdict;
    for (missed, kind) in [
        (!found, format!("not proven: {published:?}")),
        (found && !complete(with), "proven in part".to_owned()),
        (found && unlike, "security unlike AD".to_owned()),
        (
            with.packets[1] > MOST_PACKETS,
            "too many packets".to_owned(),
        ),
        (
            without.has(value),
            "Unbound finds what was removed".to_owned(),
        ),
        (!denied, format!("removed, and no definite no: {removed:?}")),
        (
            denied && !complete(without),
            "removed, denied in part".to_owned(),
        ),
        (
            denied && without.is_answered() && without.is_no_authentic() != no_secure,
            "removed, and security unlike AD".to_owned(),
        ),
        (
            without.packets[1] > MOST_PACKETS,
            "too many packets for a no".to_owned(),
        ),
    ] {
        if missed {
            result.misses.push(kind);
        }
    }
    if !result.misses.is_empty() {
        result.findings = findings(&[("published", with), ("removed", without)]);
    }
    result
}

fn findings(sides: &[(&str, &Side)]) -> String {
    let mut text = String::new();
    for (title, side) in sides {
        let _ = writeln!(text, "  {title}:");
        for (form, theirs) in [("", &side.theirs), (", other form", &side.other)] {
            let _ = match theirs {
                Some(found) => writeln!(
                    text,
                    "    Unbound{form}: {} with {} values, AD {}, {:?}",
                    found.code,
                    found.values.len(),
                    found.authentic,
                    found.time
                ),
                None => writeln!(text, "    Unbound{form}: no answer"),
            };
        }
        let _ = writeln!(text, "    Unbound: {} packets", side.packets[0]);
        let _ = writeln!(
            text,
            "    Freehold: {:?}, {} packets, {:?}",
            side.ours.judged, side.packets[1], side.time[1]
        );
        tell(&mut text, &side.ours);
    }
    text
}

/// The evidence, a line an answer.
pub fn tell(text: &mut String, checked: &Checked) {
    for lookup in &checked.evidence.lookups {
        let _ = writeln!(
            text,
            "      {:?}: stopped {:?}, partial {}, {:?}",
            lookup.form, lookup.stopped, lookup.partial, lookup.security
        );
        for step in &lookup.steps {
            for answer in &step.answers {
                let _ = writeln!(
                    text,
                    "        {} @{}: {}",
                    step.name,
                    answer.server,
                    said(&answer.outcome)
                );
            }
        }
    }
    if let Some(unreached) = &checked.evidence.unreached {
        let _ = writeln!(text, "      unreached: {unreached:?}");
    }
    if let Some(broken) = &checked.evidence.broken {
        let _ = writeln!(text, "      broken: {broken:?}");
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Values { values, .. } => {
            let values = values.iter().map(|value| String::from_utf8_lossy(value));
            format!("values {:?}", values.collect::<Vec<_>>())
        }
        Outcome::Referral(zone) => format!("referral to {} at {}", zone.name, zone.hosts.join(" ")),
        other => format!("{other:?}"),
    }
}

/// With the key of another root.
pub fn with_a_wrong_anchor(tree: &Tree) -> Engine {
    engine(
        tree,
        Setup {
            anchor: Some(WRONG_ANCHOR.to_owned()),
            ..Setup::default()
        },
    )
}

/// Which takes nothing for signed.
pub fn without_anchors(tree: &Tree) -> Engine {
    engine(
        tree,
        Setup {
            without_anchors: true,
            ..Setup::default()
        },
    )
}

/// An engine as cold as a flushed Unbound, which asks the tree's loopback addresses.
pub fn cold(tree: &Tree) -> Engine {
    engine(tree, Setup::default())
}

fn engine(tree: &Tree, setup: Setup) -> Engine {
    Engine::with(
        tree,
        Setup {
            allowed: vec!["127.0.0.0/8"],
            ..setup
        },
    )
}
