//! Settings of the commands that ask the API, from any machine.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::client::server::Server;

/// Where the API is and how to be let in.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ClientArgs {
    /// The API, as `https://agent-comms.example.org`; http to this machine alone, as through `kubectl port-forward`
    #[arg(long, env = "AGENT_COMMS_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: Server,
    /// File with a token that the server takes; read again for each connection
    #[arg(long, env = "AGENT_COMMS_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates of the authorities to trust, a PEM file; else the system's
    #[arg(long, env = "AGENT_COMMS_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// How what was asked for is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct ShowArgs {
    /// Lines for people, or one JSON object a line
    #[arg(long, short, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// When to colour; `auto` means in a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// Times in UTC instead of this machine's zone
    #[arg(long)]
    pub utc: bool,
}

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line, as the API gives it.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// In a terminal that has them, unless `NO_COLOR` is set.
    Auto,
    /// Wherever the output goes.
    Always,
    /// Nowhere.
    Never,
}
