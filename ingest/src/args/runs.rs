//! Settings of `runs`.

use super::client::{ClientArgs, ShowArgs};

/// Settings of `runs`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunsArgs {
    /// Only runs that stand so: `running`, `succeeded`, `failed`, `ended`, `stalled`, or `active` for all that may go on; may
    /// be given again
    #[arg(long, value_name = "STATE", value_parser = ["active", "running", "succeeded", "failed", "ended", "stalled"])]
    pub state: Vec<String>,
    /// Only of this namespace
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Only runs whose name, uid, run id, agents or last words hold this text, case aside
    #[arg(long, short = 'q', value_name = "TEXT")]
    pub text: Option<String>,
    /// So many at most, newest first
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub limit: u16,
    /// Stay, and show each run again when it changes
    #[arg(long, short)]
    pub watch: bool,
    /// How it is shown
    #[command(flatten)]
    pub show: ShowArgs,
    /// Server
    #[command(flatten)]
    pub client: ClientArgs,
}
