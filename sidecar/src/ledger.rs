//! What is acknowledged, source by source, in memory: what the checkpoint will say.

use std::collections::{BTreeMap, HashMap};

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::checkpoint::{Checkpoint, FileIdentity, Mark, Place, SourceRecord};
use crate::steps::StepRecord;

/// Names a source within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey(pub u32);

/// Records of files that are not there now are kept up to this many: a file may come back (a volume that was late). As many
/// as a process can follow, or a restart would read the rest again.
const MOST_ABSENT: usize = 64 * 1024;

/// The acknowledged places.
#[derive(Debug, Default)]
pub struct Ledger {
    sources: BTreeMap<SourceKey, SourceRecord>,
    generations: BTreeMap<String, u64>,
    /// Records of an earlier process whose files were not found yet, the lives of a file in their order.
    absent_files: HashMap<FileIdentity, Vec<SourceRecord>>,
    /// The same of sources that are no files.
    absent: Vec<SourceRecord>,
    pod_uid: Option<String>,
    steps: BTreeMap<String, StepRecord>,
    next: u32,
    changed: bool,
    /// Whether the last attempt to write the checkpoint failed.
    unsaved: bool,
    /// How often it was written.
    saves: u64,
}

impl Ledger {
    /// Goes on from a checkpoint.
    #[must_use]
    pub fn new(checkpoint: Checkpoint) -> Self {
        let Checkpoint { sources, generations, pod_uid, steps } = checkpoint;
        let mut ledger = Self { generations, pod_uid, steps, ..Self::default() };
        let surplus = sources.len().saturating_sub(MOST_ABSENT);
        for record in sources.into_iter().skip(surplus) {
            match record.file {
                Some(identity) => ledger.absent_files.entry(identity).or_default().push(record),
                None => ledger.absent.push(record),
            }
        }
        ledger
    }

    /// Speaks of this pod's containers from now on; what was known of another pod's means nothing.
    pub fn set_pod(&mut self, pod_uid: &str) {
        if self.pod_uid.as_deref() != Some(pod_uid) {
            self.pod_uid = Some(pod_uid.to_owned());
            self.steps.clear();
            self.changed = true;
        }
    }

    /// Takes the records of this file out of those that were not found yet, one for each of its lives, the newest last.
    pub fn take_file(&mut self, identity: FileIdentity) -> Vec<SourceRecord> {
        self.absent_files.remove(&identity).unwrap_or_default()
    }

    /// The records of files that were not found so far.
    pub fn missing(&self) -> impl Iterator<Item = &SourceRecord> {
        self.absent_files.values().flatten()
    }

    /// Takes the records of files that were never found, when nothing will be found any more.
    pub fn take_missing(&mut self) -> Vec<SourceRecord> {
        self.changed = true;
        let mut missing: Vec<SourceRecord> = self.absent_files.drain().flat_map(|(_, records)| records).collect();
        missing.sort_by(|one, other| (&one.label, one.generation).cmp(&(&other.label, other.generation)));
        missing
    }

    /// Takes the record of a source that is no file.
    pub fn take_label(&mut self, label: &str, generation: u64) -> Option<SourceRecord> {
        let is_it = |record: &SourceRecord| record.label == label && record.generation == generation;
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
            // At the cut itself, what was held there may still be on its way.
            if record.cut.is_some_and(|cut| cut < place.offset || place.after_cut) {
                record.cut = None;
            }
            record.place = place;
            record.read = record.read.filter(|read| read.offset > record.place.offset);
            self.changed = true;
        }
    }

    /// A file was read up to here. Before anything of a life is sent this is to be on disk once.
    pub fn read(&mut self, key: SourceKey, mark: Mark) {
        if let Some(record) = self.sources.get_mut(&key)
            && mark.offset > record.read.map_or(record.place.offset, |read| read.offset)
        {
            record.read = Some(mark);
            self.changed = true;
        }
    }

    /// What this source holds ends here by our decision, not by its bytes: reading again must cut the same. To be on disk
    /// before anything that follows from it is sent.
    pub fn cut(&mut self, key: SourceKey, at: u64) {
        self.set_cut(key, Some(at));
    }

    /// A cut that was not made after all.
    pub fn withdraw_cut(&mut self, key: SourceKey) {
        self.set_cut(key, None);
    }

    fn set_cut(&mut self, key: SourceKey, cut: Option<u64>) {
        if let Some(record) = self.sources.get_mut(&key) {
            record.cut = cut;
            self.changed = true;
        }
    }

    /// Where a source stands.
    #[must_use]
    pub fn record(&self, key: SourceKey) -> Option<&SourceRecord> {
        self.sources.get(&key)
    }

    /// Up to where a source that is no file is acknowledged. Such sources are the first that are opened.
    #[must_use]
    pub fn offset_of(&self, label: &str, generation: u64) -> Option<u64> {
        let is_it = |record: &&SourceRecord| record.file.is_none() && record.label == label && record.generation == generation;
        self.sources.values().find(is_it).map(|record| record.place.offset)
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

    /// The checkpoint was written, or could not be.
    pub fn was_saved(&mut self, saved: bool) {
        self.unsaved = !saved;
        self.saves += u64::from(saved);
    }

    /// How often the checkpoint was written: what was told before the last time is on disk.
    #[must_use]
    pub fn saves(&self) -> u64 {
        self.saves
    }

    /// Whether the checkpoint can be written, as far as the last attempt tells.
    #[must_use]
    pub fn can_save(&self) -> bool {
        !self.unsaved
    }

    /// What is to be written.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot(self)
    }
}

/// What the checkpoint says now, without a copy of it: there may be many thousand sources.
#[derive(Debug)]
pub struct Snapshot<'a>(&'a Ledger);

impl Serialize for Snapshot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ledger) = self;
        let mut form = serializer.serialize_struct("Checkpoint", 4)?;
        form.serialize_field("sources", &Sources(ledger))?;
        form.serialize_field("generations", &ledger.generations)?;
        form.serialize_field("pod_uid", &ledger.pod_uid)?;
        form.serialize_field("steps", &ledger.steps)?;
        form.end()
    }
}

struct Sources<'a>(&'a Ledger);

impl Serialize for Sources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ledger) = self;
        let absent_files = ledger.absent_files.values().flatten();
        serializer.collect_seq(ledger.absent.iter().chain(absent_files).chain(ledger.sources.values()))
    }
}

#[cfg(test)]
mod tests;
