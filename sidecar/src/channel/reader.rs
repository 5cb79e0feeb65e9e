//! One reader: history first, then what is said live, each message once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::backlog::{Backlog, Heard};
use super::history::{self, History, NoHistory, Wanted};
use super::listening::Listening;
use super::seen::Seen;
use crate::metrics::Metrics;

/// How long to wait before history is asked again for what it did not have.
const ASK_AGAIN: Duration = Duration::from_secs(1);

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
    /// When to ask history for what was missed, if anything was.
    missing: Option<Instant>,
    /// Whether it was told that history is not whole, and it still is not.
    complained: bool,
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
            missing: None,
            complained: false,
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
        // What is stored a moment later was said before this reader heard anything live.
        if matches!(&asked, Ok(history) if history.behind) {
            reader.missing = Some(Instant::now() + ASK_AGAIN);
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
            if self.missing.is_some_and(|at| at <= Instant::now()) {
                self.ask_for_missing().await;
                continue;
            }
            match (self.backlog.take(), self.missing) {
                (Some(heard), _) => self.hear(heard),
                (None, _) if !self.reading.follow => return None,
                (None, None) => self.backlog.changed().await,
                (None, Some(at)) => {
                    tokio::select! { () = self.backlog.changed() => {}, () = tokio::time::sleep_until(at) => {} }
                }
            }
        }
    }

    /// Asks history for what was missed, and says whether to ask again: whoever answers may come back later than the channel, and may
    /// have stored less than was said.
    async fn ask_for_missing(&mut self) {
        let wanted = self.as_of.clone().map_or(Wanted::Last(self.reading.last), Wanted::After);
        let asked = history::ask(self.listening.client(), &wanted).await;
        self.missing = match (&asked, &wanted) {
            (Err(_), _) => Some(Instant::now() + ASK_AGAIN),
            (Ok(history), _) if history.behind => Some(Instant::now() + ASK_AGAIN),
            // Behind a position `more` is still to come; of the newest it is what is too much.
            (Ok(history), Wanted::After(_)) if history.more => Some(Instant::now()),
            (Ok(_), _) => None,
        };
        self.take(asked);
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
            Heard::Resumed => self.missing = Some(Instant::now()),
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
                return self.complain(&json!({ "history": "unavailable", "reason": reason }));
            }
        };
        if history.behind {
            self.complain(&json!({ "history": "partial", "reason": "the newest messages are not stored yet" }));
        } else {
            self.complained = false;
        }
        for told in history.messages {
            if self.seen.is_new(&told.namespace, told.id) {
                self.told.inc();
                self.ready.push_back([&told.json, &b"\n"[..]].concat().into());
            }
        }
        self.as_of = history.as_of.or(self.as_of.take());
    }

    /// Says once that history is not whole, however often it is asked.
    fn complain(&mut self, note: &serde_json::Value) {
        if !std::mem::replace(&mut self.complained, true) {
            self.note(note);
        }
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
