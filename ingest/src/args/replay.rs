//! Settings of `replay`.

use std::str::FromStr;

use message::Timestamp;
use service::logs::LogArgs;
use service::nats::NatsArgs;

use super::DatabaseArgs;
use super::client::Format;
use crate::cursor::Cursor;

/// Settings of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// Where to begin: a cursor as 1.4711, a time of storing as 2026-11-26T08:00:00Z, or `start` for all that the stream holds
    #[arg(long, default_value = "start", value_name = "CURSOR|TIME|start")]
    pub from: From,
    /// Only tell what would be stored
    #[arg(long)]
    pub dry_run: bool,
    /// Days that messages are kept, as `serve` has it; older ones are not stored
    #[arg(long, env = "AGENT_COMMS_RETENTION_DAYS", default_value_t = 30, value_name = "DAYS",
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub retention_days: u16,
    /// Lines for people, or one JSON object
    #[arg(long, short, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
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

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest message that the stream holds.
    Start,
    /// With the message at a position, or the next one.
    Cursor(Cursor),
    /// With the first message that the stream stored at a moment or later.
    Time(Timestamp),
}

/// The text says no place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is neither a cursor as 1.4711, nor a time as 2026-11-26T08:00:00Z, nor `start`")]
pub struct FromError;

impl FromStr for From {
    type Err = FromError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "start" {
            return Ok(Self::Start);
        }
        let cursor = text.parse().ok().map(Self::Cursor);
        cursor.or_else(|| Timestamp::parse(text).map(Self::Time)).ok_or(FromError)
    }
}
