//! `freehold check`: one check from a shell, without a cluster.

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::dns::DnsArguments;
use crate::api::organization_domain::{AskedServer, CheckVerdict, DnsProvider, DnssecState};
use crate::dns::Asker;
use crate::model::challenge::{Challenge, FORMS, TOKEN_OCTETS, Token};
use crate::model::evidence::{Evidence, Failure, Lookup, Outcome, ServerAnswer, Step, Unreached};
use crate::model::policy::NamePolicy;
use crate::model::servers::Servers;
use crate::model::verdict::{Judged, Verdict, judge};
use crate::model::{provider, report, terminal};

/// Check a domain in DNS as the operator does, and show what each server answered.
///
/// Exits with 0 if the domain is proven, 1 if it is not, and 3 if the check could not decide. Without a
/// token it exits with 0 if DNS answered, and 3 otherwise. 2 means wrong usage.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Domain to check: a bare name such as acme.com.
    domain: String,

    /// Token to look for. Without it, the command shows what is published and proves nothing.
    #[arg(long, value_parser = parse_token)]
    token: Option<Token>,

    /// File with the token to look for, or - for standard input: other users of a machine can read
    /// arguments.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,

    /// Output format.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,

    #[command(flatten)]
    dns: DnsArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

/// What is written, in every format.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unicode_name: Option<String>,
    /// Whether a label mixes scripts as no language does.
    mixed_scripts: bool,
    /// Left out where no token was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<CheckVerdict>,
    /// Whether every server answered every question, and nothing was missing on the way.
    complete: bool,
    servers: Servers,
    #[serde(skip_serializing_if = "Option::is_none")]
    dnssec: Option<DnssecState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    name_servers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_provider: Option<DnsProvider>,
    wanted: Vec<Wanted>,
    asked: Vec<AskedServer>,
    found: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Wanted {
    name: String,
    value: String,
}

const PROVEN: u8 = 0;
const NOT_PROVEN: u8 = 1;
const UNDECIDED: u8 = 3;
const WRONG_USAGE: u8 = 2;

/// After so long a person wonders.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn main(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("freehold: {}", terminal::lines(&error.to_string()));
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Box<dyn Error>> {
    let names = arguments.dns.names();
    let name = names.accept(&arguments.domain, &arguments.dns.service_name)?;
    let token = match &arguments.token_file {
        Some(file) => Some(read_token(file)?),
        None => arguments.token.clone(),
    };
    let asks_for_token = token.is_some();
    let challenge = Challenge {
        name,
        service: arguments.dns.service_name.clone(),
        // Nobody has published this one.
        token: token.unwrap_or_else(|| Token::from_random([0; TOKEN_OCTETS])),
    };
    let gatherer = arguments.dns.gatherer()?;
    let mut evidence = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(with_progress(
            gatherer.gather(&challenge, &Asker::new("shell")),
        ));
    if !asks_for_token {
        // Nothing can be at a wrong name.
        evidence.strays.clear();
    }
    let judged = judge(&challenge, &evidence);
    let mut report = Report::of(&challenge, &evidence, judged, &names);
    if !asks_for_token {
        // Nothing is wanted, so nothing is wrong either; that there is no record holds for any token.
        report.verdict = report
            .verdict
            .filter(|verdict| *verdict != CheckVerdict::Mismatch);
        report.wanted.clear();
        report.hint = None;
    }
    // Where signatures are at fault the servers were reached, and the report's hint says more.
    if let Some(unreached) = &evidence.unreached
        && evidence.broken.is_none()
    {
        report.hint = Some(advice(unreached));
    }
    match arguments.output {
        Output::Table => {
            let mut table = Vec::new();
            report.write_table(&mut table)?;
            let table = terminal::lines(&String::from_utf8_lossy(&table));
            write!(io::stdout(), "{table}")?;
        }
        Output::Json => writeln!(io::stdout(), "{}", terminal::json(&report)?)?,
        Output::Yaml => write!(io::stdout(), "{}", terminal::yaml(&report)?)?,
    }
    Ok(match judged.verdict {
        Verdict::Proven => PROVEN,
        Verdict::Inconclusive(failure) if failure != Failure::NotSigned => UNDECIDED,
        _ if !asks_for_token => PROVEN,
        Verdict::Absent
        | Verdict::Mismatch(_)
        | Verdict::Disagreement
        | Verdict::Inconclusive(_) => NOT_PROVEN,
    })
}

impl Report {
    fn of(challenge: &Challenge, evidence: &Evidence, judged: Judged, names: &NamePolicy) -> Self {
        let check = report::last_check(challenge, evidence, judged, false);
        let wanted = FORMS.map(|form| Wanted {
            name: challenge.owner(form),
            value: challenge.value(form),
        });
        let zone = evidence.zone.as_ref();
        let hosts = zone.map_or(&[][..], |zone| &zone.hosts);
        Self {
            domain: challenge.name.to_string(),
            unicode_name: challenge.name.unicode_name(),
            mixed_scripts: challenge.name.mixes_scripts(),
            verdict: Some(check.verdict),
            complete: is_complete(evidence),
            servers: Servers::of(evidence),
            dnssec: check.dnssec,
            zone: zone.map(|zone| zone.name.clone()),
            name_servers: hosts.to_vec(),
            dns_provider: provider::of(evidence, names),
            wanted: wanted.into(),
            asked: check.servers,
            found: check.observed_values,
            hint: check.hint,
        }
    }

    fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "Domain        {}", self.domain)?;
        if let Some(unicode) = &self.unicode_name {
            let warning = if self.mixed_scripts {
                " (mixes scripts: it may look like another domain)"
            } else {
                ""
            };
            writeln!(out, "              {unicode}{warning}")?;
        }
        if let Some(verdict) = self.verdict {
            let missing = if self.complete || self.servers.answered < self.servers.named {
                ""
            } else {
                ", but some servers on the way to them did not answer"
            };
            writeln!(out, "Verdict       {verdict:?}, {}{missing}", self.servers)?;
        }
        if let Some(dnssec) = self.dnssec {
            writeln!(out, "DNSSEC        {dnssec:?}")?;
        }
        if let Some(zone) = &self.zone {
            writeln!(out, "Zone          {zone}")?;
            writeln!(out, "Name servers  {}", self.name_servers.join(", "))?;
        }
        if let Some(DnsProvider { name, link }) = &self.dns_provider {
            let page = link.as_ref().map(|link| format!(" ({link})"));
            writeln!(out, "DNS provider  {name}{}", page.unwrap_or_default())?;
        }
        for (n, wanted) in self.wanted.iter().enumerate() {
            let label = if n == 0 { "Expected" } else { "or" };
            writeln!(out, "{label:<12}  {} TXT \"{}\"", wanted.name, wanted.value)?;
        }
        for (n, found) in self.found.iter().enumerate() {
            let label = if n == 0 { "Found" } else { "" };
            writeln!(out, "{label:<12}  \"{found}\"")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "Hint          {hint}")?;
        }
        writeln!(out)?;
        let width = |of: fn(&AskedServer) -> &str, title: &str| {
            let widths = self.asked.iter().map(|asked| of(asked).chars().count());
            widths.max().unwrap_or(0).max(title.len())
        };
        let name = width(|asked| &asked.name, "NAME");
        let server = width(|asked| &asked.server, "SERVER");
        writeln!(out, "{:name$}  {:server$}  ANSWER", "NAME", "SERVER")?;
        for asked in &self.asked {
            let (of_name, of_server, answer) = (&asked.name, &asked.server, &asked.answer);
            writeln!(out, "{of_name:name$}  {of_server:server$}  {answer}")?;
        }
        Ok(())
    }
}

/// Whether each answer that is shown could be had, and nothing else was missing on the way.
fn is_complete(evidence: &Evidence) -> bool {
    let whole = |lookup: &Lookup| {
        let asked = |step: &Step| !step.answers.is_empty();
        !lookup.steps.is_empty()
            && lookup.steps.iter().all(asked)
            && lookup.stopped.is_none()
            && !lookup.partial
    };
    let mut answers = evidence.steps().flat_map(|step| &step.answers);
    evidence.unreached.is_none()
        && !evidence.lookups.is_empty()
        && evidence.lookups.iter().all(whole)
        && answers.all(|answer| !matches!(answer.outcome, Outcome::Failed(_)))
}

/// What happened, and what whoever runs this can do about it.
fn advice(unreached: &Unreached) -> String {
    let asked = |answer: &ServerAnswer| match answer.outcome {
        Outcome::Failed(failure) => format!("{}: {failure}", answer.server),
        _ => answer.server.to_string(),
    };
    let asked: Vec<_> = unreached.step.answers.iter().map(asked).collect();
    let servers = match unreached.zone.as_str() {
        "." => "root server".to_owned(),
        zone => format!("server of {zone}"),
    };
    format!(
        "no {servers} gave a usable answer ({}). Allow this machine to reach port 53 of any address over UDP and TCP, or use a recursive server: --dns-mode recursive --dns-server ADDRESS",
        asked.join("; ")
    )
}

/// Says so where it takes long, on a terminal.
async fn with_progress<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    if io::stderr().is_terminal() {
        eprintln!("freehold: still waiting for DNS servers…");
    }
    work.await
}

fn read_token(file: &Path) -> Result<Token, Box<dyn Error>> {
    let text = if file == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    let shown = file.display();
    let text = text.map_err(|error| format!("cannot read the token from {shown}: {error}"))?;
    Ok(parse_token(text.trim()).map_err(|error| format!("{shown}: {error}"))?)
}

fn parse_token(text: &str) -> Result<Token, String> {
    // As it is copied from a record's value.
    let token = text.trim_matches(['"', ' ']).rsplit('=').next();
    Token::parse(token.unwrap_or_default()).ok_or_else(|| {
        "a token has 32 characters from a-z and 2-7, as in status.challenge.token".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::challenge::RecordForm;
    use crate::model::evidence::{Misplacement, Security, Source, Stray};

    fn step(outcomes: &[Outcome]) -> Step {
        Step {
            name: "acme.com".to_owned(),
            answers: outcomes
                .iter()
                .map(|outcome| ServerAnswer {
                    server: "ns1.acme.com".into(),
                    outcome: outcome.clone(),
                })
                .collect(),
        }
    }

    fn evidence(outcomes: &[Outcome]) -> Evidence {
        Evidence {
            time: Timestamp::UNIX_EPOCH,
            source: Source::Recursive,
            secure_only: false,
            lookups: vec![Lookup {
                form: RecordForm::Apex,
                steps: vec![step(outcomes)],
                stopped: None,
                partial: false,
                security: Security::Unknown,
            }],
            zone: None,
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
        }
    }

    #[test]
    fn no_answer_that_is_missing_counts_as_one() {
        let found = || Outcome::NoData { aliases: vec![] };
        let failed = || Outcome::Failed(Failure::Timeout);
        assert!(is_complete(&evidence(&[found(), found()])));
        // A majority decides, and one is missing all the same.
        assert!(!is_complete(&evidence(&[found(), found(), failed()])));
        let whole = || evidence(&[found()]);
        let mut stray = whole();
        stray.strays.push(Stray {
            place: Misplacement::ParentDomain(RecordForm::Apex),
            step: step(&[failed()]),
        });
        let mut stopped = whole();
        stopped.lookups[0].stopped = Some(Failure::Timeout);
        let mut partial = whole();
        partial.lookups[0].partial = true;
        let mut nothing = whole();
        nothing.lookups[0].steps.clear();
        let mut unasked = whole();
        unasked.lookups[0].steps[0].answers.clear();
        let none = Evidence {
            lookups: Vec::new(),
            ..whole()
        };
        for evidence in [stray, stopped, partial, nothing, unasked, none] {
            assert!(!is_complete(&evidence), "{evidence:?}");
        }
    }

    #[test]
    fn how_many_servers_were_asked_and_answered_is_counted() {
        let found = || Outcome::NoData { aliases: vec![] };
        let failed = Outcome::Failed;
        let told = |outcomes: &[Outcome]| {
            let mut evidence = evidence(&[]);
            let answers = &mut evidence.lookups[0].steps[0].answers;
            answers.extend(
                outcomes
                    .iter()
                    .enumerate()
                    .map(|(n, outcome)| ServerAnswer {
                        server: format!("ns{n}").into(),
                        outcome: outcome.clone(),
                    }),
            );
            // Each is asked twice.
            let again = evidence.lookups[0].steps[0].clone();
            evidence.lookups[0].steps.push(again);
            Servers::of(&evidence).to_string()
        };
        let silent = failed(Failure::Timeout);
        for (outcomes, words) in [
            (vec![], "no server was asked"),
            (vec![found()], "1 of 1 server answered"),
            (vec![found(), found()], "2 of 2 servers answered"),
            (vec![found(), silent.clone()], "1 of 2 servers answered"),
            (
                vec![silent.clone(), silent.clone()],
                "0 of 2 servers answered",
            ),
            (
                vec![failed(Failure::NotAsked), failed(Failure::NoAddress)],
                "no server was asked",
            ),
            (
                vec![found(), failed(Failure::NotPublicAddress)],
                "1 of 2 servers answered, 1 was not asked",
            ),
            (
                vec![silent, failed(Failure::NotAsked), failed(Failure::NotAsked)],
                "0 of 3 servers answered, 2 were not asked",
            ),
        ] {
            assert_eq!(told(&outcomes), words, "{outcomes:?}");
        }
    }
}
