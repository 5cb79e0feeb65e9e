//! Entry point.

use std::process::ExitCode;

use clap::Parser as _;
use ingest::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let result = match Args::parse().command {
        Command::Serve(args) => ingest::serve::run(&args).await,
        Command::Setup(args) => ingest::setup::run(&args).await,
    };
    service::exit::report("agent-comms-ingest", result)
}
