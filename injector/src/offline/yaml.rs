//! Writes values as block YAML that every reader takes alike.
//!
//! Kubernetes' own reader follows YAML 1.1, where `on`, `0o17` or `1_000` are no text. So text is written plain only when it
//! cannot be taken for anything else, and as a JSON string otherwise, which is YAML too.

use std::fmt::Write as _;

use serde_json::Value;

/// Words that some reader takes for something else than text.
const WORDS: [&str; 11] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"];

/// A value as a block of lines, without indentation, each line with its end.
#[must_use]
pub fn block(value: &Value) -> String {
    let mut text = String::new();
    write_block(&mut text, value, 0);
    text
}

fn write_block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                write_entry(text, &format!("{}{}:", spaces(indent), scalar(key)), value, indent);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for element in list {
                write_element(text, element, indent);
            }
        }
        other => push_line(text, &format!("{}{}", spaces(indent), inline(other))),
    }
}

/// A key with its value behind or below it. The elements of a list stand below the key itself, as `kubectl` writes them.
fn write_entry(text: &mut String, key: &str, value: &Value, indent: usize) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            push_line(text, key);
            write_block(text, value, indent + 2);
        }
        Value::Array(list) if !list.is_empty() => {
            push_line(text, key);
            write_block(text, value, indent);
        }
        Value::String(lines) if is_literal(lines) => {
            push_line(text, &format!("{key} {}", if lines.ends_with('\n') { "|" } else { "|-" }));
            for line in lines.lines() {
                push_line(text, &format!("{}{line}", spaces(indent + 2)));
            }
        }
        other => push_line(text, &format!("{key} {}", inline(other))),
    }
}

fn write_element(text: &mut String, element: &Value, indent: usize) {
    let mut nested = String::new();
    write_block(&mut nested, element, indent + 2);
    // The first line of what is nested stands behind the dash, which takes the place of its indentation.
    let first = nested.get(indent + 2..).unwrap_or_default();
    text.push_str(&spaces(indent));
    text.push_str("- ");
    text.push_str(first);
}

fn push_line(text: &mut String, line: &str) {
    // A String takes everything.
    writeln!(text, "{line}").unwrap_or_default();
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // Numbers, booleans, null and what is empty look the same in JSON and YAML.
        other => other.to_string(),
    }
}

/// A text in one line.
#[must_use]
pub fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    // What JSON lets stand and YAML does not is escaped too.
    let mut quoted = String::new();
    for letter in Value::from(text).to_string().chars() {
        match u32::from(letter) {
            _ if is_printable(letter) => quoted.push(letter),
            code if code <= 0xFFFF => write!(quoted, "\\u{code:04x}").unwrap_or_default(),
            code => write!(quoted, "\\U{code:08x}").unwrap_or_default(),
        }
    }
    quoted
}

/// Whether a character may stand in YAML as it is (YAML 1.2.2, 5.1) and ends no line for anybody.
fn is_printable(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

fn is_plain(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let inside = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@+,=".contains(&byte));
    starts && inside && !text.ends_with(':') && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether a text of several lines can stand as it is.
fn is_literal(text: &str) -> bool {
    text.lines().count() > 1
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n'])
        && text.lines().all(|line| !line.ends_with(' '))
        && text.chars().all(|letter| letter == '\n' || is_printable(letter))
}

fn spaces(count: usize) -> String {
    " ".repeat(count)
}

#[cfg(test)]
mod tests;
