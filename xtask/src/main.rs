//! `cargo xtask`: the commands people use in this repository. It must never be part of what is shipped.

mod rules;
mod stage;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands of the agent-comms repository
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything that must pass before a change lands
    ///
    /// Format, rules of the house, clippy, then all tests against real neighbours. What is missing is fetched into the
    /// user's cache directory, so a second run is much faster. A neighbour that cannot be had is a failure.
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Test(arguments) => test::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            stage::fail(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
