//! When the checkpoint is written: at most once a second, at the end, and before anything whose cut the bytes do not
//! decide.

use std::time::{Duration, Instant};

use crate::SPOOL_LABEL;
use crate::checkpoint::Store;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::socket::intake::Intake;

/// The shortest time between two checkpoints.
const INTERVAL: Duration = Duration::from_secs(1);

/// Writes the checkpoint and frees what it lets go.
#[derive(Debug)]
pub struct Saving {
    store: Store,
    intake: Intake,
    saved_at: Option<Instant>,
    behind_since: Option<Instant>,
    failing: bool,
}

impl Saving {
    /// Into this store; the spool is freed behind it.
    #[must_use]
    pub fn new(store: Store, intake: Intake) -> Self {
        Self { store, intake, saved_at: None, behind_since: None, failing: false }
    }

    /// Whether the last one could not be written: what is sent now may be sent again after a restart.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// Since when the one on disk does not say everything; nothing while it does.
    #[must_use]
    pub fn behind_since(&self) -> Option<Instant> {
        self.behind_since
    }

    /// How long until the next one is due; nothing while there is nothing new to say.
    #[must_use]
    pub fn wait(&self, ledger: &Ledger, now: Instant) -> Option<Duration> {
        (ledger.has_changed() || self.failing).then(|| self.due(now))
    }

    fn due(&self, now: Instant) -> Duration {
        self.saved_at.map_or(Duration::ZERO, |at| (at + INTERVAL).saturating_duration_since(now))
    }

    /// Writes it when it is due and says something new.
    pub fn save_when_due(&mut self, ledger: &mut Ledger, metrics: &Metrics) {
        if ledger.has_changed() {
            self.behind_since.get_or_insert_with(Instant::now);
        }
        if self.due(Instant::now()).is_zero() && (ledger.take_changed() || self.failing) {
            self.save_now(ledger, metrics);
        }
    }

    /// Writes it.
    pub fn save_now(&mut self, ledger: &mut Ledger, metrics: &Metrics) {
        self.saved_at = Some(Instant::now());
        ledger.take_changed();
        let saved = self.store.save(&ledger.snapshot());
        ledger.was_saved(saved.is_ok());
        match saved {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the checkpoint can be written again");
                }
                self.behind_since = None;
                self.free(ledger);
            }
            Err(error) => {
                metrics.checkpoint_failures.inc();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(error = %error, "the checkpoint cannot be written; what is sent is marked as possibly sent before");
                }
            }
        }
    }

    fn free(&self, ledger: &Ledger) {
        let generation = self.intake.spool().generation();
        if let Some(offset) = ledger.offset_of(SPOOL_LABEL, generation) {
            self.intake.free(offset);
        }
    }
}
