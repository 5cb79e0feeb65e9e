//! The program `agent-comms-ingest`, from its command line to its exit code.

use std::process::ExitCode;

use crate::args::{Args, Command};

/// Reads the command line and does what it says.
pub async fn main() -> ExitCode {
    service::tls::install_provider();
    let args: Args = match service::exit::arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let result = match args.command {
        Command::Serve(args) => crate::serve::run(&args).await,
        Command::Backfill(args) => crate::backfill::run(&args).await,
        Command::Replay(args) => crate::replay::run(&args).await,
        Command::DeadLetters(args) => crate::dead_letters::run(&args).await,
        Command::Setup(args) => crate::setup::run(&args).await,
        Command::Tail(args) => crate::tail::run(&args).await,
        Command::Runs(args) => crate::runs::run(&args).await,
    };
    service::exit::report("agent-comms-ingest", result)
}
