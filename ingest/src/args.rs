//! The command line: every setting is a flag, then a variable, then a default.

pub mod access;
pub mod backfill;
pub mod client;
pub mod dead_letters;
pub mod replay;
pub mod runs;
pub mod serving;
pub mod size;
pub mod tail;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use service::logs::LogArgs;
use service::nats::NatsArgs;

use access::AccessArgs;
use backfill::BackfillArgs;
use client::Format;
use dead_letters::DeadLettersArgs;
use replay::ReplayArgs;
use runs::RunsArgs;
use serving::ServingArgs;
use size::Size;
use tail::TailArgs;

/// From `JetStream` to `PostgreSQL`, exactly once, and from there to people.
#[derive(Debug, Parser)]
#[command(name = "agent-comms-ingest", version)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store the stream, and serve history, live streams and pages
    Serve(Box<ServeArgs>),
    /// Create the stream and its durable consumer where they are missing; show how they differ where they are not
    ///
    /// For where no NACK controller makes them. Nothing that is there is ever changed or deleted: a changed consumer can pass
    /// over messages, a deleted one forgets what is stored. The exit code is 1 where a setting differs.
    Setup(Box<SetupArgs>),
    /// Fill the stream with what a pod's log and event files say and is not there yet
    ///
    /// Files are read as the pod's sidecar would have read them, so each message has the id that it would have had: what was
    /// published is found, in the table and in the stream, and only the rest is published. It can be run again at any time.
    /// What steps said through their socket is in no file and cannot be filled in.
    Backfill(Box<BackfillArgs>),
    /// Store what the stream holds and the tables have lost
    ///
    /// After a database was restored from an older copy, or rows were deleted: what is missing is stored as it was, with the
    /// same cursors; what is there is left alone, so it can be run again at any time, also while `serve` runs. What is
    /// restored is history: open pages show it once they are loaded again.
    Replay(Box<ReplayArgs>),
    /// List, show and retry what could not be read or stored
    DeadLetters(Box<DeadLettersArgs>),
    /// Show what runs and the shared channel say, in this terminal, while they say it
    Tail(Box<TailArgs>),
    /// List the runs
    Runs(Box<RunsArgs>),
}

/// Settings of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "AGENT_COMMS_ADMIN_LISTEN", default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    /// File that gets the bound addresses as JSON once they are served
    #[arg(long, env = "AGENT_COMMS_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Days that messages are kept; older ones are not stored
    #[arg(long, env = "AGENT_COMMS_RETENTION_DAYS", default_value_t = 30, value_name = "DAYS",
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub retention_days: u16,
    /// What the messages of all days together may take on disk, with their indexes, as `50Gi` or in bytes: beyond it the
    /// oldest days are dropped, today's never. Else only their age decides
    #[arg(long, env = "AGENT_COMMS_RETENTION_BYTES", value_name = "SIZE")]
    pub retention_bytes: Option<Size>,
    /// The server
    #[command(flatten)]
    pub serving: ServingArgs,
    /// Who may read
    #[command(flatten)]
    pub access: AccessArgs,
    /// `PostgreSQL`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// NATS
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Logs
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Settings of the connection to `PostgreSQL`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseArgs {
    /// Database, as `postgres://user:password@host:5432/name`
    #[arg(
        long,
        env = "AGENT_COMMS_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "database_url_file",
        conflicts_with = "database_url_file"
    )]
    pub database_url: Option<String>,
    /// File that holds the URL, so that no process list shows its password
    #[arg(long, env = "AGENT_COMMS_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
    /// Certificates of the authorities to trust, a PEM file; else the system's
    #[arg(long, env = "AGENT_COMMS_DATABASE_CA", value_name = "FILE")]
    pub database_ca: Option<PathBuf>,
    /// Connections at most. A replica that serves keeps half of them, 8 at most, for storing, and has two more that hold locks
    #[arg(long, env = "AGENT_COMMS_DATABASE_CONNECTIONS", default_value_t = 16, value_name = "COUNT",
          value_parser = clap::value_parser!(u16).range(4..=1000))]
    pub database_connections: u16,
}

/// Settings of `setup`.
#[derive(Debug, Clone, clap::Args)]
pub struct SetupArgs {
    /// NACK resources to create from; else those this program was built with
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Lines for people, or one JSON object for each stream and consumer
    #[arg(long, short, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// NATS, as a user who may create streams
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Logs
    #[command(flatten)]
    pub logs: LogArgs,
}
