//! `cargo xtask`: the commands people use in this repository. It must never be part of what is shipped.

mod bench;
mod cargo;
mod demo;
mod images;
mod release;
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
    /// Measures what the product costs, beside the best that can be written without it
    Bench(bench::Arguments),
    /// Runs the whole path on this machine, with workflows that talk until Ctrl-C
    ///
    /// NATS with TLS, PostgreSQL and ingest, and two workflows as they would run in pods: a sidecar beside unmodified steps.
    /// What is missing is fetched into the user's cache directory, without root. Logs, data and `env`, a file to source in a
    /// shell for clients of your own, are in target/demo. A second demo starts from clean data.
    Demo(demo::Arguments),
    /// Makes the images of sidecar, injector and ingest with buildah, from programs that are built here
    Images(images::Arguments),
    /// Runs everything that must pass before a change lands
    ///
    /// Format, rules of the house, clippy, then all tests against real neighbours. What is missing is fetched into the
    /// user's cache directory, so a second run is much faster. A neighbour that cannot be had is a failure.
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    tell_fetches();
    let result = match command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Images(arguments) => images::run(&arguments),
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

/// What the neighbours tell, that something is being fetched, is part of a stage's progress.
fn tell_fetches() {
    let format = tracing_subscriber::fmt().without_time().with_target(false).with_level(false);
    // What the client of NATS says of each connection is nobody's progress.
    format.with_env_filter("info,async_nats=off").with_writer(std::io::stderr).init();
}
