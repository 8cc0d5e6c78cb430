//! `kubectl freehold`: what people ask of organization domains, with their own rights and no others.

mod access;
mod approve;
mod check_now;
mod completion;
mod explain;
mod records;
mod revoke;
mod select;
mod status;
mod text;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use self::access::{Access, Target};
use crate::model::terminal::{self, YamlError};
use crate::usage;

/// Show, check and approve domains.
///
/// Exit codes: 0 success; 1 refused by the cluster or not possible; 2 wrong usage; 3 check-now: the
/// domain is not proven; 4 check-now: no outcome in time, or the check could not decide.
#[derive(Debug, Parser)]
#[command(name = "kubectl-freehold", bin_name = "kubectl freehold", version)]
struct Cli {
    #[command(flatten)]
    target: Target,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::Arguments),
    Records(records::Arguments),
    CheckNow(check_now::Arguments),
    Approve(approve::Arguments),
    Revoke(revoke::Arguments),
    Explain(explain::Arguments),
    Completion(completion::Arguments),
}

/// The formats of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Access(#[from] access::AccessError),
    #[error("{0}")]
    Impossible(String),
    /// The check was made.
    #[error("the domain is not proven")]
    NotProven,
    #[error(
        "no operator finished the check within {0}. The request stays open; kubectl freehold explain shows its outcome later"
    )]
    NoOutcome(String),
    #[error(
        "the domain is still verified, but the check could not decide. kubectl freehold explain shows the servers' answers"
    )]
    Inconclusive,
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Yaml(#[from] YamlError),
    #[error("cannot write as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::NotProven => 3,
            Self::NoOutcome(_) | Self::Inconclusive => 4,
            _ => 1,
        }
    }
}

/// Reads the arguments and does what they say. Under the name by which kubectl asks for completions
/// it answers with these.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let name = Path::new(&name).file_name().and_then(|name| name.to_str());
    let arguments: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let is_completion = name == Some(completion::OF_KUBECTL);
    let cli = match (!is_completion)
        .then(|| usage::parse::<Cli>(|_| ()))
        .transpose()
    {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| match cli {
            Some(cli) => runtime.block_on(run(cli)),
            None => runtime.block_on(completion::for_kubectl(&arguments)),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!(
                "kubectl-freehold: {}",
                terminal::lines(&failure.to_string())
            );
            ExitCode::from(failure.code())
        }
    }
}

async fn run(Cli { target, command }: Cli) -> Result<(), Failure> {
    let access = async || Access::to(&target).await;
    match command {
        Command::Status(arguments) => status::run(&access().await?, &arguments).await,
        Command::Records(arguments) => records::run(&access().await?, &arguments).await,
        Command::CheckNow(arguments) => check_now::run(&access().await?, &arguments).await,
        Command::Approve(arguments) => approve::run(&access().await?, &arguments).await,
        Command::Revoke(arguments) => revoke::run(&access().await?, &arguments).await,
        Command::Explain(arguments) => explain::run(&access().await?, &arguments).await,
        Command::Completion(arguments) => completion::print(&arguments),
    }
}

/// Writes what programs read.
fn print_as(format: Format, value: &impl Serialize) -> Result<(), Failure> {
    let text = match format {
        Format::Json => terminal::json(value)? + "\n",
        Format::Yaml => terminal::yaml(value)?,
    };
    print(&text)
}

/// Escapes what no command has escaped before.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(terminal::lines(text).as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::tests::said;

    #[test]
    fn wrong_arguments_are_shown_without_what_a_terminal_obeys() {
        let esc = "\u{1b}[2J\u{202e}";
        for arguments in [
            &[esc][..],
            &["status", esc],
            &["records", esc],
            &["explain", esc],
            &["check-now", esc],
            &["check-now", "acme", "--timeout", esc],
            &["approve", esc, "acme.example", "--reason", "x"],
            &["approve", "acme", esc, "--reason", "x"],
            &["status", "--output", esc],
            &["completion", esc],
        ] {
            let said = said::<Cli>(arguments);
            assert!(said.contains("\\u{202e}"), "{said:?}");
            assert!(
                !said.contains('\u{1b}') && !said.contains('\u{202e}'),
                "{said:?}"
            );
        }
    }
}
