//! A replica of ingest, in this process or as one of its own, between real neighbours.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command as Program;

use anyhow::{Result, bail};
use clap::Parser as _;
use ingest::args::{Args, Command};
use ingest::serve::Running;
use neighbours::nats::Credentials;
use tokio_util::sync::CancellationToken;

/// Makes the stream and the durable consumer as `agent-comms-ingest setup` does.
pub async fn set_up(admin: &Credentials) -> Result<()> {
    set_up_with(admin, &[]).await
}

/// The same with these flags too.
pub async fn set_up_with(admin: &Credentials, more: &[&str]) -> Result<()> {
    let more: Vec<&str> = ["--log", "warn"].iter().chain(more).copied().collect();
    let Command::Setup(args) = Args::try_parse_from(words("setup", admin, &more))?.command else {
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

/// The command of a replica that is a process of its own: `program` is ingest, which serves at these addresses.
#[must_use]
pub fn command(program: &str, credentials: &Credentials, database: &str, api: SocketAddr, admin: SocketAddr) -> Program {
    let (api, admin) = (api.to_string(), admin.to_string());
    let more = ["--listen", &api, "--admin-listen", &admin, "--database-url", database];
    let mut command = Program::new(program);
    command.args(&words("serve", credentials, &more)[1..]).env_clear();
    command
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
