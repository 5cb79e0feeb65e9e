//! What an operator sees of storing.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use time::OffsetDateTime;

use crate::batch::Batch;
use crate::consume::life::Suspicion;
use crate::store::StoreError;
use crate::store::insert::Inserted;

/// A class of dead letters, or of failures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

/// Why the stream began another life, or the durable was bound again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What storing counts.
#[derive(Debug)]
pub struct Metrics {
    rows: Counter,
    repeated: Counter,
    replaced: Counter,
    expired: Counter,
    dead_letters: Family<Class, Counter>,
    failures: Family<Class, Counter>,
    rebinds: Family<Reason, Counter>,
    batch_rows: Histogram,
    batch_duration: Histogram,
    pending: Gauge,
    unacknowledged: Gauge,
    lag: Gauge<f64, AtomicU64>,
    stream_first: Gauge,
    stream_last: Gauge,
    watermark: Gauge,
    epoch_changes: Family<Reason, Counter>,
    discarded: Counter,
    backlog: Gauge<f64, AtomicU64>,
    held_copies: Gauge,
    held_copies_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            rows: Counter::default(),
            repeated: Counter::default(),
            replaced: Counter::default(),
            expired: Counter::default(),
            dead_letters: Family::default(),
            failures: Family::default(),
            rebinds: Family::default(),
            batch_rows: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            batch_duration: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            pending: Gauge::default(),
            unacknowledged: Gauge::default(),
            lag: Gauge::default(),
            stream_first: Gauge::default(),
            stream_last: Gauge::default(),
            watermark: Gauge::default(),
            epoch_changes: Family::default(),
            discarded: Counter::default(),
            backlog: Gauge::default(),
            held_copies: Gauge::default(),
            held_copies_bytes: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Makes them part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        // What has not happened yet is 0, not absent: an alert on a rise needs something to rise from.
        for class in ["subject", "decode", "schema", "identity", "conflict", "late", "refused"] {
            drop(self.dead_letters.get_or_create(&Class { class }));
        }
        for class in StoreError::LABELS {
            drop(self.failures.get_or_create(&Class { class }));
        }
        for reason in ["request", "ended", "stalled"] {
            drop(self.rebinds.get_or_create(&Reason { reason }));
        }
        for reason in Suspicion::REASONS {
            drop(self.epoch_changes.get_or_create(&Reason { reason }));
        }
        let registry = registry.sub_registry_with_prefix("agentcomms_ingest");
        registry.register("rows", "Messages stored", self.rows.clone());
        registry.register("repeated_rows", "Messages that were stored before", self.repeated.clone());
        let replaced = "Messages that took the place of a copy of theirs that was stored before them";
        registry.register("replaced_rows", replaced, self.replaced.clone());
        registry.register("expired_rows", "Messages older than what is kept", self.expired.clone());
        registry.register("dead_letters", "Messages that could not be read or stored", self.dead_letters.clone());
        registry.register("store_failures", "Transactions that failed", self.failures.clone());
        registry.register("rebinds", "Times the durable was bound again", self.rebinds.clone());
        registry.register("batch_rows", "Messages in a transaction", self.batch_rows.clone());
        let duration = self.batch_duration.clone();
        registry.register_with_unit("batch_duration", "Time of a transaction", Unit::Seconds, duration);
        registry.register("pending_messages", "Messages of the stream not yet delivered", self.pending.clone());
        registry.register("unacknowledged_messages", "Messages delivered, not yet stored", self.unacknowledged.clone());
        let lag = self.lag.clone();
        registry.register_with_unit("lag", "Age of the oldest message in hand that is not stored", Unit::Seconds, lag);
        registry.register("stream_first_sequence", "First message that the stream holds", self.stream_first.clone());
        registry.register("stream_last_sequence", "Last message of the stream", self.stream_last.clone());
        registry.register("watermark_sequence", "Everything up to this sequence is stored", self.watermark.clone());
        registry.register("epoch_changes", "Lives of the stream that this replica found", self.epoch_changes.clone());
        registry.register("discarded_messages", "Messages lost before they were stored", self.discarded.clone());
        let backlog = self.backlog.clone();
        registry.register("stream_backlog_ratio", "Share of what the stream may hold that is not stored yet", backlog);
        registry.register("held_copies", "Copies that wait until they can be decided", self.held_copies.clone());
        let bytes = self.held_copies_bytes.clone();
        registry.register_with_unit("held_copies", "Memory of copies that wait", Unit::Bytes, bytes);
    }

    /// Counts a committed batch.
    pub fn stored(&self, batch: &Batch<'_>, inserted: &Inserted, took: Duration) {
        let count = |counter: &Counter, number: usize| counter.inc_by(u64::try_from(number).unwrap_or(u64::MAX));
        count(&self.rows, inserted.rows);
        count(&self.repeated, inserted.repeated);
        count(&self.replaced, inserted.replaced);
        count(&self.expired, batch.expired.len());
        for class in &inserted.dead {
            self.dead_letters.get_or_create(&Class { class }).inc();
        }
        self.batch_rows.observe(f64::from(u32::try_from(batch.rows.len()).unwrap_or(u32::MAX)));
        self.batch_duration.observe(took.as_secs_f64());
    }

    /// Counts a failed transaction.
    pub fn failed(&self, class: &'static str) {
        self.failures.get_or_create(&Class { class }).inc();
    }

    /// Counts a binding of the durable that ended.
    pub fn rebound(&self, reason: &'static str) {
        self.rebinds.get_or_create(&Reason { reason }).inc();
    }

    /// Notes how far behind the stream storing is; `oldest` is when the stream stored the oldest message in hand.
    pub fn lag(&self, pending: u64, unacknowledged: usize, oldest: Option<OffsetDateTime>) {
        self.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.unacknowledged.set(i64::try_from(unacknowledged).unwrap_or(i64::MAX));
        self.lag.set(oldest.map_or(0.0, |oldest| seconds_since(oldest, OffsetDateTime::now_utc())));
    }

    /// Notes what the stream holds.
    pub fn stream(&self, first: u64, last: u64) {
        self.stream_first.set(i64::try_from(first).unwrap_or(i64::MAX));
        self.stream_last.set(i64::try_from(last).unwrap_or(i64::MAX));
    }

    /// Counts a life of the stream that was found.
    pub fn epoch_changed(&self, reason: &'static str) {
        self.epoch_changes.get_or_create(&Reason { reason }).inc();
    }

    /// Counts messages that the stream discarded before they were stored.
    pub fn discarded(&self, messages: i64) {
        self.discarded.inc_by(u64::try_from(messages).unwrap_or(0));
    }

    /// Notes which copies wait.
    pub fn held_copies(&self, copies: usize, bytes: usize) {
        self.held_copies.set(i64::try_from(copies).unwrap_or(i64::MAX));
        self.held_copies_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Notes how much of what the stream may hold is not stored yet, from 0 to 1.
    pub fn backlog(&self, ratio: f64) {
        self.backlog.set(ratio);
    }

    /// Notes the watermark.
    pub fn watermark(&self, sequence: i64) {
        self.watermark.set(sequence);
    }
}

/// Never below 0: the clock of the stream may be ahead of ours.
fn seconds_since(then: OffsetDateTime, now: OffsetDateTime) -> f64 {
    (now - then).as_seconds_f64().max(0.0)
}

#[cfg(test)]
mod tests;
