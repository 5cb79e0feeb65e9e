//! A run as JSON: one form for the list, the single run and the stream of changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::read::runs::{RunState, RunSummary, StepSummary};

/// A run; every field is always present.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run", deny_unknown_fields)]
pub struct RunData<'a> {
    workflow_namespace: &'a str,
    workflow_name: &'a str,
    /// `unknown` where nobody knows it.
    workflow_uid: &'a str,
    /// The id that an outer system knows the run by.
    run_id: Option<&'a str>,
    /// `native`, `argo`, ...
    runtime: Option<&'a str>,
    #[schemars(schema_with = "state")]
    state: &'static str,
    /// What a `run-outcome` message said, in its words.
    outcome: Option<&'a str>,
    first_cursor: String,
    /// When the stream stored the first message.
    first_at: String,
    last_cursor: String,
    /// When the stream stored the last message.
    last_at: String,
    messages: i64,
    /// Messages of kind `error`.
    errors: i64,
    /// Messages of each kind.
    kinds: &'a BTreeMap<String, i64>,
    /// Messages of each agent.
    agents: &'a BTreeMap<String, i64>,
    /// Messages that their sources numbered and that are not here.
    missing: i64,
    /// Sources that ended without having told everything.
    incomplete_sources: i64,
    /// The start of what was said last.
    preview: Option<&'a str>,
    preview_agent: Option<&'a str>,
    steps: Vec<StepData<'a>>,
}

/// A step of a run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step", deny_unknown_fields)]
struct StepData<'a> {
    step_id: &'a str,
    /// Pod of the last attempt.
    pod: &'a str,
    /// Number of the last attempt, where the runtime counts.
    attempt: Option<i32>,
    /// How many attempts were seen.
    attempts: usize,
    /// Messages of all attempts.
    messages: i64,
    first_at: String,
    last_at: String,
    last_cursor: String,
    /// Whether the last attempt ended.
    ended: bool,
    /// How it ended, where that is known.
    exit_code: Option<i32>,
}

/// A page of the list of runs, newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RunList<'a> {
    /// Always true.
    pub ok: bool,
    /// By their last message, the latest first.
    pub runs: Vec<RunData<'a>>,
    /// Where the list goes on: the next `before`. Null at its end.
    pub next: Option<String>,
    /// Whether the page ended for having looked at many runs that do not match. More may, below `next`.
    pub partial: bool,
    /// How far history is behind what is said, in seconds.
    pub behind_seconds: i64,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OneRun<'a> {
    /// Always true.
    pub ok: bool,
    /// The run's own fields.
    #[serde(flatten)]
    pub run: RunData<'a>,
}

/// The JSON of a run.
#[must_use]
pub fn data(run: &RunSummary) -> RunData<'_> {
    RunData {
        workflow_namespace: &run.namespace,
        workflow_name: &run.name,
        workflow_uid: &run.uid,
        run_id: run.run_id.as_deref(),
        runtime: run.runtime.as_deref(),
        state: run.state.as_str(),
        outcome: run.outcome.as_deref(),
        first_cursor: run.first.to_string(),
        first_at: run.first_at.to_string(),
        last_cursor: run.last.to_string(),
        last_at: run.last_at.to_string(),
        messages: run.messages,
        errors: run.errors,
        kinds: &run.kinds,
        agents: &run.agents,
        missing: run.missing,
        incomplete_sources: run.incomplete_sources,
        preview: run.preview.as_deref(),
        preview_agent: run.preview_agent.as_deref(),
        steps: run.steps.iter().map(step).collect(),
    }
}

fn step(step: &StepSummary) -> StepData<'_> {
    StepData {
        step_id: &step.step_id,
        pod: &step.pod,
        attempt: step.attempt,
        attempts: step.attempts,
        messages: step.messages,
        first_at: step.first_at.to_string(),
        last_at: step.last_at.to_string(),
        last_cursor: step.last.to_string(),
        ended: step.ended,
        exit_code: step.exit_code,
    }
}

fn state(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": RunState::ALL.map(RunState::as_str) })
}
