//! The lines that are sent: as a build or an agent writes them, each a bit different, all of one length, without secrets.

const WORDS: [&str; 16] = [
    "compiled", "module", "reading", "the", "file", "tests", "passed", "request", "took", "cache", "miss", "for", "worker",
    "started", "step", "done",
];

/// What the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text.
    Text,
    /// An object in the schema of messages.
    Json,
}

impl Format {
    /// How rows call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// So many lines of exactly `length` bytes, the line end included.
pub fn make(format: Format, length: usize, count: usize) -> String {
    let mut text = String::with_capacity(length * count);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for number in 0..count {
        let end = text.len() + length;
        match format {
            Format::Text => {
                fill(&mut text, number, end - 1, &mut random);
            }
            Format::Json => {
                text.push_str("{\"kind\":\"log\",\"attrs\":{\"worker\":3,\"module\":\"core\"},\"content\":\"");
                fill(&mut text, number, end - 3, &mut random);
                text.push_str("\"}");
            }
        }
        text.push('\n');
    }
    text
}

fn fill(text: &mut String, number: usize, end: usize, random: &mut u64) {
    let head = format!("{number:06} INFO");
    text.push_str(&head);
    while text.len() < end {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        text.push(' ');
        if random.is_multiple_of(5) {
            text.push_str(&(*random % 100_000).to_string());
        } else {
            let index = usize::try_from(*random >> 60).unwrap_or(0);
            text.push_str(WORDS[index]);
        }
    }
    text.truncate(end);
    // A line that ends in a blank would be cut shorter on its way.
    if text.ends_with(' ') {
        text.pop();
        text.push('.');
    }
}
