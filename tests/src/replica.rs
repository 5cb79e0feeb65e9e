//! A replica of ingest in this process, between real neighbours.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Parser as _;
use ingest::args::{Args, Command};
use ingest::serve::Running;
use neighbours::nats::Credentials;
use tokio_util::sync::CancellationToken;

/// Makes the stream and the durable consumer as `agent-comms-ingest setup` does.
pub async fn set_up(admin: &Credentials) -> Result<()> {
    let Command::Setup(args) = Args::try_parse_from(words("setup", admin, &["--log", "warn"]))?.command else {
        bail!("`setup` was read as another command")
    };
    ingest::setup::run(&args).await
}

/// Starts a replica on free ports; it ends with the token.
pub async fn serve(credentials: &Credentials, database: &str, stop: &CancellationToken) -> Result<Running> {
    serve_with(credentials, database, &[], stop).await
}

/// The same with further arguments.
pub async fn serve_with(
    credentials: &Credentials,
    database: &str,
    arguments: &[&str],
    stop: &CancellationToken,
) -> Result<Running> {
    let more = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", database, "--drain-seconds", "0"];
    let more = [&more[..], arguments].concat();
    let Command::Serve(args) = Args::try_parse_from(words("serve", credentials, &more))?.command else {
        bail!("`serve` was read as another command")
    };
    ingest::serve::start(&args, stop.clone()).await
}

fn words(command: &str, credentials: &Credentials, more: &[&str]) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let flags = [
        ("--nats-url", credentials.url.clone()),
        ("--nats-ca", path(&credentials.ca)),
        ("--nats-cert", path(&credentials.files.certificate)),
        ("--nats-key", path(&credentials.files.key)),
        ("--nats-inbox-prefix", credentials.inbox_prefix.clone()),
    ];
    let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    let first = ["agent-comms-ingest", command].into_iter().chain(more.iter().copied()).map(ToOwned::to_owned);
    first.chain(flags).collect()
}
