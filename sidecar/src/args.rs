//! Settings: flag, then variable, then default. Past this place nothing parses text.
//!
//! In a pod a process that ends at its start would hold the step, so there every setting that cannot be used means its
//! default and a [`Problem`], which is logged and told as a `gap` record. Elsewhere clap ends the process with the reason.

mod lenient;
mod parsing;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use message::identity::split_argo_node;
use message::{PodIdentity, RunIdentity, UNKNOWN};
use records::rules::Format;
use service::logs::LogArgs;
use service::nats::NatsArgs;

use crate::files::pattern::Pattern;
use crate::publish::bucket::Rate;
use crate::steps::Restarts;

pub use lenient::{Problem, parse};
pub use parsing::{LogFormat, ParsingArgs};

/// Seconds of the longest drain: no pod waits for longer, and far beyond it no clock has the deadline.
const LONGEST_DRAIN: u64 = 24 * 60 * 60;

/// Carries what a workflow step says to the stream, and to the people who watch
#[derive(Debug, Parser)]
#[command(name = "agent-comms", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read sockets and files and publish them, until SIGTERM
    Run(Box<RunArgs>),
    /// Put the binary where steps find it, and wait until the sockets exist, two seconds at most
    Ready(ReadyArgs),
    /// The same, as an init container
    Init(ReadyArgs),
    /// Run a command as if it ran alone, and hand over what it writes and how it ends
    Exec(ExecArgs),
    /// Say one message through the socket
    Emit(EmitArgs),
    /// Read what all runs say to each other in the channel `general`
    Read(ReadArgs),
    /// Show what a log becomes, to try rules and patterns
    Parse(Box<ParseArgs>),
}

/// Where the sockets are.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// Directory of the sockets and log directories
    #[arg(long, env = "AGENT_COMMS_RUN_DIR", default_value = "/run/agent-comms", value_name = "DIR")]
    pub run_dir: PathBuf,
    /// The step's containers, each with a socket of its own; none: one socket
    #[arg(long, env = "AGENT_COMMS_CONTAINERS", value_delimiter = ',', value_name = "NAME,...")]
    pub containers: Vec<String>,
}

/// Settings of `ready` and `init`.
#[derive(Debug, Clone, Args)]
pub struct ReadyArgs {
    /// Directory to put this binary into; none: steps do not need it
    #[arg(long, env = "AGENT_COMMS_INSTALL_DIR", value_name = "DIR")]
    pub install_dir: Option<PathBuf>,
    #[command(flatten)]
    /// Where the sockets are.
    pub place: PlaceArgs,
}

/// Settings of `exec`.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// The socket
    #[arg(long, env = "AGENT_COMMS_SOCKET", default_value = "/run/agent-comms/agent.sock", value_name = "FILE")]
    pub socket: PathBuf,
}

/// Settings of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Directory of spool and checkpoint
    #[arg(long, env = "AGENT_COMMS_STATE_DIR", default_value = "/var/lib/agent-comms", value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Files to follow: `[container:]glob,...`
    #[arg(long, env = "AGENT_COMMS_FILES", value_delimiter = ',', value_parser = Pattern::parse, value_name = "GLOB,...")]
    pub files: Vec<Pattern>,
    /// Those of the containers that end before the step begins: of their end nothing is told
    #[arg(long, env = "AGENT_COMMS_INIT_CONTAINERS", value_delimiter = ',', value_name = "NAME,...")]
    pub init_containers: Vec<String>,
    /// Whether a container that ended is started again: then its end is told only when the pod ends
    #[arg(long, env = "AGENT_COMMS_RESTARTS", default_value = "never", value_name = "WHEN")]
    pub restarts: Restarts,
    /// A pod depends on this process: nothing but SIGTERM ends it
    #[arg(long, env = "AGENT_COMMS_IN_POD")]
    pub in_pod: bool,
    /// Seconds between SIGTERM and SIGKILL; two less are used to send what is left. Outside a pod 7
    #[arg(long, env = "AGENT_COMMS_GRACE_SECONDS", value_name = "N")]
    pub grace_seconds: Option<u64>,
    /// Bytes that the spool may hold
    #[arg(long, env = "AGENT_COMMS_SPOOL_BYTES", default_value_t = 256 * 1024 * 1024, value_name = "N")]
    pub spool_bytes: u64,
    /// Messages a second that may be sent, 0 for any number
    #[arg(long, env = "AGENT_COMMS_RATE_MESSAGES", default_value_t = 2_000, value_name = "N")]
    pub rate_messages: u32,
    /// The same, as a pod's annotation says it; it goes before
    #[arg(long, env = "AGENT_COMMS_RATE", value_name = "N")]
    pub rate: Option<u32>,
    /// Bytes a second that may be sent, 0 for any number
    #[arg(long, env = "AGENT_COMMS_RATE_BYTES", default_value_t = 4 * 1024 * 1024, value_name = "N")]
    pub rate_bytes: u32,
    /// What the lines are: auto, text, codex, claude, gemini or runner; goes before what the rules say
    #[arg(long, env = "AGENT_COMMS_FORMAT", value_name = "FORMAT")]
    pub format: Option<Format>,
    #[command(flatten)]
    /// How lines become messages.
    pub parsing: ParsingArgs,
    /// Whether steps may read the channel of all runs through the socket
    #[arg(long, env = "AGENT_COMMS_READ", value_enum, default_value_t, value_name = "WHETHER")]
    pub read: Reading,
    /// TCP port for `/metrics`, beside the sockets; none: no port
    #[arg(long, env = "AGENT_COMMS_METRICS_PORT", value_name = "PORT")]
    pub metrics_port: Option<u16>,
    #[command(flatten)]
    /// Where the sockets are.
    pub place: PlaceArgs,
    #[command(flatten)]
    /// Who speaks.
    pub identity: IdentityArgs,
    #[command(flatten)]
    /// Where it goes.
    pub nats: NatsArgs,
    #[command(flatten)]
    /// Logs.
    pub logs: LogArgs,
}

/// Who speaks; set from what the pod says of itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentityArgs {
    /// Namespace of the run
    #[arg(long, env = "AGENT_COMMS_NAMESPACE", default_value = UNKNOWN)]
    pub namespace: String,
    /// Name of the run
    #[arg(long, env = "AGENT_COMMS_WORKFLOW_NAME", default_value = UNKNOWN)]
    pub workflow_name: String,
    /// Uid of the run
    #[arg(long, env = "AGENT_COMMS_WORKFLOW_UID", default_value = UNKNOWN)]
    pub workflow_uid: String,
    /// Run id of an outer system
    #[arg(long, env = "AGENT_COMMS_RUN_ID")]
    pub run_id: Option<String>,
    /// Step of the run
    #[arg(long, env = "AGENT_COMMS_STEP_ID")]
    pub step_id: Option<String>,
    /// Name of the pod
    #[arg(long, env = "AGENT_COMMS_POD")]
    pub pod: Option<String>,
    /// Uid of the pod; it goes into every message id
    #[arg(long, env = "AGENT_COMMS_POD_UID")]
    pub pod_uid: Option<String>,
    /// Attempt of the step
    #[arg(long, env = "AGENT_COMMS_ATTEMPT", value_name = "N")]
    pub attempt: Option<u32>,
    /// Who speaks, where a record does not say it
    #[arg(long, env = "AGENT_COMMS_AGENT_ID")]
    pub agent_id: Option<String>,
    /// Stage of the run
    #[arg(long, env = "AGENT_COMMS_STAGE")]
    pub stage: Option<String>,
    /// Channel of records that name none
    #[arg(long, env = "AGENT_COMMS_CHANNEL")]
    pub channel: Option<String>,
    /// What runs the workflow: native, argo, ...
    #[arg(long, env = "AGENT_COMMS_RUNTIME", default_value = "native")]
    pub runtime: String,
}

/// Settings of `emit`.
#[derive(Debug, Clone, Args)]
pub struct EmitArgs {
    /// The text; standard input where there is none
    pub text: Vec<String>,
    /// What sort of message: message, status, error, log, ...
    #[arg(long)]
    pub kind: Option<String>,
    /// `general` to show it in the channel of all runs as well
    #[arg(long)]
    pub channel: Option<String>,
    /// Who speaks
    #[arg(long)]
    pub agent: Option<String>,
    /// An attribute, `key=value`; may be given again
    #[arg(long = "attr", value_name = "KEY=VALUE", value_parser = attribute)]
    pub attributes: Vec<(String, String)>,
    /// Seconds to go on trying while nobody answers
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub timeout: u64,
    /// The socket
    #[arg(long, env = "AGENT_COMMS_SOCKET", default_value = "/run/agent-comms/agent.sock", value_name = "FILE")]
    pub socket: PathBuf,
}

/// Settings of `read`.
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// How many of the newest messages, at most 1000
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub last: u32,
    /// Stay, and show what is said from now on
    #[arg(long, short)]
    pub follow: bool,
    /// How messages are shown; json: each in a line
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
    pub output: Reply,
    /// When to use colours; `NO_COLOR` turns them off
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Seconds to go on trying while nobody answers
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub timeout: u64,
    /// The socket
    #[arg(long, env = "AGENT_COMMS_SOCKET", default_value = "/run/agent-comms/agent.sock", value_name = "FILE")]
    pub socket: PathBuf,
}

/// How `read` shows messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Reply {
    /// For people.
    #[default]
    Text,
    /// One message a line.
    Json,
}

/// Whether steps may read the channel of all runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Reading {
    /// They may.
    #[default]
    On,
    /// They get no answer but this.
    Off,
}

/// Settings of `parse`.
#[derive(Debug, Clone, Args)]
pub struct ParseArgs {
    /// The log; `-` reads standard input
    pub log: PathBuf,
    /// What its lines are: auto, text, codex, claude, gemini, runner, or a TOML file of rules
    #[arg(long, value_parser = LogFormat::parse, value_name = "FORMAT|FILE.toml")]
    pub format: Option<LogFormat>,
    /// How messages are shown; json: each in a line, as it would be published
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
    /// When to use colours; `NO_COLOR` turns them off
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Container that wrote the log
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    #[command(flatten)]
    /// How lines become messages.
    pub parsing: ParsingArgs,
    #[command(flatten)]
    /// Who speaks.
    pub identity: IdentityArgs,
}

/// How `parse` shows messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Pretty,
    /// One message a line, as it would be published.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl RunArgs {
    /// How long sending what is left may take.
    #[must_use]
    pub fn drain_time(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.unwrap_or(7).saturating_sub(2).clamp(1, LONGEST_DRAIN))
    }

    /// The rate of the token bucket; nothing means no bound.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        let or_any = |number: u32| if number == 0 { f64::INFINITY } else { f64::from(number) };
        let (messages, bytes) = (or_any(self.rate.unwrap_or(self.rate_messages)), or_any(self.rate_bytes));
        (messages.is_finite() || bytes.is_finite()).then_some(Rate { messages, bytes, burst: Duration::from_secs(10) })
    }
}

impl IdentityArgs {
    /// The identity that every message carries. Without the pod's uid the pod's name and run stand for it: ids then are
    /// unique as far as those are.
    #[must_use]
    pub fn pod_identity(&self) -> PodIdentity {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let stand_in = || {
            let pod = self.pod.as_deref().unwrap_or_default();
            format!("{}/{}/{}/{pod}", self.namespace, self.workflow_name, self.workflow_uid)
        };
        let (step_id, attempt) = self.step();
        PodIdentity {
            run: RunIdentity {
                namespace: self.namespace.clone(),
                name: self.workflow_name.clone(),
                uid: self.workflow_uid.clone(),
            },
            run_id: given(&self.run_id),
            step_id,
            pod: given(&self.pod),
            pod_uid: given(&self.pod_uid).unwrap_or_else(stand_in),
            attempt,
            agent_id: given(&self.agent_id),
            stage: given(&self.stage),
            channel: given(&self.channel),
            runtime: Some(self.runtime.clone()),
        }
    }
}

impl IdentityArgs {
    /// Step and attempt. A manifest that is made before its pods can only name Argo's node, which has the attempt behind the step.
    fn step(&self) -> (Option<String>, Option<u32>) {
        let step_id = self.step_id.clone().filter(|step_id| !step_id.is_empty());
        match step_id.as_deref().map(split_argo_node) {
            Some((step, Some(attempt))) if self.runtime == "argo" && self.attempt.is_none() => {
                (Some(step.to_owned()), Some(attempt))
            }
            _ => (step_id, self.attempt),
        }
    }
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write it as key=value"))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;
