//! An honest layout: whatever Unbound finds, the first check finds.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use freehold::model::agreement::Weight;
use freehold::model::challenge::RecordForm;
use freehold::model::evidence::Security;
use freehold::model::verdict::Verdict;
use freehold_testbed::Tree;
use freehold_testbed::nameservers::Recursor;

use super::layout::Layout;
use super::resolver::{self, Found};
use crate::support::{Asked, Checked, Engine, Setup, challenge};

/// What a first check may send, with nothing remembered of the root or any zone: as much as a
/// check may spend (`MAX_QUESTIONS` of the engine is a limit for what lies, not for what is honest).
/// Unbound needs at most 200 in these layouts, from whom it asks one server of each zone.
pub const MOST_PACKETS: usize = 400;

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
    pub misses: Vec<&'static str>,
    /// Both sides' findings, for a person.
    pub findings: String,
}

/// One question to each side, both of which know nothing.
struct Side {
    theirs: Option<Found>,
    ours: Checked,
    packets: [usize; 2],
    time: [Duration; 2],
}

pub async fn run(tree: &Tree, recursor: &Recursor, layout: &Layout, cold: Cold) -> Result {
    let asked = challenge(&layout.domain);
    let zone = tree.zone(&layout.record_zone);
    let value = match layout.form {
        RecordForm::Underscore => asked.value_underscore(),
        RecordForm::Apex => asked.value_apex(),
    };
    zone.set_txt(&layout.record, &[&value]);
    let with = both(tree, recursor, layout, &asked, cold).await;
    zone.remove(&layout.record);
    let without = both(tree, recursor, layout, &asked, cold).await;
    compare(layout, &value, &with, &without)
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
    let theirs = resolver::ask(recursor, &asked.owner(layout.form)).await;
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
            theirs.as_ref().map_or(Duration::ZERO, |found| found.time),
            took,
        ],
        theirs,
        ours,
    }
}

fn compare(layout: &Layout, value: &str, with: &Side, without: &Side) -> Result {
    let holds = |side: &Side| {
        let theirs = side.theirs.as_ref();
        theirs.is_some_and(|found| found.values.contains(value.as_bytes()))
    };
    let authentic = with.theirs.as_ref().is_some_and(|found| found.authentic);
    let judged = &with.ours.judged;
    let mut result = Result {
        found: [holds(with), judged.verdict == Verdict::Proven],
        secure: [authentic, judged.security == Security::Secure],
        packets: with.packets,
        time: with.time,
        misses: Vec::new(),
        findings: String::new(),
    };
    if !result.found[0] {
        result.findings = findings(with, without);
        return result;
    }
    let complete =
        |checked: &Checked| checked.judged.weight == Weight::Complete || layout.has_dead_server();
    let mut miss = |missed: bool, kind| {
        if missed {
            result.misses.push(kind);
        }
    };
    miss(!result.found[1], "not proven");
    miss(result.found[1] && !complete(&with.ours), "proven in part");
    miss(
        result.found[1] && result.secure[0] != result.secure[1],
        "security unlike AD",
    );
    miss(result.packets[1] > MOST_PACKETS, "too many packets");
    let removed = &without.ours.judged;
    miss(holds(without), "Unbound finds what was removed");
    miss(
        !removed.verdict.is_negative(),
        "removed, and no definite no",
    );
    miss(
        removed.verdict.is_negative() && !complete(&without.ours),
        "removed, denied in part",
    );
    if !result.misses.is_empty() {
        result.findings = findings(with, without);
    }
    result
}

fn findings(with: &Side, without: &Side) -> String {
    let mut text = String::new();
    for (title, side) in [("published", with), ("removed", without)] {
        let _ = writeln!(text, "  {title}:");
        match &side.theirs {
            Some(found) => {
                let _ = writeln!(
                    text,
                    "    Unbound: {} with {} values, AD {}, {} packets, {:?}",
                    found.code,
                    found.values.len(),
                    found.authentic,
                    side.packets[0],
                    found.time
                );
            }
            None => text.push_str("    Unbound: no answer\n"),
        }
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
                    "        {} @{}: {:?}",
                    step.name, answer.server, answer.outcome
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

/// An engine as cold as a flushed Unbound, which asks the tree's loopback addresses.
pub fn cold(tree: &Tree) -> Engine {
    let setup = Setup {
        allowed: vec!["127.0.0.0/8"],
        ..Setup::default()
    };
    Engine::with(tree, setup)
}
