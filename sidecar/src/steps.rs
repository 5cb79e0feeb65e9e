//! Whether the step's containers have ended: noticed where somebody says so before SIGTERM does, so that the end finds
//! nothing left to do.
//!
//! Two say so: Argo's emissary, by a file `exitcode` beside the output it writes, and `agent-comms exec`. A container about
//! which nobody says anything has ended when this process is told to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::exec::batch::Ended;
use crate::files::pattern::Pattern;
use crate::ledger::Ledger;

/// The name of the file that emissary writes its output to.
const OUTPUT: &str = "combined";
/// The file beside it with the exit code, written last.
const EXIT_CODE: &str = "exitcode";
/// How long after the last container's end the words of its processes may still be on their way through the sockets.
const SETTLING: Duration = Duration::from_millis(100);

/// How a container ended, as the checkpoint keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its exit code, 128 + n when signal n ended it; none while it runs, or where nobody says.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Bytes of its output that were not captured.
    #[serde(default)]
    pub missed_bytes: u64,
    /// Lines of its output that were not captured.
    #[serde(default)]
    pub missed_records: u64,
    /// Whether the stream has the word of its end.
    #[serde(default)]
    pub told: bool,
}

/// When a container that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Restarts {
    /// Never.
    #[default]
    Never,
    /// When its exit code is not 0.
    OnFailure,
    /// Whenever it ended.
    Always,
}

impl Restarts {
    /// Whether this is the last exit code that a container will have.
    #[must_use]
    pub fn is_final(self, exit_code: i32) -> bool {
        match self {
            Self::Never => true,
            Self::OnFailure => exit_code == 0,
            Self::Always => false,
        }
    }
}

/// The regular containers of the pod.
#[derive(Debug, Default)]
pub struct Steps {
    containers: BTreeSet<String>,
    /// Where the exit codes of containers will be, as long as they are not there.
    exit_files: BTreeMap<String, PathBuf>,
    /// Commands that run, by container: one that another one started ends nothing.
    running: BTreeMap<String, BTreeSet<Uuid>>,
    restarts: Restarts,
    /// When all of them had ended.
    over_at: Option<Instant>,
}

impl Steps {
    /// These containers; an exit code is looked for beside an output file of emissary that is followed.
    #[must_use]
    pub fn new(containers: impl IntoIterator<Item = String>, files: &[Pattern], restarts: Restarts) -> Self {
        let exit_files = files.iter().filter_map(|file| Some((file.container()?.to_owned(), exit_file(file)?))).collect();
        Self { containers: containers.into_iter().collect(), exit_files, restarts, ..Self::default() }
    }

    /// The containers.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.containers.iter().map(String::as_str)
    }

    /// Looks for exit codes that were written.
    pub fn look(&mut self, ledger: &mut Ledger) {
        self.exit_files.retain(|container, path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            // It is made before it is written.
            let Ok(exit_code) = text.trim().parse::<i32>() else { return true };
            tracing::info!(container, exit_code, "a container ended");
            ledger.step_ended(container, exit_code, (0, 0));
            false
        });
        self.notice(ledger);
    }

    /// A command starts in a container.
    pub fn started(&mut self, container: &str, session: Uuid, ledger: &mut Ledger) {
        self.running.entry(container.to_owned()).or_default().insert(session);
        ledger.step_runs(container);
        self.notice(ledger);
    }

    /// A command ended in a container.
    pub fn ended(&mut self, container: &str, ended: &Ended, ledger: &mut Ledger) {
        let running = self.running.entry(container.to_owned()).or_default();
        running.remove(&ended.session);
        // While another runs the code may not be the last. It is kept: the other may be one that was killed, with its
        // container, before it could say so.
        if running.is_empty() {
            tracing::info!(container, exit_code = ended.exit_code, "a container ended");
        }
        ledger.step_ended(container, ended.exit_code, (ended.missed_bytes, ended.missed_records));
        self.notice(ledger);
    }

    /// Whether all of them have ended, for good, and what they said last has arrived.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.over_at.is_some_and(|at| at.elapsed() >= SETTLING)
    }

    fn notice(&mut self, ledger: &Ledger) {
        let has_ended = |container: &String| {
            if self.running.get(container).is_some_and(|running| !running.is_empty()) {
                return false;
            }
            let exit_code = ledger.step(container).and_then(|record| record.exit_code);
            exit_code.is_some_and(|code| self.restarts.is_final(code))
        };
        let are_over = self.containers.iter().all(has_ended);
        self.over_at = are_over.then(|| self.over_at.unwrap_or_else(Instant::now));
    }
}

fn exit_file(file: &Pattern) -> Option<PathBuf> {
    let path = file.literal()?;
    (path.file_name()? == OUTPUT).then(|| path.with_file_name(EXIT_CODE))
}

#[cfg(test)]
mod tests;
