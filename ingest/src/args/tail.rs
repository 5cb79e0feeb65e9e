//! Settings of `tail`.

use super::client::{ClientArgs, ShowArgs};

/// Settings of `tail`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["run", "workflow", "channel"]))]
pub struct TailArgs {
    /// A run, by its workflow's uid or an outer system's run id; may be given again. One that has not spoken is waited for
    #[arg(long, value_name = "ID")]
    pub run: Vec<String>,
    /// The latest run of a workflow of this name; may be given again. One that has not spoken is waited for
    #[arg(long, value_name = "NAME")]
    pub workflow: Vec<String>,
    /// The channel that all runs share: `general`
    #[arg(long, value_name = "CHANNEL", value_parser = [message::GENERAL_CHANNEL])]
    pub channel: Option<String>,
    /// Only of this namespace
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Only messages of this kind, as `message`, `tool_call` or `error`; may be given again
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Only what this agent says; may be given again
    #[arg(long, value_name = "AGENT")]
    pub agent: Vec<String>,
    /// Begin with so many of the newest messages
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub last: u16,
    /// Begin after this message: a `cursor` of `-o json`
    #[arg(long, value_name = "CURSOR", conflicts_with = "last")]
    pub after: Option<String>,
    /// End when everything that was said is shown
    #[arg(long)]
    pub no_follow: bool,
    /// How it is shown
    #[command(flatten)]
    pub show: ShowArgs,
    /// Server
    #[command(flatten)]
    pub client: ClientArgs,
}
