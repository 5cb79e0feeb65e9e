//! Whose messages a sidecar publishes, told to it by variables: literal where admission knows the value, by downward API where it does not.

use serde_json::{Value, json};

/// The step of an Indexed Job that is not made yet, named as [`crate::runtime`] names that of a pod.
pub const INDEXED_STEP: &str = "$(AGENT_COMMS_WORKFLOW_NAME)-$(AGENT_COMMS_COMPLETION_INDEX)";
const COMPLETION_INDEX: &str = "metadata.annotations['batch.kubernetes.io/job-completion-index']";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Known now.
    Literal(String),
    /// A field of the pod that is set after admission.
    Field(&'static str),
    /// A value with `$(NAME)` for variables that stand before it.
    Expression(&'static str),
}

/// Which run, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the run.
    pub workflow_name: Source,
    /// Uid of the run, `unknown` when nobody says.
    pub workflow_uid: Source,
    /// Another name of the run, in an outer system.
    pub run_id: Option<String>,
    /// Step in the run.
    pub step_id: Option<Source>,
    /// How often the step was tried.
    pub attempt: Option<String>,
    /// Whether the pod promises an outer run that was not found.
    pub owner_unknown: bool,
}

impl Identity {
    /// The sidecar's variables. The namespace is the request's, since the object may not have it yet; empty where it is only
    /// known later.
    #[must_use]
    pub fn variables(&self, namespace: &str, runtime: &str) -> Vec<Value> {
        let mut variables = vec![
            match namespace {
                "" => variable("AGENT_COMMS_NAMESPACE", &Source::Field("metadata.namespace")),
                namespace => literal("AGENT_COMMS_NAMESPACE", namespace),
            },
            variable("AGENT_COMMS_WORKFLOW_NAME", &self.workflow_name),
            variable("AGENT_COMMS_WORKFLOW_UID", &self.workflow_uid),
            variable("AGENT_COMMS_POD", &Source::Field("metadata.name")),
            variable("AGENT_COMMS_POD_UID", &Source::Field("metadata.uid")),
            literal("AGENT_COMMS_RUNTIME", runtime),
        ];
        variables.extend(self.run_id.as_ref().map(|run_id| literal("AGENT_COMMS_RUN_ID", run_id)));
        if self.step_id == Some(Source::Expression(INDEXED_STEP)) {
            variables.push(variable("AGENT_COMMS_COMPLETION_INDEX", &Source::Field(COMPLETION_INDEX)));
        }
        variables.extend(self.step_id.as_ref().map(|step_id| variable("AGENT_COMMS_STEP_ID", step_id)));
        variables.extend(self.attempt.as_ref().map(|attempt| literal("AGENT_COMMS_ATTEMPT", attempt)));
        variables
    }
}

/// A variable whose value is known. The kubelet expands `$(NAME)` in values and takes `$$` for a dollar sign.
#[must_use]
pub fn literal(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value.replace('$', "$$") })
}

fn variable(name: &str, source: &Source) -> Value {
    match source {
        Source::Literal(value) => literal(name, value),
        Source::Expression(value) => json!({ "name": name, "value": value }),
        Source::Field(path) => json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } }),
    }
}
