//! What a platform team decides for all pods: values past the edge, nothing here parses a command line.

use clap::ValueEnum;

use crate::quantity::Quantity;

/// Settings that decision and patch depend on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Image of the sidecar.
    pub image: String,
    /// Its pull policy.
    pub image_pull_policy: String,
    /// Address of NATS, as the sidecar gets it.
    pub nats_url: Option<String>,
    /// Certificates of NATS' authority, as PEM.
    pub nats_ca_pem: Option<String>,
    /// With what sidecars tell NATS who they are.
    pub nats_auth: NatsAuth,
    /// Whether pods on the host's network stay without a sidecar.
    pub skip_host_network: bool,
    /// Whether the cluster runs native sidecars.
    pub native_sidecars: bool,
    /// Names of containers to treat as a mesh's, beside the known ones.
    pub mesh_containers: Vec<String>,
    /// Labels that promise a run above the Job.
    pub outer_runs: Vec<OuterRun>,
    /// Requests and limits of the sidecar.
    pub resources: Resources,
}

/// With what sidecars tell NATS who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NatsAuth {
    /// The certificate of their namespace, from its Secret `agent-comms-nats`
    #[default]
    Certificate,
    /// A token of their pod's service account that is good for agent-comms alone; no namespace needs a Secret
    Token,
}

impl NatsAuth {
    /// As settings, logs and the status name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

/// A kind of object that starts one run per object, by way of Jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuterRun {
    /// Label on the pod that holds the object's name.
    pub label: String,
    /// Kind of the object that owns the Job.
    pub kind: String,
}

impl OuterRun {
    /// The label beside [`Self::label`] that holds the step's name.
    #[must_use]
    pub fn step_label(&self) -> String {
        self.label.rsplit_once('/').map_or_else(|| "step".to_owned(), |(prefix, _)| format!("{prefix}/step"))
    }
}

/// Request and limit of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What the scheduler reserves.
    pub request: Quantity,
    /// What the kernel allows.
    pub limit: Quantity,
}

/// Requests and limits of the sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Processor time.
    pub cpu: Bounds,
    /// Memory.
    pub memory: Bounds,
}

impl Default for Resources {
    fn default() -> Self {
        let mebibyte = 1000 << 20;
        Self {
            cpu: Bounds { request: Quantity::known("10m", 10), limit: Quantity::known("500m", 500) },
            memory: Bounds { request: Quantity::known("24Mi", 24 * mebibyte), limit: Quantity::known("64Mi", 64 * mebibyte) },
        }
    }
}
