//! Ids made from bytes: the same bytes read twice have the same id, so a copy that was sent twice is known as one.
//!
//! Every id is a UUID of version 8 (RFC 9562, section 5.8): the first 16 bytes of a SHA-256 over parts, each preceded by
//! its length as a 32-bit big-endian number, so that no two lists of parts run together. Numbers go in as decimal text.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Version};

use crate::Source;
use crate::decimal::Decimal;

/// The id of a message made from a range of bytes of a source.
#[must_use]
pub fn of_bytes(source: &Source, bytes: &[u8]) -> Uuid {
    of_source(source, &[bytes])
}

/// The id of a control record of this kind at a position of a source (its start and end are the same).
#[must_use]
pub fn of_control(source: &Source, kind: &str) -> Uuid {
    of_source(source, &[kind.as_bytes()])
}

/// The id of a gap record: more than one can speak of the same position, so the reason and a running number go in.
#[must_use]
pub fn of_gap(source: &Source, reason: &str, number: u64) -> Uuid {
    of_source(source, &[crate::Kind::GAP.as_bytes(), reason.as_bytes(), number.to_string().as_bytes()])
}

/// The id of a message to which the step gave one of its own.
#[must_use]
pub fn of_step(pod_uid: &str, own_id: &str) -> Uuid {
    of_parts(&[pod_uid.as_bytes(), own_id.as_bytes()])
}

/// The id of another publisher's message that has one of its own, of whatever form.
#[must_use]
pub fn of_foreign(subject: &str, own_id: &str) -> Uuid {
    of_parts(&[subject.as_bytes(), own_id.as_bytes()])
}

/// The id of another publisher's message that has none: where and when the stream stored it.
#[must_use]
pub fn of_stored(subject: &str, stored_at_nanos: i128, sequence: u64) -> Uuid {
    of_parts(&[subject.as_bytes(), stored_at_nanos.to_string().as_bytes(), sequence.to_string().as_bytes()])
}

/// The id in this text, when it is one that this system made: a UUID of version 8.
#[must_use]
pub fn parse_own(text: &str) -> Option<Uuid> {
    let id = Uuid::parse_str(text).ok()?;
    (id.get_version() == Some(Version::Custom)).then_some(id)
}

fn of_source(source: &Source, last: &[&[u8]]) -> Uuid {
    let mut parts = Parts::new();
    parts.push(source.pod_uid.as_bytes());
    parts.push(source.label.as_bytes());
    for number in [source.generation, source.start, source.end, u64::from(source.part)] {
        parts.push(Decimal::of(number).as_bytes());
    }
    for part in last {
        parts.push(part);
    }
    parts.id()
}

fn of_parts(list: &[&[u8]]) -> Uuid {
    let mut parts = Parts::new();
    for part in list {
        parts.push(part);
    }
    parts.id()
}

/// Parts on their way into the digest: short ones are gathered, because each update has a price of its own.
struct Parts {
    hasher: Sha256,
    gathered: [u8; 256],
    length: usize,
}

impl Parts {
    fn new() -> Self {
        Self { hasher: Sha256::new(), gathered: [0; 256], length: 0 }
    }

    fn push(&mut self, part: &[u8]) {
        // A part never comes near 4 GiB: a record is at most 2 MiB.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.gather(&length.to_be_bytes());
        self.gather(part);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.length + bytes.len() > self.gathered.len() {
            self.hasher.update(&self.gathered[..self.length]);
            self.length = 0;
        }
        match self.gathered.get_mut(self.length..self.length + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.hasher.update(bytes),
        }
    }

    fn id(mut self) -> Uuid {
        self.hasher.update(&self.gathered[..self.length]);
        let digest = self.hasher.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests;
