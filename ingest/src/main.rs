//! Entry point.

use std::process::ExitCode;

use ingest::args::{Args, Command};

/// The program is static, and musl's own allocator holds one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let args: Args = match service::exit::arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let result = match args.command {
        Command::Serve(args) => ingest::serve::run(&args).await,
        Command::Backfill(args) => ingest::backfill::run(&args).await,
        Command::Replay(args) => ingest::replay::run(&args).await,
        Command::DeadLetters(args) => ingest::dead_letters::run(&args).await,
        Command::Setup(args) => ingest::setup::run(&args).await,
        Command::Tail(args) => ingest::tail::run(&args).await,
        Command::Runs(args) => ingest::runs::run(&args).await,
    };
    service::exit::report("agent-comms-ingest", result)
}
