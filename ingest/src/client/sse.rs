//! Reads an event stream, as the HTML standard says ("Server-sent events", parsing and interpreting). Pure: bytes in, in
//! pieces of any size, events out.

/// An event, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; empty for a message.
    pub name: String,
    /// Its data, lines joined by a line feed.
    pub data: String,
}

/// The bytes of a stream that are not an event yet, and the position so far.
#[derive(Debug, Default)]
pub struct Parser {
    begun: bool,
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
    name: String,
    data: String,
    id: String,
    last_id: String,
    /// Bytes of the data of the event that is being read.
    size: usize,
}

/// An event that no reader has to hold: messages of the API are below 8 MiB, whatever is in them.
pub const LONGEST: usize = 64 * 1024 * 1024;

/// An event is longer than [`LONGEST`]. What sends it is not the API.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than 64 MiB")]
pub struct TooLong;

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Parser {
    /// Goes on after an event with this id.
    #[must_use]
    pub fn after(id: &str) -> Self {
        Self { id: id.to_owned(), last_id: id.to_owned(), ..Self::default() }
    }

    /// Where to go on from: the id of the last block that was whole, empty for none. A block with an id alone counts.
    #[must_use]
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Takes further bytes and adds the events that they complete.
    ///
    /// # Errors
    /// When an event is longer than any can be.
    pub fn take(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => self.end_line(events),
                byte => {
                    self.size += 1;
                    if self.size > LONGEST {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let mut line = std::mem::take(&mut self.line);
        let begun = std::mem::replace(&mut self.begun, true);
        let text = if begun { &line[..] } else { line.strip_prefix(BOM).unwrap_or(&line) };
        if text.is_empty() {
            self.dispatch(events);
        } else {
            let text = String::from_utf8_lossy(text);
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        line.clear();
        self.line = line;
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            // Comments have an empty name. How long to wait before reconnecting is this reader's own affair.
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        self.size = 0;
        self.last_id.clone_from(&self.id);
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        if data.pop().is_some() {
            events.push(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests;
