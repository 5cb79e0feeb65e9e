//! One reader: history first, then what is said live, each message once.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::backlog::{Backlog, Heard};
use super::history::{self, History, NoHistory, Wanted};
use super::listening::Listening;
use super::seen::Seen;
use crate::metrics::Metrics;

/// What somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// How many of the newest messages.
    pub last: u32,
    /// Whether to stay for what is said after them.
    pub follow: bool,
}

/// How much of history a reader got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All that was asked for.
    Complete,
    /// A part of it: more does not fit into one answer, or the newest is not stored yet.
    Partial,
    /// Nothing: there is only what is said live.
    None,
}

impl Extent {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

/// Somebody who reads.
#[derive(Debug)]
pub struct Reader {
    listening: Arc<Listening>,
    backlog: Arc<Backlog>,
    seen: Seen,
    reading: Reading,
    extent: Extent,
    /// Lines that are next.
    ready: VecDeque<Bytes>,
    /// How far history was told.
    as_of: Option<String>,
    /// Whether history has something that was missed.
    missing: bool,
    told: Counter,
    dropped: Counter,
    readers: Gauge,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Hears the channel from now on, and then asks for history.
    pub(super) async fn begin(
        listening: Arc<Listening>,
        reading: Reading,
        place: OwnedSemaphorePermit,
        metrics: &Metrics,
    ) -> Self {
        let backlog = listening.join();
        metrics.channel_readers.inc();
        let mut reader = Self {
            listening,
            backlog,
            seen: Seen::default(),
            reading,
            extent: Extent::Complete,
            ready: VecDeque::new(),
            as_of: None,
            missing: false,
            told: metrics.channel_told.clone(),
            dropped: metrics.channel_dropped.clone(),
            readers: metrics.channel_readers.clone(),
            _place: place,
        };
        let asked = history::ask(reader.listening.client(), &Wanted::Last(reading.last)).await;
        reader.extent = match &asked {
            Ok(history) if history.more || history.behind => Extent::Partial,
            Ok(_) => Extent::Complete,
            Err(_) => Extent::None,
        };
        if matches!(&asked, Ok(history) if history.more) {
            reader.note(&json!({ "history": "partial", "reason": "older messages do not fit into one answer" }));
        }
        reader.take(asked);
        reader
    }

    /// How much of history there is.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The next line: a message, or an object without an id that tells of the reading itself. Nothing at the end, which
    /// does not come while the reader follows. Nothing is lost when the future is dropped but an answer of history.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.missing {
                let wanted = self.as_of.clone().map_or(Wanted::Last(self.reading.last), Wanted::After);
                let asked = history::ask(self.listening.client(), &wanted).await;
                // Behind a position `more` is still to come; of the newest it is what is too much.
                self.missing = matches!((&wanted, &asked), (Wanted::After(_), Ok(history)) if history.more);
                self.take(asked);
                continue;
            }
            match self.backlog.take() {
                Some(heard) => self.hear(heard),
                None if self.reading.follow => self.backlog.changed().await,
                None => return None,
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Line(line) => {
                if line.id.is_none_or(|id| self.seen.is_new(&line.namespace, id)) {
                    self.told.inc();
                    self.ready.push_back(line.text);
                }
            }
            Heard::Dropped(count) => {
                self.dropped.inc_by(count);
                self.note(&json!({ "dropped": count }));
            }
            Heard::Interrupted => self.note(&json!({ "live": "interrupted", "reason": "the connection to nats is lost" })),
            Heard::Resumed => self.missing = true,
        }
    }

    fn take(&mut self, asked: Result<History, NoHistory>) {
        let history = match asked {
            Ok(history) => history,
            Err(error) => {
                let mut reason = error.to_string();
                if let Some(complaint) = self.listening.complaint() {
                    reason = format!("{reason}; {complaint}");
                }
                return self.note(&json!({ "history": "unavailable", "reason": reason }));
            }
        };
        if history.behind {
            self.note(&json!({ "history": "partial", "reason": "the newest messages are not stored yet" }));
        }
        for told in history.messages {
            if self.seen.is_new(&told.namespace, told.id) {
                self.told.inc();
                self.ready.push_back([&told.json, &b"\n"[..]].concat().into());
            }
        }
        self.as_of = history.as_of.or(self.as_of.take());
    }

    fn note(&mut self, note: &serde_json::Value) {
        self.ready.push_back(format!("{note}\n").into());
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.readers.dec();
    }
}
