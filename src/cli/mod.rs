//! The command line: a file a subcommand.

mod check;
pub(crate) mod cluster;
mod crds;
mod dns;
mod export;
mod import;
mod operator;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::terminal;

/// Proves which organization controls a DNS domain, and keeps the proof true.
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
    let result = match Cli::parse().command {
        Command::Operator(arguments) => operator::run(*arguments).map(|()| ExitCode::SUCCESS),
        Command::Check(arguments) => return check::main(*arguments),
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
