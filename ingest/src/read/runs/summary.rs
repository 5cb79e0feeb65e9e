//! A run and its steps, from their rows.

use std::collections::BTreeMap;

use message::{Kind, RunKey, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::RunState;
use crate::cursor::Cursor;
use crate::read::{ReadError, row};

/// What is known of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// What makes it one run.
    pub key: RunKey,
    /// Namespace.
    pub namespace: String,
    /// Name of the workflow object.
    pub name: String,
    /// Its uid, or [`message::UNKNOWN`].
    pub uid: String,
    /// Run id of an outer system.
    pub run_id: Option<String>,
    /// `native`, `argo`, ...
    pub runtime: Option<String>,
    /// How it stands.
    pub state: RunState,
    /// The outer system's verdict, in its words.
    pub outcome: Option<String>,
    /// Position of the first message.
    pub first: Cursor,
    /// When the stream stored it.
    pub first_at: Timestamp,
    /// Position of the last message.
    pub last: Cursor,
    /// When the stream stored it.
    pub last_at: Timestamp,
    /// How many messages.
    pub messages: i64,
    /// How many of each kind.
    pub kinds: BTreeMap<String, i64>,
    /// How many of each agent.
    pub agents: BTreeMap<String, i64>,
    /// How many of kind `error`.
    pub errors: i64,
    /// The start of what was said last.
    pub preview: Option<String>,
    /// Who said it.
    pub preview_agent: Option<String>,
    /// How many messages its sources numbered that are not stored.
    pub missing: i64,
    /// How many of its sources ended without having told everything.
    pub incomplete_sources: i64,
    /// Its steps, by their first message.
    pub steps: Vec<StepSummary>,
}

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSummary {
    /// The step.
    pub step_id: String,
    /// Pod of its last attempt.
    pub pod: String,
    /// Number of the last attempt, where the runtime counts.
    pub attempt: Option<i32>,
    /// How many attempts were seen.
    pub attempts: usize,
    /// How many messages, of all attempts.
    pub messages: i64,
    /// When the first message was stored.
    pub first_at: Timestamp,
    /// When the last one was.
    pub last_at: Timestamp,
    /// Position of the last message.
    pub last: Cursor,
    /// Whether the last attempt ended.
    pub ended: bool,
    /// How it ended; nothing where that is unknown.
    pub exit_code: Option<i32>,
}

/// A row of `run_steps`: one container of one attempt of a step.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) step_id: String,
    pub(super) pod: String,
    pub(super) attempt: Option<i32>,
    pub(super) messages: i64,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    pub(super) last: Cursor,
    pub(super) ended: bool,
    pub(super) exit_code: Option<i32>,
}

/// Reads a row of `runs`; steps and state are filled in later.
pub(super) fn run(row: &Row) -> Result<RunSummary, ReadError> {
    let namespace: String = row.try_get("workflow_namespace")?;
    let name: String = row.try_get("workflow_name")?;
    let uid: String = row.try_get("workflow_uid")?;
    let Json(kinds): Json<BTreeMap<String, i64>> = row.try_get("kinds")?;
    let Json(agents) = row.try_get("agents")?;
    let identity = message::RunIdentity { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() };
    Ok(RunSummary {
        key: identity.key(),
        namespace,
        name,
        uid,
        run_id: row.try_get("run_id")?,
        runtime: row.try_get("runtime")?,
        state: RunState::Running,
        outcome: row.try_get("outcome")?,
        first: row::cursor(row, "first_epoch", "first_seq")?,
        first_at: row::timestamp(row, "first_at")?,
        last: row::cursor(row, "last_epoch", "last_seq")?,
        last_at: row::timestamp(row, "last_at")?,
        messages: row.try_get("messages")?,
        errors: kinds.get(Kind::ERROR).copied().unwrap_or(0),
        kinds,
        agents,
        preview: row.try_get("preview")?,
        preview_agent: row.try_get("preview_agent")?,
        missing: 0,
        incomplete_sources: 0,
        steps: Vec::new(),
    })
}

pub(super) fn part(row: &Row) -> Result<Part, ReadError> {
    Ok(Part {
        step_id: row.try_get("step_id")?,
        pod: row.try_get("pod")?,
        attempt: row.try_get("attempt")?,
        messages: row.try_get("messages")?,
        first_at: row::timestamp(row, "first_at")?,
        last_at: row::timestamp(row, "last_at")?,
        last: row::cursor(row, "last_epoch", "last_seq")?,
        ended: row.try_get("ended")?,
        exit_code: row.try_get("exit_code")?,
    })
}

/// The steps that these containers make up. The last attempt of a step is the pod with the highest cursor; it ended when a
/// container's end was told, with the first exit code that is not 0, else with 0 where all are known.
pub(super) fn steps(parts: &[Part]) -> Vec<StepSummary> {
    let mut names: Vec<&str> = Vec::new();
    for part in parts.iter().filter(|part| !part.step_id.is_empty()) {
        if !names.contains(&part.step_id.as_str()) {
            names.push(&part.step_id);
        }
    }
    let of_step = |name: &str| parts.iter().filter(|part| part.step_id == name).collect::<Vec<_>>();
    names.into_iter().filter_map(|name| step(&of_step(name))).collect()
}

fn step(parts: &[&Part]) -> Option<StepSummary> {
    let latest = parts.iter().max_by_key(|part| part.last)?;
    let mut pods: Vec<&str> = parts.iter().map(|part| part.pod.as_str()).collect();
    pods.sort_unstable();
    pods.dedup();
    let attempt = || parts.iter().filter(|part| part.pod == latest.pod);
    let codes = || attempt().filter(|part| part.ended).map(|part| part.exit_code);
    let failure = codes().flatten().find(|code| *code != 0);
    let all_known = codes().all(|code| code.is_some());
    let ended = codes().next().is_some();
    Some(StepSummary {
        step_id: latest.step_id.clone(),
        pod: latest.pod.clone(),
        attempt: attempt().find_map(|part| part.attempt),
        attempts: pods.len(),
        messages: parts.iter().map(|part| part.messages).sum(),
        first_at: parts.iter().map(|part| part.first_at).min()?,
        last_at: latest.last_at,
        last: latest.last,
        ended,
        exit_code: failure.or((ended && all_known).then_some(0)),
    })
}

#[cfg(test)]
mod tests;
