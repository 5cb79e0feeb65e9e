//! Messages that the server will never take: a gap record goes in the place of each, and holds nothing up.

use std::sync::Arc;

use message::wire;

use super::Publisher;
use super::connection::Connection;
use crate::reader::{Next, set_aside};

impl Publisher {
    pub(super) fn set_aside_if_too_large(&mut self, connection: &Connection, number: u64) {
        let largest = connection.largest_body();
        if let Some(entry) = self.window.entry(number)
            && let Next::Message(outgoing) = &entry.item.next
            && outgoing.payload.len() > largest
        {
            let length = outgoing.payload.len();
            self.set_aside(number, &format!("it has {length} bytes, the server takes {largest}"));
        }
    }

    /// A gap goes in place of a message that can never be sent, with the same place to go on from.
    pub(super) fn set_aside(&mut self, number: u64, reason: &str) {
        self.set_aside += 1;
        self.metrics.set_aside.inc();
        let (pod, count) = (Arc::clone(&self.pod), self.set_aside);
        let Some(entry) = self.window.entry_mut(number) else { return };
        let Next::Message(outgoing) = &mut entry.item.next else { return };
        tracing::error!(
            source.label = outgoing.speaker.source.label,
            source.start = outgoing.start,
            source.end = outgoing.end,
            reason,
            "a message was set aside"
        );
        let gap = set_aside(&pod, outgoing, reason, count);
        (outgoing.id, outgoing.subject) = (gap.id, wire::subject(&gap).into());
        outgoing.payload = wire::to_json(&gap).into();
    }
}
