//! Entry point of `agent-comms-injector`.

use std::process::ExitCode;

use clap::Parser as _;
use injector::cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let Command::Serve(arguments) = Cli::parse().command;
    service::exit::report("agent-comms-injector", injector::serve::run(*arguments).await)
}
