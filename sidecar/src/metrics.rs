//! What the sidecar tells of itself at `GET /metrics`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use records::Counts;
use uuid::Uuid;

/// The metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Messages that the stream has.
    pub published: Counter,
    /// Their bytes.
    pub published_bytes: Counter,
    /// Messages sent once more.
    pub resends: Counter,
    /// Publishes that the server refused or never answered.
    pub refusals: Counter,
    /// Messages that can never be sent.
    pub set_aside: Counter,
    /// Messages that came into the stream after later ones of their source.
    pub late: Counter,
    /// Messages that the server took for copies though they were never sent before.
    pub false_duplicates: Counter,
    /// Times that the stream was found without what it had acknowledged.
    pub streams_lost: Counter,
    /// Times that a connection was made.
    pub connects: Counter,
    /// Times that something of a source may have been lost.
    pub gaps: Counter,
    /// Times that something was cut by time or by the end of the step while that could not be written down.
    pub possible_repeats: Counter,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: Counter,
    /// Messages of the shared channel that were told to steps.
    pub channel_told: Counter,
    /// Messages of the shared channel that a step was too slow for.
    pub channel_dropped: Counter,
    /// Those who read the shared channel now.
    pub channel_readers: Gauge,
    /// 1 while connected.
    pub connected: Gauge,
    /// Messages on their way.
    pub in_flight: Gauge,
    /// Bytes of files that were not read yet.
    pub files_behind: Gauge,
    /// Bytes of the spool that were not read yet.
    pub spool_behind: Gauge,
    /// Bytes that the spool holds.
    pub spool_held: Gauge,
    /// Milliseconds that sending was held back.
    pub throttled: Gauge,
    /// 1 while changes of files wake the reader, 0 while they are polled alone.
    pub watching: Gauge,
    /// Bytes that the spool may hold.
    pub spool_limit: Gauge,
    /// Files that are followed.
    pub files_followed: Gauge,
    /// Seconds for which the oldest message that is not acknowledged has been that.
    pub oldest_unacknowledged: Gauge<f64, AtomicU64>,
    /// Seconds for which the checkpoint has not said everything that is acknowledged.
    pub checkpoint_age: Gauge<f64, AtomicU64>,
    /// What was read.
    pub seen: Seen,
}

/// What was read, as counted by those who read it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    lines: Counter,
    parse_errors: Counter,
    invalid_utf8: Counter,
    cut: Counter,
    split: Counter,
    redactions: Family<Pattern, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pattern {
    pattern: String,
}

impl Seen {
    /// Brings the counters up to these sums.
    pub fn set(&self, counts: &Counts) {
        let sums = [
            (&self.lines, counts.lines),
            (&self.parse_errors, counts.parse_errors),
            (&self.invalid_utf8, counts.invalid_utf8),
            (&self.cut, counts.cut),
            (&self.split, counts.split),
        ];
        for (counter, sum) in sums {
            raise(counter, sum);
        }
        for (name, sum) in &counts.redactions {
            raise(&self.redactions.get_or_create(&Pattern { pattern: name.clone() }), *sum);
        }
    }
}

fn raise(counter: &Counter, sum: u64) {
    counter.inc_by(sum.saturating_sub(counter.get()));
}

/// A number of bytes or things as a gauge shows it.
#[must_use]
pub fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The oldest message that is not acknowledged, and since when it is that.
#[derive(Debug, Default)]
pub struct Oldest(Option<(Uuid, Instant)>);

impl Oldest {
    /// How long this one has been the oldest.
    pub fn age(&mut self, oldest: Option<Uuid>, now: Instant) -> Duration {
        self.0 = match (self.0, oldest) {
            (Some((before, since)), Some(id)) if before == id => Some((id, since)),
            (_, oldest) => oldest.map(|id| (id, now)),
        };
        self.0.map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(since))
    }
}

/// Renders the metrics.
#[derive(Debug, Clone)]
pub struct Exposition(Arc<Registry>);

impl Metrics {
    /// Registers all of them.
    #[must_use]
    pub fn register(&self) -> Exposition {
        let mut registry = Registry::with_prefix("agentcomms_sidecar");
        let counters: [(&str, &str, &Counter); 19] = [
            ("published_messages", "Messages that the stream has", &self.published),
            ("published_bytes", "Bytes of messages that the stream has", &self.published_bytes),
            ("resent_messages", "Messages sent once more", &self.resends),
            ("refused_publishes", "Publishes refused or never answered", &self.refusals),
            ("set_aside_messages", "Messages that can never be sent", &self.set_aside),
            ("late_messages", "Messages stored after later ones of their source", &self.late),
            ("false_duplicates", "Messages taken for copies though never sent before", &self.false_duplicates),
            ("streams_lost", "Times that the stream had lost what it had acknowledged", &self.streams_lost),
            ("connects", "Connections made; all but the first are reconnects", &self.connects),
            ("gaps", "Times that something may have been lost", &self.gaps),
            ("possible_repeats", "Cuts by decision that a restart may repeat", &self.possible_repeats),
            ("checkpoint_failures", "Checkpoints that could not be written", &self.checkpoint_failures),
            ("read_lines", "Lines read", &self.seen.lines),
            ("parse_errors", "Lines in which something could not be read as meant", &self.seen.parse_errors),
            ("invalid_utf8_lines", "Lines with bytes that are no UTF-8", &self.seen.invalid_utf8),
            ("cut_lines", "Lines longer than the limit", &self.seen.cut),
            ("split_messages", "Messages larger than the limit", &self.seen.split),
            ("channel_told_messages", "Messages of the shared channel told to steps", &self.channel_told),
            ("channel_dropped_messages", "Messages of the shared channel that a step was too slow for", &self.channel_dropped),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("redactions", "Secrets replaced, by the name of the pattern", self.seen.redactions.clone());
        let gauges: [(&str, &str, &Gauge); 10] = [
            ("connected", "1 while connected to the server", &self.connected),
            ("in_flight_messages", "Messages on their way", &self.in_flight),
            ("files_behind_bytes", "Bytes of files not read yet", &self.files_behind),
            ("spool_behind_bytes", "Bytes of the spool not read yet", &self.spool_behind),
            ("spool_held_bytes", "Bytes that the spool holds", &self.spool_held),
            ("spool_limit_bytes", "Bytes that the spool may hold", &self.spool_limit),
            ("followed_files", "Files that are followed", &self.files_followed),
            ("throttled_milliseconds", "How long sending was held back", &self.throttled),
            ("channel_readers", "Those who read the shared channel now", &self.channel_readers),
            ("watching", "1 while changes of files wake the reader, 0 while they are polled alone", &self.watching),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let seconds = [
            (
                "oldest_unacknowledged_seconds",
                "How long the oldest message that is not acknowledged has been that",
                &self.oldest_unacknowledged,
            ),
            (
                "checkpoint_age_seconds",
                "How long the checkpoint has not said everything that is acknowledged",
                &self.checkpoint_age,
            ),
        ];
        for (name, help, gauge) in seconds {
            registry.register(name, help, gauge.clone());
        }
        Exposition(Arc::new(registry))
    }
}

impl Exposition {
    /// The metrics as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.0) {
            tracing::warn!(error = %error, "metrics cannot be rendered");
        }
        text
    }

    /// All of them.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0)
    }
}

/// The page that lists them, made from what is registered.
#[must_use]
pub fn page() -> String {
    let metrics = Metrics::default();
    // A family shows itself only where it has something to show.
    drop(metrics.seen.redactions.get_or_create(&Pattern { pattern: "name".to_owned() }));
    format!("{PAGE_HEAD}{}", service::metrics::table(&metrics.register().render()))
}

const PAGE_HEAD: &str = "# Metrics of the sidecar\n\n\
    `curl --unix-socket /run/agent-comms/agent.sock http://localhost/metrics` shows them in every step; a TCP port has\n\
    them only where the annotation `agent-comms.dev/metrics-port` (`--metrics-port`) asks for it. Worth an alert are the\n\
    bytes behind, the age of the oldest unacknowledged message and the gaps. This page is made from the program.\n\n";

#[cfg(test)]
mod tests;
