//! Logs: to standard error, as text on a terminal and as one JSON object a line elsewhere. Standard output belongs to
//! what a command prints.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

const DEFAULT_FILTER: &str = "info";

/// Libraries that tell what they carry, and the most that is logged of each whatever the filter says: below it are bodies of
/// messages, values of rows, and the addresses of servers with the passwords that are in them. None of that is ever logged.
const MOST: [(&str, LevelFilter); 2] = [("async_nats", LevelFilter::INFO), ("tokio_postgres", LevelFilter::INFO)];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

/// Settings of logs, to flatten into a command's arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// What is logged: a level (error, warn, info, debug, trace) or directives such as `info,sidecar=debug`
    #[arg(long, env = "AGENT_COMMS_LOG", default_value = DEFAULT_FILTER, value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "AGENT_COMMS_LOG_FORMAT", default_value = "auto", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

impl LogArgs {
    /// What is logged where nobody says.
    #[must_use]
    pub fn default_filter() -> &'static str {
        DEFAULT_FILTER
    }
}

/// Whether a filter can be read.
///
/// # Errors
/// What is wrong with it.
pub fn check_filter(filter: &str) -> Result<(), String> {
    read_filter(filter).map(drop)
}

/// Levels by module, and nothing of spans and their fields: that takes automata, which every process would hold in memory.
fn read_filter(filter: &str) -> Result<Targets, String> {
    let directives = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let mut targets = Targets::new();
    for directive in directives {
        let read: Targets = directive.parse().map_err(|error| format!("`{directive}` cannot be read: {error}"))?;
        targets = match read.default_level() {
            Some(level) => targets.with_default(level),
            None => targets.with_targets(read),
        };
    }
    let targets = if targets.default_level().is_some() { targets } else { targets.with_default(LevelFilter::INFO) };
    Ok(without_bodies(&targets))
}

fn without_bodies(targets: &Targets) -> Targets {
    let default = targets.default_level().unwrap_or(LevelFilter::INFO);
    // What the filter says of any part of a library takes the place of what is said of the whole.
    let whole = MOST.map(|(library, most)| (library.to_owned(), default.min(most)));
    let named = targets.iter().map(|(target, level)| {
        let most = MOST.iter().find(|(library, _)| target.starts_with(library)).map_or(level, |(_, most)| *most);
        (target.to_owned(), level.min(most))
    });
    Targets::new().with_default(default).with_targets(whole).with_targets(named)
}

/// Starts logging. A filter that cannot be read means `info`, told in the first line: logs are no reason to refuse work.
/// A second call in one process changes nothing.
pub fn start(args: &LogArgs) {
    let (filter, problem) = match read_filter(&args.log) {
        Ok(filter) => (filter, None),
        Err(error) => (Targets::new().with_default(LevelFilter::INFO), Some(error)),
    };
    let terminal = std::io::stderr().is_terminal();
    let json = match args.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(terminal && !json);
    let registry = registry().with(filter);
    let started = if json {
        registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
    } else {
        registry.with(layer).try_init()
    };
    if let (Ok(()), Some(error)) = (started, problem) {
        tracing::warn!(log.filter = args.log, error = %error, "log filter cannot be read, using `info`");
    }
}

#[cfg(test)]
mod tests;
