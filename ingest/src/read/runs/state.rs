//! How a run stands. Computed when it is asked for, since the passing of time alone changes it, and from store times, since
//! the clocks of pods lie.

use std::fmt;

use message::Timestamp;

use super::StepSummary;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Open, and something came lately.
    Running,
    /// The outer system says so, or every step ended with 0 and nothing came since.
    Succeeded,
    /// The outer system says so, or the last attempt of a step ended otherwise.
    Failed,
    /// Every step ended, not all with a known exit code.
    Ended,
    /// Open and silent for long.
    Stalled,
}

/// How long nothing may come before a run whose steps all ended is over: a next step may be starting.
pub const SETTLED_AFTER_MICROS: i64 = 60 * 1_000_000;
/// How long an open run may be silent.
pub const STALLED_AFTER_MICROS: i64 = 600 * 1_000_000;

impl RunState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Succeeded, Self::Failed, Self::Ended, Self::Stalled];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Stalled => "stalled",
        }
    }

    /// The state of this word.
    #[must_use]
    pub fn new(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The state of a run with these steps, whose last message was stored at `last_at`.
#[must_use]
pub fn of_run(steps: &[StepSummary], outcome: Option<&str>, last_at: Timestamp, now: Timestamp) -> RunState {
    let verdict = outcome.and_then(verdict);
    if verdict == Some(RunState::Failed) || steps.iter().any(|step| step.ended && step.exit_code.is_some_and(|code| code != 0)) {
        return RunState::Failed;
    }
    if verdict == Some(RunState::Succeeded) {
        return RunState::Succeeded;
    }
    let silence = now.unix_micros().saturating_sub(last_at.unix_micros());
    let all_ended = !steps.is_empty() && steps.iter().all(|step| step.ended);
    if !all_ended {
        return if silence >= STALLED_AFTER_MICROS { RunState::Stalled } else { RunState::Running };
    }
    if silence < SETTLED_AFTER_MICROS {
        RunState::Running
    } else if steps.iter().all(|step| step.exit_code == Some(0)) {
        RunState::Succeeded
    } else {
        RunState::Ended
    }
}

/// What an outer system's word for the end of a run means; nothing for a word that is no verdict.
fn verdict(outcome: &str) -> Option<RunState> {
    match outcome.trim().to_ascii_lowercase().as_str() {
        "succeeded" | "success" | "successful" | "completed" | "complete" | "passed" | "ok" => Some(RunState::Succeeded),
        "failed" | "failure" | "error" | "errored" | "cancelled" | "canceled" | "timeout" | "timed_out" => Some(RunState::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
