//! The command line of `agent-comms-injector`, and how its text becomes settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use service::logs::LogArgs;

use crate::annotations::{bounds, memory_bounds};
use crate::certificates::options::CertificateArgs;
use crate::check::CheckArgs;
use crate::cluster::ClusterArgs;
use crate::credentials::CredentialsArgs;
use crate::offline::command::{ExplainArgs, InjectArgs, UninjectArgs};
use crate::options::{Bounds, NatsAuth, Options, OuterRun, Resources};

/// Adds the agent-comms sidecar to workflow pods
#[derive(Debug, Parser)]
#[command(name = "agent-comms-injector", version)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer the API server's admission reviews
    Serve(Box<ServeArgs>),
    /// Add the sidecar to manifests: of pods, jobs, cron jobs, and Argo's workflows
    ///
    /// The manifests go to standard output, their comments and order kept, with -o json as JSON;
    /// what was done to each pod goes to standard error, as `explain -o json` tells it to programs.
    /// What holds no pods passes unchanged. Exit code 0: done; 1: failed; 2: wrong usage; 3: the
    /// manifests are written, and a pod that was to have a sidecar has none, with the reason told.
    /// So has one that serves and does not end, such as a Deployment's.
    ///
    ///   agent-comms-injector inject -f job.yaml | kubectl apply -f -
    #[command(verbatim_doc_comment)]
    Inject(Box<InjectArgs>),
    /// Take the sidecar out of manifests again
    ///
    /// The manifests go to standard output, as with `inject`; what was taken out goes to standard
    /// error. Exit code 0: done, also where nothing was there; 1: failed; 2: wrong usage.
    ///
    ///   agent-comms-injector uninject -f injected.yaml
    #[command(verbatim_doc_comment)]
    Uninject(UninjectArgs),
    /// Make the Secret with which the sidecars of a namespace connect to NATS
    ///
    /// It is made from the authority that NATS trusts. The Secret goes to standard output, how long it is valid to standard error. Its certificate
    /// names one user, and NATS lets that user speak for this namespace alone: `--permissions`
    /// prints the user's part of the server's settings.
    ///
    ///   agent-comms-injector credentials team-a --ca-cert ca.crt --ca-key ca.key | kubectl apply -f -
    #[command(verbatim_doc_comment)]
    Credentials(CredentialsArgs),
    /// Say whether a pod, or those of manifests, get a sidecar, why, and what to change
    ///
    /// With -o json: a list with an element for each pod, of which `reason` is a stable code. Exit
    /// code 0: every pod that asks for a sidecar gets one, or has it; 1: failed; 2: wrong usage; 3:
    /// one does not.
    ///
    ///   agent-comms-injector explain pod NAME -n NAMESPACE
    ///   agent-comms-injector explain -f job.yaml
    #[command(verbatim_doc_comment)]
    Explain(Box<ExplainArgs>),
    /// Say what of an installation is right, what is not, and what to do about it
    ///
    /// It reads the webhook configuration, the certificate behind it, nodes, namespaces and what is
    /// in them, and changes nothing; what you may not read is told as unknown. With -o json: a list
    /// of findings, of which `code` and `level` (ok, warn, fail, unknown) are stable. Exit code 0:
    /// nothing is wrong, as far as you may read; 1: the cluster could not be asked; 2: wrong usage;
    /// 3: something is wrong.
    ///
    ///   agent-comms-injector check -n agent-comms
    #[command(verbatim_doc_comment)]
    Check(Box<CheckArgs>),
}

/// Settings of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address for reviews, over TLS; port 0 takes a free one
    #[arg(long, env = "AGENT_COMMS_LISTEN", default_value = "0.0.0.0:8443", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Address for health and metrics
    #[arg(long, env = "AGENT_COMMS_ADMIN_LISTEN", default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    /// Write no events on the Jobs and workflows that own pods
    #[arg(long, env = "AGENT_COMMS_NO_EVENTS")]
    pub no_events: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub certificate: CertificateArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub pods: PodArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub logs: LogArgs,
}

/// What pods get, the same for the webhook and for manifests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pods")]
pub struct PodArgs {
    /// Image of the sidecar
    #[arg(long, env = "AGENT_COMMS_IMAGE", default_value = concat!("agent-comms:", env!("CARGO_PKG_VERSION")), value_name = "IMAGE")]
    pub image: String,
    /// Its pull policy
    #[arg(long, env = "AGENT_COMMS_IMAGE_PULL_POLICY", default_value = "IfNotPresent", value_parser = ["IfNotPresent", "Always", "Never"], value_name = "POLICY")]
    pub image_pull_policy: String,
    /// Address of NATS for sidecars
    #[arg(long, env = "AGENT_COMMS_NATS_URL", value_name = "URL,...")]
    pub nats_url: Option<String>,
    /// Certificates of NATS' authorities, a PEM file; sidecars get its text
    #[arg(long, env = "AGENT_COMMS_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// With what sidecars tell NATS who they are
    #[arg(long, env = "AGENT_COMMS_NATS_AUTH", default_value = "certificate", value_name = "WHAT")]
    pub nats_auth: NatsAuth,
    /// Leave pods on the host's network alone
    #[arg(long, env = "AGENT_COMMS_SKIP_HOST_NETWORK")]
    pub skip_host_network: bool,
    /// The cluster is older than Kubernetes 1.29: inject nothing, and say why
    #[arg(long, env = "AGENT_COMMS_NO_NATIVE_SIDECARS")]
    pub no_native_sidecars: bool,
    /// Names of further containers that belong to a mesh
    #[arg(long, env = "AGENT_COMMS_MESH_CONTAINERS", value_delimiter = ',', value_name = "NAME,...")]
    pub mesh_containers: Vec<String>,
    /// Labels that name the run above a Job, each with the kind of object that owns the Job
    #[arg(
        long,
        env = "AGENT_COMMS_OUTER_RUNS",
        value_delimiter = ',',
        default_value = "agents.proompteng.ai/agent-run=AgentRun",
        value_parser = outer_run,
        value_name = "LABEL=KIND,..."
    )]
    pub outer_runs: Vec<OuterRun>,
    /// Processor time of a sidecar
    #[arg(long, env = "AGENT_COMMS_SIDECAR_CPU", default_value = "10m/500m", value_parser = bounds, value_name = "REQUEST/LIMIT")]
    pub sidecar_cpu: Bounds,
    /// Memory of a sidecar
    #[arg(long, env = "AGENT_COMMS_SIDECAR_MEMORY", default_value = "24Mi/64Mi", value_parser = memory_bounds, value_name = "REQUEST/LIMIT")]
    pub sidecar_memory: Bounds,
}

impl PodArgs {
    /// The settings as values. Reads the authorities' file.
    pub fn options(self) -> anyhow::Result<Options> {
        let nats_ca_pem = match &self.nats_ca {
            Some(path) => {
                service::tls::certificates(path)?;
                Some(std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?)
            }
            None => None,
        };
        Ok(Options {
            image: self.image,
            image_pull_policy: self.image_pull_policy,
            nats_url: self.nats_url,
            nats_ca_pem,
            nats_auth: self.nats_auth,
            skip_host_network: self.skip_host_network,
            native_sidecars: !self.no_native_sidecars,
            mesh_containers: self.mesh_containers,
            outer_runs: self.outer_runs,
            resources: Resources { cpu: self.sidecar_cpu, memory: self.sidecar_memory },
        })
    }
}

fn outer_run(text: &str) -> Result<OuterRun, String> {
    match text.split_once('=') {
        Some((label, kind)) if !label.is_empty() && !kind.is_empty() => {
            Ok(OuterRun { label: label.to_owned(), kind: kind.to_owned() })
        }
        _ => Err(format!("`{text}` is not LABEL=KIND")),
    }
}
