//! Every name that the injector puts into a pod or looks for, in one place: they are a contract with users, with the sidecar and with its image.

/// Label of namespaces (`enabled`) and pods (`enabled`, `disabled`).
pub const INJECT_LABEL: &str = "agent-comms.dev/inject";
/// Annotation that tells what was done to a pod.
pub const STATUS_ANNOTATION: &str = "agent-comms.dev/status";
/// Prefix of the annotations with which a pod changes the defaults.
pub const ANNOTATION_PREFIX: &str = "agent-comms.dev/";

/// Name of the sidecar.
pub const SIDECAR: &str = "agent-comms";
/// Name of the init container that stands in for the hook.
pub const INSTALLER: &str = "agent-comms-init";

/// Volume of sockets and logs.
pub const RUN_VOLUME: &str = "agent-comms";
/// Volume of spool and checkpoint.
pub const STATE_VOLUME: &str = "agent-comms-state";
/// Volume of the binary for steps.
pub const BIN_VOLUME: &str = "agent-comms-bin";
/// Volume of the credentials, and name of the Secret where that is behind it.
pub const NATS_VOLUME: &str = "agent-comms-nats";
/// All volumes that are ours.
pub const VOLUMES: [&str; 4] = [RUN_VOLUME, STATE_VOLUME, BIN_VOLUME, NATS_VOLUME];

/// Where sockets and logs are, in the sidecar as in steps.
pub const RUN_DIR: &str = "/run/agent-comms";
/// Where spool and checkpoint are, in the sidecar.
pub const STATE_DIR: &str = "/var/lib/agent-comms";
/// Where the binary for steps is.
pub const BIN_DIR: &str = "/run/agent-comms-bin";
/// Where the volumes that hold users' files are, in the sidecar.
pub const FILES_DIR: &str = "/run/agent-comms-files";
/// Where the credentials are, in the sidecar.
pub const NATS_DIR: &str = "/run/agent-comms-nats";
/// The token among them, a file.
pub const NATS_TOKEN: &str = "token";
/// Whom the token is for: nobody else takes it.
pub const NATS_TOKEN_AUDIENCE: &str = "agent-comms";
/// How long it is good, in seconds. The kubelet replaces it when four fifths of that are over.
pub const NATS_TOKEN_SECONDS: u64 = 3600;
/// Variables of the sidecar that say where its credentials are. The sidecar takes a certificate or a token, not both.
pub const NATS_CREDENTIALS: [&str; 3] = [NATS_CERT_VARIABLE, NATS_KEY_VARIABLE, NATS_TOKEN_VARIABLE];
/// Where its certificate is.
pub const NATS_CERT_VARIABLE: &str = "AGENT_COMMS_NATS_CERT";
/// Where the key of its certificate is.
pub const NATS_KEY_VARIABLE: &str = "AGENT_COMMS_NATS_KEY";
/// Where its token is.
pub const NATS_TOKEN_VARIABLE: &str = "AGENT_COMMS_NATS_TOKEN_FILE";

/// The binary in the sidecar's image.
pub const IMAGE_BINARY: &str = "/usr/local/bin/agent-comms";
/// The binary as steps find it.
pub const STEP_BINARY: &str = "/run/agent-comms-bin/agent-comms";

/// Variable of a step: its socket.
pub const SOCKET_VARIABLE: &str = "AGENT_COMMS_SOCKET";
/// Variable of a step: the directory whose files are followed.
pub const LOGS_VARIABLE: &str = "AGENT_COMMS_LOGS";
/// The socket, as a step sees it.
pub const SOCKET: &str = "/run/agent-comms/agent.sock";
/// The directory of logs, as a step sees it.
pub const LOGS: &str = "/run/agent-comms/logs";
/// Variable of the sidecar by which we know our own container when its status annotation was lost.
pub const MARKER_VARIABLE: &str = "AGENT_COMMS_INJECTED";

/// What is put before a wrapped command.
pub const WRAPPER: [&str; 3] = [STEP_BINARY, "exec", "--"];

/// Containers of meshes, which must start before the sidecar and end after it, and whose own work is none of ours.
pub const MESH_CONTAINERS: [&str; 12] = [
    "istio-init",
    "istio-validation",
    "istio-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
    "kuma-init",
    "kuma-validation",
    "kuma-sidecar",
    "consul-connect-inject-init",
    "consul-dataplane",
    "cilium-envoy",
];
