//! Completion: scripts of shells, and the answers that kubectl asks a plugin for.

use std::io;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches};
use clap_complete::Shell;
use tokio::time::timeout;

use super::access::{Access, Target};
use super::{Cli, Failure};

/// The program that kubectl looks for when it completes `kubectl freehold`.
pub(super) const OF_KUBECTL: &str = "kubectl_complete-freehold";
/// Cobra's word for: these are all, offer no files.
const NO_FILES: &str = ":4";
/// A person waits for the answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The commands that are about objects.
const ABOUT_OBJECTS: [&str; 6] = [
    "status",
    "records",
    "check-now",
    "approve",
    "revoke",
    "explain",
];

/// Print a completion script for kubectl-freehold. For kubectl freehold, link
/// kubectl_complete-freehold to this program instead.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn print(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command().bin_name("kubectl-freehold"),
        "kubectl-freehold",
        &mut script,
    );
    let script = String::from_utf8(script)
        .map_err(|error| Failure::Output(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    super::print(&script)
}

/// Answers kubectl: one candidate a line, then what to do with them.
pub(super) async fn for_kubectl(arguments: &[String]) -> Result<(), Failure> {
    let (last, before) = match arguments.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", arguments),
    };
    let mut lines = candidates(last, before).await;
    lines.retain(|candidate| candidate.starts_with(last));
    lines.extend([NO_FILES.to_owned(), String::new()]);
    super::print(&lines.join("\n"))
}

async fn candidates(last: &str, before: &[String]) -> Vec<String> {
    let mut cli = Cli::command();
    cli.build();
    let command = before.iter().find_map(|word| cli.find_subcommand(word));
    let scope = command.unwrap_or(&cli);
    let taking = before.last().and_then(|flag| {
        scope
            .get_arguments()
            .find(|argument| names(argument).contains(flag) && argument.get_action().takes_values())
    });
    if let Some(argument) = taking {
        return values([argument]);
    }
    if last.starts_with('-') {
        return scope
            .get_arguments()
            .filter(|argument| !argument.is_positional())
            .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
            .collect();
    }
    let Some(command) = command else {
        let commands = cli.get_subcommands().map(clap::Command::get_name);
        let commands = commands.filter(|name| *name != "help");
        return commands.map(str::to_owned).collect();
    };
    if !ABOUT_OBJECTS.contains(&command.get_name()) {
        return values(command.get_positionals());
    }
    // Whatever the cluster does, there is nobody to tell of it.
    let objects = timeout(PATIENCE, objects(before)).await;
    objects.ok().flatten().unwrap_or_default()
}

/// The values that these arguments can have, where they are a closed list.
fn values<'a>(arguments: impl IntoIterator<Item = &'a clap::Arg>) -> Vec<String> {
    let values = arguments
        .into_iter()
        .flat_map(clap::Arg::get_possible_values);
    values.map(|value| value.get_name().to_owned()).collect()
}

/// As they are written on a command line.
fn names(argument: &clap::Arg) -> Vec<String> {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    long.into_iter().chain(short).collect()
}

/// The objects of the namespace that the line names so far.
async fn objects(before: &[String]) -> Option<Vec<String>> {
    let words = ["kubectl-freehold".to_owned()];
    let matches = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(words.iter().chain(before))
        .ok()?;
    let target = Target::from_arg_matches(&matches).ok()?;
    let domains = Access::to(&target)
        .await
        .ok()?
        .list(false, None)
        .await
        .ok()?;
    let names = domains.iter().map(|domain| domain.metadata().name.clone());
    Some(names.flatten().collect())
}
