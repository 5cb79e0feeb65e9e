//! One record of the spool as bytes: length, checksum, then who said what and when. Pure functions.
//!
//! ```text
//! u32 length of the rest after the checksum | u32 CRC-32 of length and rest |
//! u8 length of the container's name | name | i64 microseconds since 1970 | u32 pid | u32 uid | u32 gid |
//! u8 flags: 1 an id follows, 2 the bytes are a batch of `exec`, 4 they are the first part of a line | 16 bytes id |
//! the bytes as they came
//! ```
//! Numbers are little-endian. Format version 1 knows no flag but the first.

use uuid::Uuid;

/// Bytes of length and checksum.
pub const PREFIX: usize = 8;
/// Bytes of the shortest rest: no name, no id, nothing said.
const SHORTEST: usize = 1 + 8 + 12 + 1;
/// An id follows.
const HAS_ID: u8 = 1;
/// The bytes are a batch of `exec`.
const IS_BATCH: u8 = 2;
/// The bytes are the first part of a line.
const IS_PIECE: u8 = 4;
/// The longest rest that is believed; a longer one is damage.
const LONGEST: usize = 4 * 1024 * 1024;
/// The longest bytes as they came that a frame has room for, whatever is said beside them: a name of 255 bytes, and numbers.
pub const LONGEST_RAW: usize = LONGEST - 512;

/// Who is on the other end of a socket, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peer {
    /// Process id in our namespace, 0 when it is in another.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What the bytes of an entry are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// One record, as it came.
    #[default]
    Record,
    /// The first part of a line that is longer than a record may be; it goes on in the next record of its writer.
    Piece,
    /// What a wrapped command wrote and how it ended, several lines in one entry: all of it is accepted, or none.
    Batch,
}

/// One accepted record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Container whose socket it came through; empty where the sockets have no names.
    pub container: &'a str,
    /// Microseconds since 1970.
    pub accepted_at: i64,
    /// Who wrote it.
    pub peer: Peer,
    /// The message id made of the id that the step gave.
    pub id: Option<Uuid>,
    /// What the bytes are.
    pub form: Form,
    /// The bytes as they came, without a line end.
    pub raw: &'a [u8],
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole record, and its length in bytes.
    Whole(Entry<'a>, usize),
    /// The start of one that goes on beyond these bytes; `usize` bytes are needed.
    Cut(usize),
    /// No record.
    Damaged,
}

/// Bytes of the frame of a record.
#[must_use]
pub fn length(entry: &Entry<'_>) -> u64 {
    let id = if entry.id.is_some() { 16 } else { 0 };
    (PREFIX + SHORTEST + name(entry).len() + id + entry.raw.len()) as u64
}

/// Appends the frame of a record to `buffer` and gives its length. A container's name is cut at 255 bytes.
pub fn encode(entry: &Entry<'_>, buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    encode_head(entry, buffer);
    buffer.extend_from_slice(entry.raw);
    buffer.len() - start
}

/// Appends what stands before the bytes as they came.
pub fn encode_head(entry: &Entry<'_>, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; PREFIX]);
    let name = name(entry);
    buffer.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    buffer.extend_from_slice(name);
    buffer.extend_from_slice(&entry.accepted_at.to_le_bytes());
    for number in [entry.peer.pid, entry.peer.uid, entry.peer.gid] {
        buffer.extend_from_slice(&number.to_le_bytes());
    }
    let form = match entry.form {
        Form::Record => 0,
        Form::Piece => IS_PIECE,
        Form::Batch => IS_BATCH,
    };
    buffer.push(form | if entry.id.is_some() { HAS_ID } else { 0 });
    if let Some(id) = entry.id {
        buffer.extend_from_slice(id.as_bytes());
    }
    let head = &buffer[start + PREFIX..];
    let length = u32::try_from(head.len() + entry.raw.len()).unwrap_or(u32::MAX).to_le_bytes();
    let checksum = checksum(length, &[head, entry.raw]).to_le_bytes();
    buffer[start..start + 4].copy_from_slice(&length);
    buffer[start + 4..start + PREFIX].copy_from_slice(&checksum);
}

fn name<'a>(entry: &Entry<'a>) -> &'a [u8] {
    let mut end = entry.container.len().min(255);
    while !entry.container.is_char_boundary(end) {
        end -= 1;
    }
    &entry.container.as_bytes()[..end]
}

/// Whether a frame may begin here; tells most places where none does without computing a checksum.
#[must_use]
pub fn may_begin(bytes: &[u8]) -> bool {
    let length = u32_at(bytes, 0).map(|length| length as usize);
    bytes.len() >= PREFIX && length.is_some_and(|length| (SHORTEST..=LONGEST).contains(&length))
}

/// Reads the frame at the start of `bytes`.
#[must_use]
pub fn decode(bytes: &[u8]) -> Frame<'_> {
    let (Some(length), Some(expected)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else {
        return Frame::Cut(PREFIX);
    };
    let rest_length = length as usize;
    if rest_length > LONGEST {
        return Frame::Damaged;
    }
    let Some(rest) = bytes.get(PREFIX..PREFIX + rest_length) else {
        return Frame::Cut(PREFIX + rest_length);
    };
    if checksum(length.to_le_bytes(), &[rest]) != expected {
        return Frame::Damaged;
    }
    entry(rest).map_or(Frame::Damaged, |entry| Frame::Whole(entry, PREFIX + rest_length))
}

/// The first of whole frames that [`decode`] has seen, and its length in bytes: their checksums are not computed again.
#[must_use]
pub fn first(frames: &[u8]) -> Option<(Entry<'_>, usize)> {
    let end = PREFIX + u32_at(frames, 0)? as usize;
    Some((entry(frames.get(PREFIX..end)?)?, end))
}

fn entry(rest: &[u8]) -> Option<Entry<'_>> {
    let (&name_length, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_length))?;
    let (accepted_at, rest) = rest.split_first_chunk::<8>()?;
    let peer = Peer { pid: u32_at(rest, 0)?, uid: u32_at(rest, 4)?, gid: u32_at(rest, 8)? };
    let (&flags, rest) = rest.get(12..)?.split_first()?;
    let (id, raw) = match flags & HAS_ID {
        0 => (None, rest),
        _ => rest.split_first_chunk::<16>().map(|(id, raw)| (Some(Uuid::from_bytes(*id)), raw))?,
    };
    let form = match flags & (IS_BATCH | IS_PIECE) {
        0 => Form::Record,
        IS_PIECE => Form::Piece,
        _ => Form::Batch,
    };
    let container = std::str::from_utf8(name).ok()?;
    Some(Entry { container, accepted_at: i64::from_le_bytes(*accepted_at), peer, id, form, raw })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|chunk| u32::from_le_bytes(*chunk))
}

fn checksum(length: [u8; 4], rest: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    for piece in rest {
        hasher.update(piece);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests;
