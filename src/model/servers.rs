//! How many servers had their say in a check.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::evidence::{Evidence, Outcome};

/// How many servers the answers of a check were to come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Servers {
    pub named: usize,
    /// Those to which a question was sent.
    pub asked: usize,
    /// Those that answered each one.
    pub answered: usize,
}

impl Servers {
    #[must_use]
    pub fn of(evidence: &Evidence) -> Self {
        let mut servers: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for answer in evidence.steps().flat_map(|step| &step.answers) {
            let (asked, answered) = servers.entry(&answer.server).or_insert((false, true));
            match answer.outcome {
                Outcome::Failed(failure) => {
                    *asked |= failure.was_asked();
                    *answered = false;
                }
                _ => *asked = true,
            }
        }
        Self {
            named: servers.len(),
            asked: servers.values().filter(|(asked, _)| *asked).count(),
            answered: servers.values().filter(|(_, answered)| *answered).count(),
        }
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (named, asked, answered) = (self.named, self.asked, self.answered);
        if asked == 0 {
            return f.write_str("no server was asked");
        }
        let plural = if named == 1 { "" } else { "s" };
        write!(f, "{answered} of {named} server{plural} answered")?;
        match named - asked {
            0 => Ok(()),
            1 => f.write_str(", 1 was not asked"),
            more => write!(f, ", {more} were not asked"),
        }
    }
}
