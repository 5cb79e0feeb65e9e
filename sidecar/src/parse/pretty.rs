//! A message as people read it on a terminal: a line that says who said what sort of thing when, then the text.
//!
//! What a step wrote never reaches the terminal as a command to it: control characters are shown, not sent.

use std::io::{self, Write};

use message::{Kind, Message, RunIdentity};
use serde_json::Value;

/// Lines that are shown of one text.
const LINES_SHOWN: usize = 30;

/// Characters that are shown of one line.
const LINE_SHOWN: usize = 400;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// Shows messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pretty {
    /// Whether with colours.
    pub(crate) color: bool,
    /// Whether it is told which run speaks.
    pub(crate) run: bool,
}

impl Pretty {
    /// Writes one message.
    pub(crate) fn message(self, output: &mut impl Write, message: &Message) -> io::Result<()> {
        let time = message.timestamp.to_string();
        // Date and microseconds are for machines.
        let time = time.get(11..23).unwrap_or(&time);
        let kind = message.kind.as_str();
        write!(output, "{} {}", self.painted(DIM, time), self.painted(color_of(kind), &shown(kind)))?;
        write!(output, " {}", shown(&message.agent_id))?;
        if self.run {
            let RunIdentity { namespace, name, .. } = &message.run;
            write!(output, " in {}/{}", shown(namespace), shown(name))?;
        }
        if message.role != message.kind.default_role() {
            write!(output, " as {}", message.role.as_str())?;
        }
        for (name, value) in [("stage", &message.stage), ("channel", &message.channel)] {
            if let Some(value) = value {
                write!(output, " {name}={}", shown(value))?;
            }
        }
        writeln!(output)?;
        if let Some(tool) = &message.tool {
            self.field(output, "tool", &[tool.name(), tool.call_id()].into_iter().flatten().collect::<Vec<_>>().join(" "))?;
            for (key, value) in tool.0.iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "call_id")) {
                self.field(output, key, &text_of(value))?;
            }
        }
        if let Some(content) = &message.content {
            text(output, "  ", content)?;
        }
        for (key, value) in &message.attrs {
            self.field(output, key, &text_of(value))?;
        }
        Ok(())
    }

    /// A name and its value: in one line, or the value below.
    fn field(self, output: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
        write!(output, "  {}", self.painted(DIM, &format!("{}:", shown(name))))?;
        if value.contains('\n') {
            writeln!(output)?;
            text(output, "    ", value)
        } else {
            writeln!(output, " {}", cut(&shown(value)))
        }
    }

    fn painted(self, color: &str, text: &str) -> String {
        if self.color { format!("{color}{text}{RESET}") } else { text.to_owned() }
    }
}

fn color_of(kind: &str) -> &'static str {
    match kind {
        Kind::MESSAGE => "\x1b[1;32m",
        Kind::REASONING => "\x1b[35m",
        Kind::TOOL_CALL => "\x1b[36m",
        Kind::TOOL_RESULT => "\x1b[34m",
        Kind::STATUS => "\x1b[33m",
        Kind::ERROR => "\x1b[1;31m",
        Kind::LOG => DIM,
        _ => "\x1b[1m",
    }
}

fn text(output: &mut impl Write, indent: &str, text: &str) -> io::Result<()> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    for line in lines.iter().take(LINES_SHOWN) {
        writeln!(output, "{indent}{}", cut(&shown(line)))?;
    }
    match lines.len().saturating_sub(LINES_SHOWN) {
        0 => Ok(()),
        more => writeln!(output, "{indent}... {more} more lines"),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The text with its control characters made visible.
fn shown(text: &str) -> String {
    let visible = |character: char| match character {
        '\t' => "    ".to_owned(),
        control if control.is_control() => control.escape_default().to_string(),
        // These turn text around that stands beside them.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => character.escape_unicode().to_string(),
        other => other.to_string(),
    };
    text.chars().map(visible).collect()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE_SHOWN) {
        Some((index, _)) => format!("{}... {} more characters", &line[..index], line[index..].chars().count()),
        None => line.to_owned(),
    }
}
