//! Settings of `dead-letters`.

use clap::Subcommand;
use service::logs::LogArgs;

use super::DatabaseArgs;
use super::client::ShowArgs;
use crate::cursor::Cursor;

/// Settings of `dead-letters`.
#[derive(Debug, Clone, clap::Args)]
pub struct DeadLettersArgs {
    /// What to do with them
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

const CLASSES: &str = "\
Classes:
  decode     its body is no JSON object
  schema     its body has neither content nor tool
  subject    its subject has none of the forms of a workflow's message
  identity   its body names another run than its subject, which decides
  refused    PostgreSQL refused the row
  conflict   it has the id of another message and says something else
  late       it came when everything up to its place was settled
  discarded  the stream discarded it before it was stored; nobody has its bytes";

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLettersCommand {
    /// List them, newest first
    #[command(after_long_help = CLASSES)]
    List(ListArgs),
    /// Show one with its headers and its body
    Show(ShowLetterArgs),
    /// Read them anew with this program, and store those that can be read now
    ///
    /// What could not be read by an older program may be readable by this one; what PostgreSQL refused, it may take now.
    /// One that came late becomes part of history, where open pages show it once they are loaded again. One that has the id
    /// of another message and says something else stays, as long as that one is stored. What the stream discarded cannot
    /// be retried: nobody has its bytes.
    Retry(RetryArgs),
}

/// Settings of `dead-letters list`.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Only of this class: `decode`, `schema`, `subject`, `identity`, `refused`, `conflict`, `late`, `discarded`; may be
    /// given again
    #[arg(long, value_name = "CLASS")]
    pub class: Vec<String>,
    /// Also those that became messages when they were retried
    #[arg(long)]
    pub all: bool,
    /// So many at most
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Only those below this cursor
    #[arg(long, value_name = "CURSOR")]
    pub before: Option<Cursor>,
    /// How they are shown
    #[command(flatten)]
    pub show: ShowArgs,
    /// `PostgreSQL`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Logs
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Settings of `dead-letters show`.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowLetterArgs {
    /// Which, by its cursor, as in 1.4711
    #[arg(value_name = "CURSOR")]
    pub cursor: Cursor,
    /// Its body alone, as it was published, byte for byte
    #[arg(long)]
    pub raw: bool,
    /// How it is shown
    #[command(flatten)]
    pub show: ShowArgs,
    /// `PostgreSQL`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Logs
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Settings of `dead-letters retry`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["cursor", "class", "every"]))]
pub struct RetryArgs {
    /// Which, by their cursors, as in 1.4711
    #[arg(value_name = "CURSOR")]
    pub cursor: Vec<Cursor>,
    /// All of this class; may be given again
    #[arg(long, value_name = "CLASS")]
    pub class: Vec<String>,
    /// All of them
    #[arg(long)]
    pub every: bool,
    /// Only tell what would become of them
    #[arg(long)]
    pub dry_run: bool,
    /// How it is shown
    #[command(flatten)]
    pub show: ShowArgs,
    /// `PostgreSQL`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Logs
    #[command(flatten)]
    pub logs: LogArgs,
}
