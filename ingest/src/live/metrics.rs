//! What an operator sees of the live side.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::ring::Ring;

/// From where a stream was begun: `newest`, `ring`, `history` or `reset`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Resume {
    pub(super) resume: &'static str,
}

#[derive(Debug)]
pub(super) struct LiveMetrics {
    pub(super) connects: Family<Resume, Counter>,
    pub(super) delay: Histogram,
    ring_span: Gauge<f64, AtomicU64>,
    pub(super) viewers: Gauge,
    pub(super) frames: Counter,
    pub(super) copies: Counter,
    pub(super) unreadable: Counter,
    pub(super) history_pages: Counter,
    pub(super) stream_pages: Counter,
    pub(super) resets: Counter,
    pub(super) restarts: Counter,
    ring_frames: Gauge,
    ring_bytes: Gauge,
    undecided: Gauge,
    open: Gauge,
}

impl Default for LiveMetrics {
    fn default() -> Self {
        Self {
            connects: Family::default(),
            // From a millisecond to half a minute.
            delay: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            ring_span: Gauge::default(),
            viewers: Gauge::default(),
            frames: Counter::default(),
            copies: Counter::default(),
            unreadable: Counter::default(),
            history_pages: Counter::default(),
            stream_pages: Counter::default(),
            resets: Counter::default(),
            restarts: Counter::default(),
            ring_frames: Gauge::default(),
            ring_bytes: Gauge::default(),
            undecided: Gauge::default(),
            open: Gauge::default(),
        }
    }
}

impl LiveMetrics {
    /// Counts where a stream began.
    pub(super) fn connected(&self, resume: &'static str) {
        self.connects.get_or_create(&Resume { resume }).inc();
    }

    pub(super) fn observe(&self, ring: &Ring) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.ring_frames.set(number(ring.frames()));
        self.ring_bytes.set(number(ring.bytes()));
        self.undecided.set(number(ring.undecided()));
        self.open.set(i64::from(ring.is_open()));
        self.ring_span.set(ring.span().as_seconds_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        for resume in ["newest", "ring", "history", "reset"] {
            drop(self.connects.get_or_create(&Resume { resume }));
        }
        let gauges = [
            ("viewers", "Open event streams", &self.viewers),
            ("ring_frames", "Frames in the ring", &self.ring_frames),
            ("ring_bytes", "Memory that the ring is reckoned to take", &self.ring_bytes),
            ("undecided_frames", "Copies in the ring that wait for their row", &self.undecided),
            ("open", "Whether the stream is being followed", &self.open),
        ];
        for (name, help, gauge) in gauges {
            registry.register(format!("agentcomms_ingest_live_{name}"), help, gauge.clone());
        }
        let counters = [
            ("frames", "Messages added to the ring", &self.frames),
            ("copies", "Copies of a message that were not shown", &self.copies),
            ("unreadable_messages", "Messages of the stream that cannot be read", &self.unreadable),
            ("history_pages", "Pages read from the table for viewers below the ring", &self.history_pages),
            ("stream_pages", "Pages read from the stream for viewers below the ring", &self.stream_pages),
            ("resets", "Streams whose cursor could not be honoured", &self.resets),
            ("feed_restarts", "Times that following the stream started anew", &self.restarts),
        ];
        let (connects, delay, span) = (self.connects.clone(), self.delay.clone(), self.ring_span.clone());
        registry.register("agentcomms_ingest_live_connects", "Event streams that began, by what from", connects);
        let help = "From the stream's store time to the ring, of what comes while nothing is behind";
        registry.register_with_unit("agentcomms_ingest_live_delivery_delay", help, Unit::Seconds, delay);
        let help = "Between the first and the last frame of the ring";
        registry.register_with_unit("agentcomms_ingest_live_ring_span", help, Unit::Seconds, span);
        for (name, help, counter) in counters {
            registry.register(format!("agentcomms_ingest_live_{name}"), help, counter.clone());
        }
    }
}
