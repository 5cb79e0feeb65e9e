//! Who a message belongs to: the run, and the pod that spoke for it.

/// The word for an identity that nobody knows, as publishers in the field send it.
pub const UNKNOWN: &str = "unknown";

/// A run, by the three names its subject carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunIdentity {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Name of the workflow object.
    pub name: String,
    /// Its uid, or [`UNKNOWN`].
    pub uid: String,
}

/// What makes two messages belong to one run: namespace and uid, or namespace and name where the uid is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunKey {
    /// Kubernetes namespace.
    pub namespace: String,
    /// The uid, or empty where it is unknown.
    pub uid: String,
    /// The name, only where the uid is unknown; else empty.
    pub name: String,
}

/// Whether a name says nothing: empty, or the word `unknown`.
#[must_use]
pub fn names_nothing(name: &str) -> bool {
    name.is_empty() || name == UNKNOWN
}

/// Step and attempt of an Argo node: a retried node is named after its retry node with `(N)` behind it; items of a loop look
/// alike but are no number alone.
#[must_use]
pub fn split_argo_node(node: &str) -> (&str, Option<u32>) {
    let split = node.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match split {
        Some((step, attempt)) if !step.is_empty() && attempt.bytes().all(|byte| byte.is_ascii_digit()) => {
            attempt.parse().map_or((node, None), |attempt| (step, Some(attempt)))
        }
        _ => (node, None),
    }
}

impl RunIdentity {
    /// A run nobody can name.
    #[must_use]
    pub fn unknown() -> Self {
        Self { namespace: UNKNOWN.to_owned(), name: UNKNOWN.to_owned(), uid: UNKNOWN.to_owned() }
    }

    /// The key of this run.
    #[must_use]
    pub fn key(&self) -> RunKey {
        if names_nothing(&self.uid) {
            RunKey { namespace: self.namespace.clone(), uid: String::new(), name: self.name.clone() }
        } else {
            RunKey { namespace: self.namespace.clone(), uid: self.uid.clone(), name: String::new() }
        }
    }
}

/// What a pod says of itself through labels, annotations, owner references and the downward API. A step cannot change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIdentity {
    /// The run.
    pub run: RunIdentity,
    /// Run id of an outer system.
    pub run_id: Option<String>,
    /// The step this pod runs.
    pub step_id: Option<String>,
    /// Name of the pod.
    pub pod: Option<String>,
    /// Uid of the pod; it goes into every id.
    pub pod_uid: String,
    /// Attempt of the step.
    pub attempt: Option<u32>,
    /// Default for [`crate::Message::agent_id`].
    pub agent_id: Option<String>,
    /// Default for [`crate::Message::stage`].
    pub stage: Option<String>,
    /// Default for [`crate::Message::channel`].
    pub channel: Option<String>,
    /// `native`, `argo`, ...
    pub runtime: Option<String>,
}

impl PodIdentity {
    /// Of a pod of which nothing but its uid is known.
    #[must_use]
    pub fn unknown(pod_uid: impl Into<String>) -> Self {
        Self {
            run: RunIdentity::unknown(),
            run_id: None,
            step_id: None,
            pod: None,
            pod_uid: pod_uid.into(),
            attempt: None,
            agent_id: None,
            stage: None,
            channel: None,
            runtime: None,
        }
    }
}
