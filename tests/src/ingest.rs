//! Ingest, `agent-comms-ingest serve`, as a program that tests of this package can find.

use std::process::ExitCode;

use ingest::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let args: Args = match service::exit::arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let served = match args.command {
        Command::Serve(args) => ingest::serve::run(&args).await,
        _ => Err(anyhow::anyhow!("only `serve` is under test here")),
    };
    service::exit::report("agent-comms-ingest", served)
}
