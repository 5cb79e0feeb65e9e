//! What is acknowledged, source by source, in memory: what the checkpoint will say.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, FileIdentity, Place, SourceRecord};
use crate::steps::StepRecord;

/// Names a source within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey(pub u32);

/// Records of files that are not there now are kept up to this many: a file may come back (a volume that was late).
const MOST_ABSENT: usize = 1_024;

/// The acknowledged places.
#[derive(Debug, Default)]
pub struct Ledger {
    sources: BTreeMap<SourceKey, SourceRecord>,
    generations: BTreeMap<String, u64>,
    /// Records of an earlier process whose files were not found yet.
    absent: Vec<SourceRecord>,
    pod_uid: Option<String>,
    steps: BTreeMap<String, StepRecord>,
    next: u32,
    changed: bool,
}

impl Ledger {
    /// Goes on from a checkpoint.
    #[must_use]
    pub fn new(checkpoint: Checkpoint) -> Self {
        let Checkpoint { sources: mut absent, generations, pod_uid, steps } = checkpoint;
        let surplus = absent.len().saturating_sub(MOST_ABSENT);
        absent.drain(..surplus);
        Self { generations, absent, pod_uid, steps, ..Self::default() }
    }

    /// Speaks of this pod's containers from now on; what was known of another pod's means nothing.
    pub fn set_pod(&mut self, pod_uid: &str) {
        if self.pod_uid.as_deref() != Some(pod_uid) {
            self.pod_uid = Some(pod_uid.to_owned());
            self.steps.clear();
            self.changed = true;
        }
    }

    /// Takes the record of this file out of those that were not found yet.
    pub fn take_file(&mut self, identity: FileIdentity) -> Option<SourceRecord> {
        let index = self.absent.iter().rposition(|record| record.file == Some(identity))?;
        Some(self.absent.remove(index))
    }

    /// Takes the record of a source that is no file.
    pub fn take_label(&mut self, label: &str, generation: u64) -> Option<SourceRecord> {
        let is_it = |record: &SourceRecord| record.file.is_none() && record.label == label && record.generation == generation;
        let index = self.absent.iter().position(is_it)?;
        Some(self.absent.remove(index))
    }

    /// A generation that this label never had.
    pub fn new_generation(&mut self, label: &str) -> u64 {
        let generation = self.generations.entry(label.to_owned()).or_insert(0);
        *generation += 1;
        self.changed = true;
        *generation
    }

    /// A source is read from now on.
    pub fn open(&mut self, record: SourceRecord) -> SourceKey {
        let key = SourceKey(self.next);
        self.next += 1;
        let newest = self.generations.entry(record.label.clone()).or_insert(0);
        *newest = (*newest).max(record.generation);
        self.sources.insert(key, record);
        self.changed = true;
        key
    }

    /// Everything before this place is acknowledged.
    pub fn acknowledge(&mut self, key: SourceKey, place: Place) {
        if let Some(record) = self.sources.get_mut(&key) {
            if record.cut.is_some_and(|cut| cut <= place.offset) {
                record.cut = None;
            }
            record.place = place;
            self.changed = true;
        }
    }

    /// A line of this source ends here by our decision, not by its bytes: reading again must cut the same.
    pub fn cut(&mut self, key: SourceKey, at: u64) {
        if let Some(record) = self.sources.get_mut(&key) {
            record.cut = Some(at);
            self.changed = true;
        }
    }

    /// Up to where a source is acknowledged.
    #[must_use]
    pub fn offset(&self, key: SourceKey) -> u64 {
        self.sources.get(&key).map_or(0, |record| record.place.offset)
    }

    /// A source that will never be read again.
    pub fn close(&mut self, key: SourceKey) {
        self.sources.remove(&key);
        self.changed = true;
    }

    /// How a container ended, if it did.
    #[must_use]
    pub fn step(&self, container: &str) -> Option<&StepRecord> {
        self.steps.get(container)
    }

    /// A container ended; bytes and lines of its output were not captured. Its end was told, or is told, once.
    pub fn step_ended(&mut self, container: &str, exit_code: i32, missed: (u64, u64)) {
        let told = self.step(container).is_some_and(|before| before.told);
        let (missed_bytes, missed_records) = missed;
        let record = StepRecord { exit_code: Some(exit_code), missed_bytes, missed_records, told };
        self.steps.insert(container.to_owned(), record);
        self.changed = true;
    }

    /// A container runs, perhaps again: how it ended before is not how it ends.
    pub fn step_runs(&mut self, container: &str) {
        if let Some(record) = self.steps.get_mut(container)
            && record.exit_code.take().is_some()
        {
            self.changed = true;
        }
    }

    /// The stream has the word of a container's end.
    pub fn step_told(&mut self, container: &str) {
        self.steps.entry(container.to_owned()).or_default().told = true;
        self.changed = true;
    }

    /// Whether there is something that was not taken yet.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether anything changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What is to be written.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let sources = self.absent.iter().chain(self.sources.values()).cloned().collect();
        let (generations, pod_uid, steps) = (self.generations.clone(), self.pod_uid.clone(), self.steps.clone());
        Checkpoint { sources, generations, pod_uid, steps }
    }
}
