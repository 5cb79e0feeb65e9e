//! Settings of `backfill`.

use std::path::{Path, PathBuf};

use message::{PodIdentity, RunIdentity, UNKNOWN};
use records::rules::{Format as LinesFormat, RULES_LIMIT};
use records::{Redactor, Rules};
use service::logs::LogArgs;
use service::nats::NatsArgs;

use super::DatabaseArgs;
use super::client::Format;

/// Settings of `backfill`.
#[derive(Debug, Clone, clap::Args)]
pub struct BackfillArgs {
    /// Log and event files of one pod that nobody writes to any more
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the sidecar called each file, in the order of the files: container, colon and path as the sidecar saw it, as in
    /// `main:/logs/agent.log`; it is `source.label` of messages that are there already
    #[arg(long, required = true, value_name = "LABEL", value_parser = label)]
    pub source: Vec<String>,
    /// Which life of each file, in their order, or one for all; a file that was replaced or cut off began another
    #[arg(long, default_value = "1", value_name = "N")]
    pub generation: Vec<u64>,
    /// Container that wrote them; else what stands before the colon of each label
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Rules for text that the sidecar had: a TOML file
    #[arg(long, value_name = "FILE", value_parser = rules)]
    pub rules: Option<Rules>,
    /// What the lines are, as the sidecar was told: auto, text, codex, claude, gemini or runner
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<LinesFormat>,
    /// A regular expression whose matches are secret as well; may be given again
    #[arg(long, value_name = "REGEX")]
    pub redact: Vec<String>,
    /// Messages a second at most, 0 for any number
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    pub rate: u32,
    /// Only tell what would be published
    #[arg(long)]
    pub dry_run: bool,
    /// Lines for people, or one JSON object
    #[arg(long, short, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// Whose files they are
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// As whom it publishes
    #[command(flatten)]
    pub publish: PublishArgs,
    /// `PostgreSQL`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// NATS, as ingest: what the stream holds is read
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Logs
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Whose files they are: as the pod said it to its sidecar.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentityArgs {
    /// Namespace of the run
    #[arg(long)]
    pub namespace: String,
    /// Name of the run
    #[arg(long)]
    pub workflow_name: String,
    /// Uid of the run
    #[arg(long, default_value = UNKNOWN)]
    pub workflow_uid: String,
    /// Uid of the pod; it goes into every message id
    #[arg(long)]
    pub pod_uid: String,
    /// Name of the pod
    #[arg(long)]
    pub pod: Option<String>,
    /// Run id of an outer system
    #[arg(long)]
    pub run_id: Option<String>,
    /// Step of the run
    #[arg(long)]
    pub step_id: Option<String>,
    /// Attempt of the step
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
    /// Who speaks, where a record does not say it
    #[arg(long)]
    pub agent_id: Option<String>,
    /// Stage of the run
    #[arg(long)]
    pub stage: Option<String>,
    /// Channel of records that name none
    #[arg(long)]
    pub channel: Option<String>,
    /// What ran the workflow: native, argo, ...
    #[arg(long, default_value = "native")]
    pub runtime: String,
}

/// As whom it publishes: ingest may not, so these are credentials of a publisher of that namespace.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Publishing")]
pub struct PublishArgs {
    /// Servers to publish to; else those of --nats-url
    #[arg(long, env = "AGENT_COMMS_PUBLISH_NATS_URL", value_name = "URL,...")]
    pub publish_nats_url: Option<String>,
    /// Certificates of the authorities to trust, a PEM file; else those of --nats-ca
    #[arg(long, env = "AGENT_COMMS_PUBLISH_NATS_CA", value_name = "FILE")]
    pub publish_nats_ca: Option<PathBuf>,
    /// The publisher's certificate, a PEM file
    #[arg(
        long,
        env = "AGENT_COMMS_PUBLISH_NATS_CERT",
        value_name = "FILE",
        requires = "publish_nats_key",
        required_unless_present_any = ["publish_nats_token_file", "nats_plaintext", "dry_run"]
    )]
    pub publish_nats_cert: Option<PathBuf>,
    /// Its private key, a PEM file
    #[arg(long, env = "AGENT_COMMS_PUBLISH_NATS_KEY", value_name = "FILE", requires = "publish_nats_cert")]
    pub publish_nats_key: Option<PathBuf>,
    /// A token that says who publishes, in place of a certificate
    #[arg(
        long,
        env = "AGENT_COMMS_PUBLISH_NATS_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with_all = ["publish_nats_cert", "publish_nats_key"]
    )]
    pub publish_nats_token_file: Option<PathBuf>,
    /// Prefix of the subjects that answers come to, as in `_INBOX_shop`
    #[arg(long, env = "AGENT_COMMS_PUBLISH_NATS_INBOX_PREFIX", value_name = "PREFIX")]
    pub publish_nats_inbox_prefix: Option<String>,
}

impl BackfillArgs {
    /// How to reach the server as the publisher.
    #[must_use]
    pub fn publisher(&self) -> NatsArgs {
        let (publish, nats) = (self.publish.clone(), self.nats.clone());
        let has_authorities = publish.publish_nats_ca.is_some();
        NatsArgs {
            nats_url: publish.publish_nats_url.unwrap_or(nats.nats_url),
            nats_ca_pem: nats.nats_ca_pem.filter(|_| !has_authorities),
            nats_ca: publish.publish_nats_ca.or(nats.nats_ca),
            nats_cert: publish.publish_nats_cert,
            nats_key: publish.publish_nats_key,
            nats_token_file: publish.publish_nats_token_file,
            nats_inbox_prefix: publish.publish_nats_inbox_prefix,
            nats_plaintext: nats.nats_plaintext,
        }
    }

    /// The rules for text, with the format where one is given.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let rules = self.rules.clone().unwrap_or_default();
        match self.format {
            Some(format) => rules.with_format(format),
            None => rules,
        }
    }

    /// What replaces secrets, as the sidecar had it.
    ///
    /// # Errors
    /// When a pattern cannot be read, or all together are too large.
    pub fn redactor(&self) -> Result<Redactor, records::redact::PatternError> {
        let mut patterns: Vec<(String, String)> =
            self.redact.iter().map(|pattern| ("user".to_owned(), pattern.clone())).collect();
        patterns.extend(self.rules.iter().flat_map(Rules::redactions).cloned());
        Redactor::new(&patterns)
    }
}

impl IdentityArgs {
    /// The identity that every message carries.
    #[must_use]
    pub fn pod_identity(&self) -> PodIdentity {
        let Self { namespace, workflow_name, workflow_uid, .. } = self.clone();
        PodIdentity {
            run: RunIdentity { namespace, name: workflow_name, uid: workflow_uid },
            run_id: self.run_id.clone(),
            step_id: self.step_id.clone(),
            pod: self.pod.clone(),
            pod_uid: self.pod_uid.clone(),
            attempt: self.attempt,
            agent_id: self.agent_id.clone(),
            stage: self.stage.clone(),
            channel: self.channel.clone(),
            runtime: Some(self.runtime.clone()),
        }
    }
}

/// What came through a socket is in no file: its positions are those of the sidecar's spool.
fn label(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it is empty; give what `source.label` of the file's messages says".to_owned()),
        "spool" => Err("what steps said through their socket cannot be filled in from a file: its ids were made in the \
                        sidecar's spool, which ends with the pod; only files that the sidecar followed can"
            .to_owned()),
        label => Ok(label.to_owned()),
    }
}

fn rules(path: &str) -> Result<Rules, String> {
    let length = std::fs::metadata(Path::new(path)).map_err(|error| error.to_string())?.len();
    if length > RULES_LIMIT as u64 {
        return Err(format!("the file has {length} bytes; at most {RULES_LIMIT} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Rules::parse(&text).map_err(|error| error.to_string())
}
