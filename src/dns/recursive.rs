//! Evidence from configured recursive servers, each asked by itself.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use hickory_resolver::proto::rr::{Name, RecordType};
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};

use super::answer::read_txt;
use super::exchange::Exchange;
use crate::model::challenge::{Challenge, FORMS, RecordForm};
use crate::model::evidence::{Evidence, Failure, Lookup, Outcome, ServerAnswer};

/// Asks every configured server for every record.
#[derive(Clone, Debug)]
pub struct Recursive {
    servers: Vec<SocketAddr>,
    exchange: Exchange,
}

impl Recursive {
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, timeout: Duration) -> Self {
        Self {
            servers,
            exchange: Exchange::new(timeout, true),
        }
    }

    pub async fn gather(&self, challenge: &Challenge) -> Evidence {
        let time = Timestamp::now();
        let lookups = join_all(FORMS.map(|form| self.look_up(challenge, form))).await;
        Evidence { time, lookups }
    }

    async fn look_up(&self, challenge: &Challenge, form: RecordForm) -> Lookup {
        let answers = join_all(self.servers.iter().map(|&server| async move {
            ServerAnswer {
                server: server.to_string(),
                outcome: self.ask(server, challenge, form).await,
            }
        }))
        .await;
        Lookup { form, answers }
    }

    async fn ask(&self, server: SocketAddr, challenge: &Challenge, form: RecordForm) -> Outcome {
        let outcome = self.ask_txt(server, &challenge.owner(form)).await;
        match first_alias(&outcome) {
            Some(alias) if form == RecordForm::Underscore => {
                let alias = alias.to_owned();
                self.unless_wildcard(server, challenge, outcome, &alias)
                    .await
            }
            _ => outcome,
        }
    }

    /// A CNAME at the challenge's name delegates the proof only if it was put there: under a
    /// wildcard CNAME a random label beside it has the same target.
    async fn unless_wildcard(
        &self,
        server: SocketAddr,
        challenge: &Challenge,
        outcome: Outcome,
        alias: &str,
    ) -> Outcome {
        let label = Alphanumeric
            .sample_string(&mut rand::rng(), 20)
            .to_lowercase();
        let sibling = self
            .ask_txt(server, &format!("_{label}.{}", challenge.name))
            .await;
        match (first_alias(&sibling), &sibling) {
            (Some(other), _) if other == alias => Outcome::WildcardAlias {
                aliases: vec![alias.to_owned()],
            },
            (_, Outcome::Failed(failure)) => Outcome::Failed(*failure),
            _ => outcome,
        }
    }

    async fn ask_txt(&self, server: SocketAddr, owner: &str) -> Outcome {
        // Names are validated before they come here; the final dot keeps search lists out.
        let Ok(name) = Name::from_ascii(format!("{owner}.")) else {
            return Outcome::Failed(Failure::Malformed);
        };
        match self
            .exchange
            .ask(server, name.clone(), RecordType::TXT)
            .await
        {
            Ok(answer) => read_txt(&answer, &name),
            Err(failure) => Outcome::Failed(failure),
        }
    }
}

fn first_alias(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Values { aliases, .. }
        | Outcome::NoData { aliases }
        | Outcome::NxDomain { aliases }
        | Outcome::WildcardAlias { aliases } => aliases.first().map(String::as_str),
        Outcome::Failed(_) => None,
    }
}
