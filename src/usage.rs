//! Arguments, and what is said of wrong ones: they are shown as whatever else a terminal is shown, since who
//! calls may have them from somebody else.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::Error;

use crate::model::terminal;

/// Reads the arguments of the process, or says what is wrong with them, with what `explain` adds, or what was
/// asked for, such as the help.
///
/// # Errors
/// With what the process ends with.
pub fn parse<C: Parser>(explain: impl FnOnce(&mut Error)) -> Result<C, ExitCode> {
    C::try_parse_from(env::args_os()).map_err(|mut error| {
        explain(&mut error);
        // Nobody is left to be told.
        let _ = if error.use_stderr() {
            io::stderr().write_all(shown(&error).as_bytes())
        } else if io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none() {
            // The help is ours alone.
            write!(io::stdout(), "{}", error.render().ansi())
        } else {
            io::stdout().write_all(shown(&error).as_bytes())
        };
        u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
    })
}

fn shown(error: &Error) -> String {
    terminal::lines(&error.render().to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What is said of such arguments.
    pub fn said<C: Parser>(arguments: &[&str]) -> String {
        let name = ["freehold"];
        match C::try_parse_from(name.iter().chain(arguments)) {
            Ok(_) => panic!("{arguments:?} are taken"),
            Err(error) => shown(&error),
        }
    }
}
