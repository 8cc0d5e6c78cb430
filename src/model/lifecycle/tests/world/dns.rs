//! The DNS: which values stand at the challenge's name, and whether its servers answer.

use std::collections::BTreeSet;

use super::*;
use crate::model::challenge::{FORMS, RecordForm};
use crate::model::evidence::{Evidence, Lookup, Outcome, Security, ServerAnswer, Source, Step};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Fine,
    /// One of the two servers does not answer.
    Partial,
    Outage,
}

#[derive(Default)]
pub struct Dns {
    pub health: Health,
    /// Of all, whoever published them.
    values: BTreeSet<String>,
}

impl Dns {
    pub fn publish(&mut self, token: &Token) {
        self.values.insert(format!("token={token}"));
    }

    pub fn withdraw(&mut self, token: &Token) {
        self.values.remove(&format!("token={token}"));
    }

    pub fn has(&self, token: &Token) -> bool {
        self.values.contains(&format!("token={token}"))
    }

    pub fn evidence(&self, challenge: &Challenge, time: Timestamp) -> Evidence {
        let outcome = |form| match form {
            RecordForm::Underscore if !self.values.is_empty() => Outcome::Values {
                values: self.values.iter().map(|v| v.clone().into()).collect(),
                aliases: Vec::new(),
            },
            _ => Outcome::NoData {
                aliases: Vec::new(),
            },
        };
        let answer = |server: &str, answers: bool, form| ServerAnswer {
            server: server.into(),
            outcome: if answers {
                outcome(form)
            } else {
                Outcome::Failed(Failure::Timeout)
            },
        };
        let lookup = |form| Lookup {
            form,
            steps: vec![Step {
                name: challenge.owner(form),
                answers: vec![
                    answer("192.0.2.1", self.health != Health::Outage, form),
                    answer("192.0.2.2", self.health == Health::Fine, form),
                ],
            }],
            stopped: None,
            partial: false,
            security: Security::Unknown,
        };
        Evidence {
            time,
            source: Source::Authoritative,
            secure_only: false,
            lookups: FORMS.map(lookup).to_vec(),
            zone: None,
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
        }
    }
}
