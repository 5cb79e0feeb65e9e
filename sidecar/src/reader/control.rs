//! The reader's own words: gaps, the end of a source, the end of the step.

use std::collections::VecDeque;
use std::sync::Arc;

use message::control::{self, Control};
use message::{Message, PodIdentity, Source, Timestamp};
use records::SourceIdentity;
use serde_json::{Map, Value, json};

use super::{Context, Ending, Next, Outgoing, Turn, now, outgoing};
use crate::checkpoint::SourceRecord;
use crate::exec::batch::{Missed, TERMINAL};
use crate::ledger::{Ledger, SourceKey};

/// Label of what the process says of itself.
const PROCESS_LABEL: &str = "sidecar";

/// Makes control records.
#[derive(Debug)]
pub struct Controls {
    pod: Arc<PodIdentity>,
    /// Containers whose end is still to be told.
    containers: VecDeque<String>,
    resend: bool,
    /// Generation of what the process says of itself.
    generation: u64,
    gaps: u64,
}

impl Controls {
    /// For these containers; one without a name is the step itself.
    pub fn new(pod: Arc<PodIdentity>, containers: VecDeque<String>, resend: bool) -> Self {
        let generation = u64::try_from(now().unix_micros() / 1_000).unwrap_or(0);
        Self { pod, containers, resend, generation, gaps: 0 }
    }

    /// Whether every container's end was told.
    pub fn is_finished(&self) -> bool {
        self.containers.is_empty()
    }

    /// A gap that belongs to no source.
    pub fn process_gap(&mut self, reason: &str, content: String, at: Timestamp) -> Option<Outgoing> {
        self.gaps += 1;
        let source = position(&self.pod, PROCESS_LABEL, self.generation, 0);
        let control = Control { source, container: None, content, attrs: Map::new(), timestamp: at };
        outgoing(None, control::gap(&self.pod, reason, self.gaps, control), false, None)
    }

    /// A source was read to its end.
    pub fn source_end(&self, ending: Ending, at: Timestamp) -> Option<Outgoing> {
        let Ending { key, identity, offset, counts, skipped, complete, is_told: _ } = ending;
        let redactions: u64 = counts.redactions.values().sum();
        let attrs = json!({
            "last_offset": offset,
            "complete": complete,
            "lines": counts.lines,
            "messages": counts.messages,
            "parse_errors": counts.parse_errors,
            "invalid_utf8": counts.invalid_utf8,
            "cut": counts.cut,
            "split": counts.split,
            "nul_bytes": skipped,
            "redactions": redactions,
        });
        let control = Control {
            source: position(&self.pod, &identity.label, identity.generation, offset),
            content: if complete {
                format!("`{}` was read to its end: {} messages", identity.label, counts.messages)
            } else {
                format!("`{}` could not be read to its end: {} messages", identity.label, counts.messages)
            },
            container: identity.container,
            attrs: object(attrs),
            timestamp: at,
        };
        outgoing(Some(key), control::source_end(&self.pod, control), self.resend, None)
    }

    /// The next container's last words, with its name.
    pub fn step_end(&mut self, ledger: &Ledger, at: Timestamp) -> Option<(Option<Outgoing>, String)> {
        let container = self.containers.pop_front()?;
        let label = if container.is_empty() { "step" } else { &container };
        let record = ledger.step(&container).cloned().unwrap_or_default();
        let mut attrs = Map::new();
        let mut content = format!("`{label}` ended");
        if let Some(exit_code) = record.exit_code {
            attrs.insert("exit_code".to_owned(), exit_code.into());
            content = format!("`{label}` ended with exit code {exit_code}");
        }
        if record.missed_records > 0 {
            attrs.insert("missed_bytes".to_owned(), record.missed_bytes.into());
            attrs.insert("missed_records".to_owned(), record.missed_records.into());
        }
        let control = Control {
            source: position(&self.pod, label, 1, 0),
            content,
            container: Some(container.clone()).filter(|name| !name.is_empty()),
            attrs,
            timestamp: at,
        };
        Some((outgoing(None, control::step_end(&self.pod, control), self.resend, None), container))
    }
}

/// A gap in a source.
pub fn source_gap(context: &Context, identity: &SourceIdentity, offset: u64, number: u64, reason: &str, bytes: u64) -> Message {
    let lost = if bytes == 0 { String::new() } else { format!(", {bytes} bytes") };
    let control = Control {
        source: position(&context.pod, &identity.label, identity.generation, offset),
        container: identity.container.clone(),
        content: format!("something of `{}` may be missing: {reason}{lost}", identity.label),
        attrs: object(json!({ "bytes": bytes })),
        timestamp: now(),
    };
    control::gap(&context.pod, reason, number, control)
}

/// Tells that something of a source may be missing; `bytes` where it is known that so many are.
pub fn tell_gap(turn: &mut Turn<'_>, key: SourceKey, identity: &SourceIdentity, offset: u64, reason: &str, bytes: u64) {
    // Each reason is told once of a generation, and perhaps again after a restart, when nobody can count any more: that is
    // another record.
    let gap = source_gap(turn.context, identity, offset, 1 + bytes, reason, bytes);
    turn.made.extend(outgoing(Some(key), gap, turn.context.resumed, None).map(Next::Message));
}

/// The same of a source that an earlier process read and this one never will.
pub fn tell_absent(turn: &mut Turn<'_>, record: SourceRecord, reason: &str) {
    let gap = absent_gap(turn.context, &record, reason);
    let key = turn.ledger.open(record);
    turn.made.extend(gap.map(|gap| Next::Message(Outgoing { source: Some(key), ..gap })));
    turn.made.push_back(Next::Closed(key));
}

/// The same of one that this process has not read so far.
pub fn absent_gap(context: &Context, record: &SourceRecord, reason: &str) -> Option<Outgoing> {
    tracing::warn!(source.label = record.label, source.offset = record.place.offset, reason, "something may be missing");
    let identity =
        SourceIdentity { label: record.label.clone(), generation: record.generation, container: record.container.clone() };
    outgoing(None, source_gap(context, &identity, record.place.offset, 1, reason, 0), context.resumed, None)
}

/// Output of a wrapped command that was not captured, at this place of the spool. One event is at one place, so the place
/// alone tells it from others.
pub fn output_gap(context: &Context, spool: &SourceIdentity, container: Option<&str>, offset: u64, missed: &Missed) -> Message {
    let Missed { reason, stream, bytes, records } = missed;
    let of = container.map_or_else(|| "the step".to_owned(), |container| format!("`{container}`"));
    let told = match reason.as_str() {
        TERMINAL => format!("{} of {of} is a terminal and was not captured", stream.name()),
        _ => format!("{records} lines of {} of {of} were not captured: {reason}, {bytes} bytes", stream.name()),
    };
    let control = Control {
        source: position(&context.pod, &spool.label, spool.generation, offset),
        container: container.map(ToOwned::to_owned),
        content: told,
        attrs: object(json!({ "bytes": bytes, "records": records, "stream": stream.name() })),
        timestamp: now(),
    };
    control::gap(&context.pod, reason, 1, control)
}

/// In place of a message that can never be sent.
pub fn set_aside(pod: &PodIdentity, outgoing: &Outgoing, reason: &str, number: u64) -> Message {
    let Outgoing { speaker, start, end, .. } = outgoing;
    let label = &speaker.source.label;
    let control = Control {
        source: position(pod, label, speaker.source.generation, *end),
        container: speaker.container.clone(),
        content: format!("a message made of bytes {start} to {end} of `{label}` could not be sent: {reason}"),
        attrs: object(json!({ "bytes": end - start, "records": 1, "id": outgoing.id.to_string() })),
        timestamp: now(),
    };
    control::gap(pod, "set_aside", number, control)
}

fn position(pod: &PodIdentity, label: &str, generation: u64, offset: u64) -> Source {
    let label = label.to_owned();
    Source { pod_uid: pod.pod_uid.clone(), label, generation, start: offset, end: offset, part: 0 }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
