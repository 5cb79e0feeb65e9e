//! Reads server-sent events as the standard says (WHATWG HTML, section 9.2): blocks of fields, each dispatched at its blank
//! line and not before; what is cut off in the middle was never sent.

/// One block.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
    /// What the reader may go on from, once this is dispatched.
    pub id: Option<String>,
}

/// What has come of a stream so far.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    event: Event,
}

impl Parser {
    /// Takes bytes as they come; gives the blocks that are whole now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).unwrap();
            if line.is_empty() {
                events.push(std::mem::take(&mut self.event));
            } else {
                self.field(line);
            }
        }
        events
    }

    fn field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
            "data" => self.event.data = format!("{}\n{value}", self.event.data),
            "id" => self.event.id = Some(value.to_owned()),
            // A comment, or `retry`.
            _ => {}
        }
    }
}

#[test]
fn blocks_are_given_when_they_are_whole() {
    let mut parser = Parser::default();
    assert_eq!(parser.push(b"retry: 1000\n\nid: 1.4\ndata: {\"a\":"), [Event::default()]);
    let whole = Event { name: String::new(), data: "{\"a\":1}\nb".to_owned(), id: Some("1.4".to_owned()) };
    assert_eq!(parser.push(b"1}\ndata: b\n\n: heart"), [whole]);
    let position = Event { id: Some("1.9".to_owned()), ..Event::default() };
    assert_eq!(parser.push(b"beat\n\nid: 1.9\n\nevent: reset\nid: 1.2\n"), [Event::default(), position]);
}
