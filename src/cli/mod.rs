//! The command line: a file a subcommand.

mod check;
mod cluster;
mod crds;
mod dns;
mod export;
mod import;
mod operator;

use std::env;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::terminal;
use crate::usage;

/// Prove which organization controls a DNS domain, and keep the proof current.
#[derive(Debug, Parser)]
#[command(name = "freehold", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Operator(Box<operator::Arguments>),
    Check(Box<check::Arguments>),
    Crds(crds::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

/// Reads the arguments and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match usage::parse::<Cli>(|error| {
        if env::args_os()
            .nth(1)
            .is_some_and(|command| command == "operator")
        {
            operator::name_chart_value(error);
        }
    }) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let result = match cli.command {
        Command::Operator(arguments) => operator::run(*arguments),
        Command::Check(arguments) => return check::main(&arguments),
        Command::Crds(arguments) => crds::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("freehold: {}", terminal::lines(&error.to_string()));
            ExitCode::FAILURE
        }
    }
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
            &["check", "acme.example", "--dns-port", esc],
            &["check", "acme.example", "--dns-root", esc],
            &["check", "acme.example", "--token", esc],
            &["operator", "--grace", esc],
            &["operator", "--watch-namespace", esc],
            &["export", esc],
            &["import", "--file", "x", esc],
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
