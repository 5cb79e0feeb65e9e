//! A byte stream into lines with exact offsets.
//!
//! A line ends with LF or CR LF. A longer line than [`LINE_LIMIT`] is cut there or shortly before, so that memory stays
//! bounded; the rest of it is the next line. Where lines are cut depends on the bytes alone, never on how they arrive; only
//! [`Cutter::finish`] cuts by its caller's decision.
//!
//! NUL bytes where a line begins belong to no line: a file that is cut while its writer goes on at its old place has a
//! hole there, of any size. They are counted, and cost no memory.

/// Longest line, its end not counted. Part of schema version 1: another limit would give other ids.
pub const LINE_LIMIT: usize = 2 * 1024 * 1024;

/// How far before the limit the end of a word is looked for when a line is cut. Part of schema version 1 as well.
const NEAR_LIMIT: usize = 1024;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the line's end: where the next line begins.
    pub end: u64,
    /// The bytes, without the line's end.
    pub bytes: &'a [u8],
    /// Whether it was longer than [`LINE_LIMIT`] and goes on in the next line.
    pub cut: bool,
    /// Whether it had a line end. False for a cut line and for the last one of [`Cutter::finish`].
    pub terminated: bool,
}

/// Cuts a stream of bytes. Holds at most one unfinished line and the chunks pushed since the last [`Cutter::next_line`].
#[derive(Debug)]
pub struct Cutter {
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    begin: usize,
    /// How far in the buffer no line end was found.
    searched: usize,
    /// Offset in the stream of the next line's first byte.
    position: u64,
    /// NUL bytes that belong to no line, so far.
    skipped: u64,
}

impl Cutter {
    /// A cutter for a stream that is read from this offset on, which is where a line begins.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self { buffer: Vec::new(), begin: 0, searched: 0, position, skipped: 0 }
    }

    /// Offset of the first byte that no line has been made of yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes wait for their line's end. [`Cutter::position`] plus this is where to read on.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.begin
    }

    /// NUL bytes between lines that were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes the next bytes of the stream. Take all lines out before pushing more, or the buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.begin);
        self.searched -= self.begin;
        self.begin = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > LINE_LIMIT / 2 {
            // One long line should not keep its memory for the life of the source.
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line that is complete or longer than the limit.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        self.skip_nuls();
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|index| self.searched + index);
        if let Some(line_feed) = found {
            let has_return = line_feed > self.begin && self.buffer[line_feed - 1] == b'\r';
            let text_end = line_feed - usize::from(has_return);
            if text_end - self.begin <= LINE_LIMIT {
                return Some(self.take(text_end, line_feed + 1, false, true));
            }
        } else {
            self.searched = self.buffer.len();
            // A carriage return at the very limit may belong to the line's end: one more byte tells.
            let undecided = usize::from(self.buffer.last() == Some(&b'\r'));
            if self.pending() - undecided.min(self.pending()) <= LINE_LIMIT {
                return None;
            }
        }
        let cut = self.cut_point();
        Some(self.take(cut, cut, true, false))
    }

    /// What is left when nothing more will come: a last line without an end. Take all lines out first, and call it until
    /// nothing is left.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        self.skip_nuls();
        match self.pending() {
            0 => None,
            pending if pending > LINE_LIMIT => {
                let cut = self.cut_point();
                Some(self.take(cut, cut, true, false))
            }
            _ => Some(self.take(self.buffer.len(), self.buffer.len(), false, false)),
        }
    }

    fn skip_nuls(&mut self) {
        let count = self.buffer[self.begin..].iter().take_while(|byte| **byte == 0).count();
        self.begin += count;
        self.position += count as u64;
        self.skipped += count as u64;
        self.searched = self.searched.max(self.begin);
    }

    fn take(&mut self, text_end: usize, end: usize, cut: bool, terminated: bool) -> Line<'_> {
        let begin = self.begin;
        let start = self.position;
        self.position += (end - begin) as u64;
        self.begin = end;
        self.searched = self.searched.max(end);
        if cut {
            // What follows a cut was searched only up to a line end that is still to come.
            self.searched = end;
        }
        Line { start, end: self.position, bytes: &self.buffer[begin..text_end], cut, terminated }
    }

    /// Where to cut a line that is too long: where a word ends shortly before the limit, so that no secret is cut into two
    /// parts that nobody knows for one; else at the limit, but not inside a character.
    fn cut_point(&self) -> usize {
        let limit = self.begin + LINE_LIMIT;
        let near = &self.buffer[limit - NEAR_LIMIT..limit];
        if let Some(end) = word_end(near) {
            return limit - NEAR_LIMIT + end;
        }
        let is_continuation = |index: usize| self.buffer.get(index).is_some_and(|byte| byte & 0xC0 == 0x80);
        let boundary = (limit - 3..=limit).rev().find(|index| !is_continuation(*index));
        boundary.unwrap_or(limit)
    }
}

/// The place after the last comma or semicolon, or else after the last space that does not stand between a name and what is
/// assigned to it.
fn word_end(bytes: &[u8]) -> Option<usize> {
    let comma = bytes.iter().rposition(|byte| matches!(byte, b',' | b';'));
    let between = |before: u8| matches!(before, b'=' | b':' | b'"' | b'\'') || before.is_ascii_whitespace();
    let space = || (1..bytes.len()).rev().find(|index| bytes[*index].is_ascii_whitespace() && !between(bytes[index - 1]));
    comma.or_else(space).map(|index| index + 1)
}

#[cfg(test)]
mod tests;
