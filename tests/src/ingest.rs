//! Ingest, `agent-comms-ingest` whole, as a program that tests of this package can find.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ingest::program::main().await
}
