//! The token bucket: a step that writes without end takes its share of the server and no more. Pure: time is handed in.

use std::time::{Duration, Instant};

/// What may be sent on average, and for how long a burst may exceed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Messages a second.
    pub messages: f64,
    /// Bytes a second.
    pub bytes: f64,
    /// The bucket holds this many seconds' worth.
    pub burst: Duration,
}

/// The bucket. It may be overdrawn by one message, so that one larger than the bucket is delayed, not stuck.
#[derive(Debug)]
pub struct Bucket {
    rate: Option<Rate>,
    messages: f64,
    bytes: f64,
    filled_at: Instant,
    throttled: Duration,
}

impl Bucket {
    /// A full one; without a rate it never delays.
    #[must_use]
    pub fn new(rate: Option<Rate>, now: Instant) -> Self {
        let seconds = rate.map_or(0.0, |rate| rate.burst.as_secs_f64());
        let (messages, bytes) = rate.map_or((0.0, 0.0), |rate| (rate.messages * seconds, rate.bytes * seconds));
        Self { rate, messages, bytes, filled_at: now, throttled: Duration::ZERO }
    }

    /// How long to wait before the next message may be sent; zero means now.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let elapsed = now.saturating_duration_since(self.filled_at);
        let was_empty = self.messages < 1.0 || self.bytes <= 0.0;
        if was_empty {
            self.throttled += elapsed;
        }
        self.filled_at = now;
        let burst = rate.burst.as_secs_f64();
        self.messages = elapsed.as_secs_f64().mul_add(rate.messages, self.messages).min(rate.messages * burst);
        self.bytes = elapsed.as_secs_f64().mul_add(rate.bytes, self.bytes).min(rate.bytes * burst);
        let missing = f64::max((1.0 - self.messages) / rate.messages, -self.bytes / rate.bytes);
        if missing > 0.0 { Duration::from_secs_f64(missing) } else { Duration::ZERO }
    }

    /// One message of this many bytes was sent.
    pub fn take(&mut self, bytes: usize) {
        if self.rate.is_some() {
            self.messages -= 1.0;
            #[expect(clippy::cast_precision_loss, reason = "a message is far below 2^52 bytes")]
            let bytes = bytes as f64;
            self.bytes -= bytes;
        }
    }

    /// From now on nothing is delayed.
    pub fn lift(&mut self) {
        self.rate = None;
    }

    /// How long sending was held back in all.
    #[must_use]
    pub fn throttled(&self) -> Duration {
        self.throttled
    }
}

#[cfg(test)]
mod tests;
