use std::process::ExitCode;

fn main() -> ExitCode {
    freehold::plugin::main()
}
