//! A run as JSON: one form for the list, the single run and the stream of changes.

use serde_json::{Value, json};

use crate::read::runs::{RunSummary, StepSummary};

/// The JSON of a run; every field is always present.
#[must_use]
pub fn json(run: &RunSummary) -> Value {
    json!({
        "workflow_namespace": run.namespace,
        "workflow_name": run.name,
        "workflow_uid": run.uid,
        "run_id": run.run_id,
        "runtime": run.runtime,
        "state": run.state.as_str(),
        "outcome": run.outcome,
        "first_cursor": run.first.to_string(),
        "first_at": run.first_at.to_string(),
        "last_cursor": run.last.to_string(),
        "last_at": run.last_at.to_string(),
        "messages": run.messages,
        "errors": run.errors,
        "kinds": run.kinds,
        "agents": run.agents,
        "preview": run.preview,
        "preview_agent": run.preview_agent,
        "steps": run.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &StepSummary) -> Value {
    json!({
        "step_id": step.step_id,
        "pod": step.pod,
        "attempt": step.attempt,
        "attempts": step.attempts,
        "messages": step.messages,
        "first_at": step.first_at.to_string(),
        "last_at": step.last_at.to_string(),
        "last_cursor": step.last.to_string(),
        "ended": step.ended,
        "exit_code": step.exit_code,
    })
}
