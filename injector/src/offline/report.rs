//! What became of each pod of a manifest, for people and for programs.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::mutate::Outcome;
use crate::pod::text;
use crate::policy::Reason;
use crate::review;
use crate::status::{Status, StepStatus};

/// Why the pods of an object are not even looked at: stable like the codes of [`Reason`].
pub const SERVICE: &str = "not_workflow_kind";
/// What that means.
const SERVICE_WORDS: &str = "its pods serve and do not end; only pods of Jobs, Argo workflows and lone pods carry steps";

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Kind, namespace and name: `Job`, `batch`, `pi`; the namespace absent where the manifest has none.
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name, or what the name will begin with and a star.
    pub name: String,
    /// Template of a workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// `inject` or `skip`; of `uninject` `remove` or `skip`.
    pub decision: &'static str,
    /// Stable code.
    pub reason: &'static str,
    /// In words: what holds and what to change.
    pub words: String,
    /// The rules that decided about a live pod, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Remarks, each beginning with its code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What each container got.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Whether a sidecar was wanted and is not there.
    pub disappoints: bool,
}

/// What one container got.
#[derive(Debug, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Whether it has a socket.
    pub socket: bool,
    /// `wrapped`, `file`, `off`, or the code of why its output is not captured.
    pub stdout: String,
}

impl Report {
    /// What the webhook's decision about one pod says.
    #[must_use]
    pub fn of(object: &Value, template: Option<String>, outcome: &Outcome) -> Self {
        let reason = outcome.reason;
        let patched = outcome.patch.as_ref().map(|patch| &patch.patched);
        let status = patched.and_then(|pod| Status::parse(crate::pod::Pod(pod).annotation(crate::names::STATUS_ANNOTATION)?));
        Self {
            template,
            decision: review::decision(reason),
            reason: reason.code(),
            words: reason.words().to_owned(),
            notes: outcome.notes.iter().map(ToString::to_string).collect(),
            containers: containers(status.unwrap_or_default()),
            disappoints: outcome.disappoints(),
            ..Self::about(object)
        }
    }

    /// A pod of which nothing can be said until its manifest is mended, and the path of what is wrong in it.
    #[must_use]
    pub fn malformed(object: &Value, template: Option<String>, path: &str) -> Self {
        let reason = Reason::MalformedPod;
        Self {
            template,
            reason: reason.code(),
            words: format!("{path} is missing or of another type than Kubernetes has; mend the manifest"),
            disappoints: reason.disappoints(),
            ..Self::about(object)
        }
    }

    /// An object whose pods are no steps.
    #[must_use]
    pub fn of_service(object: &Value) -> Self {
        Self { reason: SERVICE, words: SERVICE_WORDS.to_owned(), disappoints: true, ..Self::about(object) }
    }

    /// What was taken out of a pod.
    #[must_use]
    pub fn removed(object: &Value, template: Option<String>, was_there: bool) -> Self {
        let (decision, reason, words) = if was_there {
            ("remove", "removed", "the sidecar and everything that came with it is taken out")
        } else {
            ("skip", "not_injected", "nothing of agent-comms is in it")
        };
        Self { template, decision, reason, words: words.to_owned(), ..Self::about(object) }
    }

    /// An object, of which nothing is said yet.
    pub(crate) fn about(object: &Value) -> Self {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let prefix = || text(metadata, "generateName").map(|prefix| format!("{prefix}*"));
        Self {
            kind: text(object, "kind").unwrap_or_default().to_owned(),
            namespace: text(metadata, "namespace").map(str::to_owned),
            name: text(metadata, "name").map(str::to_owned).or_else(prefix).unwrap_or_else(|| "(unnamed)".to_owned()),
            template: None,
            decision: review::decision(Reason::NotPod),
            reason: Reason::NotPod.code(),
            words: String::new(),
            because: Vec::new(),
            notes: Vec::new(),
            containers: Vec::new(),
            disappoints: false,
        }
    }
}

/// What the containers of a pod got, as its status tells.
pub(crate) fn containers(status: Status) -> Vec<Container> {
    let steps = status.steps.into_iter();
    steps.map(|(name, StepStatus { socket, stdout })| Container { name, socket, stdout }).collect()
}

impl fmt::Display for Report {
    /// One line for the pod, and one below it for each container and remark.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.decision, self.disappoints) {
            ("skip", true) => "✗",
            ("skip", false) => "-",
            _ => "✓",
        };
        write!(formatter, "{sign} {}/", self.kind.to_lowercase())?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        write!(formatter, "{}", self.name)?;
        if let Some(template) = &self.template {
            write!(formatter, " template {template}")?;
        }
        write!(formatter, "  {}: {}", self.reason, self.words)?;
        for line in &self.because {
            write!(formatter, "\n    · {line}")?;
        }
        for Container { name, socket, stdout } in &self.containers {
            let socket = if *socket { "has its socket" } else { "has no socket" };
            write!(formatter, "\n    {name}: {socket}, output {}", stdout_words(stdout))?;
        }
        for note in &self.notes {
            write!(formatter, "\n    ! {note}")?;
        }
        Ok(())
    }
}

fn stdout_words(code: &str) -> &str {
    match code {
        "wrapped" => "captured (its command runs under agent-comms exec)",
        "file" => "captured (from the files that Argo's emissary writes)",
        "off" => "not captured",
        "command_unknown" => "not captured: set `command`, since the image's own is not known here (command_unknown)",
        "interactive" => "not captured: it has stdin or tty (interactive)",
        "exec_handlers" => "not captured: its probes or hooks run commands in it (exec_handlers)",
        "path_taken" => "not captured: it mounts something of its own there (path_taken)",
        "runtime_program" => "not captured: it runs the runtime's own program (runtime_program)",
        "switch_unset" => "not captured: ARGO_INCLUDE_SCRIPT_OUTPUT comes from elsewhere (switch_unset)",
        other => other,
    }
}
