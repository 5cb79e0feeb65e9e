//! Plain text as a terminal would show it in the end: without escape sequences, a progress bar in its last state.

use std::borrow::Cow;

use message::Kind;

use super::Origin;
use super::group::Group;
use crate::draft::Draft;
use crate::redact;
use crate::rules::Rules;

/// Reads a line of text, or a record of several; nothing when no text is left of it.
pub(super) fn read(line: &str, origin: Origin<'_>) -> Option<Draft> {
    let kind = match origin {
        Origin::Socket { .. } => Kind::MESSAGE,
        Origin::File | Origin::Output { .. } => Kind::LOG,
    };
    let text = clean(line);
    (!text.trim().is_empty()).then(|| Draft::new(kind, text.trim_end()))
}

/// Reads lines that are one message.
pub(super) fn of_group(group: Group, rules: &Rules) -> Draft {
    let (read_at, private_key) = (group.first_read(), group.private_key().to_vec());
    let span = group.into_span();
    let decoded = String::from_utf8_lossy(&span.bytes);
    let mut content = String::with_capacity(decoded.len());
    for (line, number) in decoded.split('\n').zip(0..) {
        if number > 0 {
            content.push('\n');
        }
        if private_key.binary_search(&number).is_ok() {
            content.push_str(&redact::mark(redact::PRIVATE_KEY));
        } else {
            content.push_str(clean_line(line.strip_suffix('\r').unwrap_or(line)).trim_end());
        }
    }
    content.truncate(content.trim_end().len());
    let mut draft = Draft::new(Kind::LOG, content).at(read_at);
    rules.read(&mut draft);
    draft.private_key_lines = u32::try_from(private_key.len()).unwrap_or(u32::MAX);
    if matches!(decoded, Cow::Owned(_)) {
        draft.attrs.insert("invalid_utf8".to_owned(), true.into());
    }
    if let Some(stream) = &span.stream {
        draft.attrs.insert("stream".to_owned(), stream.as_str().into());
    }
    draft.span = Some(Box::new(span));
    draft
}

/// A text of several lines, each cleaned.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if is_clean(text) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.split('\n').map(clean_line).collect();
    Cow::Owned(lines.join("\n"))
}

/// One line, cleaned.
pub(super) fn clean_line(line: &str) -> Cow<'_, str> {
    if is_clean(line) {
        return Cow::Borrowed(line);
    }
    let shown = without_escapes(line);
    // What stands after a carriage return overwrites what stood before it.
    let last = shown.split('\r').rev().find(|part| !part.trim().is_empty()).unwrap_or_default();
    Cow::Owned(last.to_owned())
}

fn is_clean(text: &str) -> bool {
    memchr::memchr2(0x1b, b'\r', text.as_bytes()).is_none() && !text.contains('\u{9b}')
}

/// The text without the escape sequences of ECMA-48.
fn without_escapes(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(index) = rest.find(['\u{1b}', '\u{9b}']) {
        shown.push_str(&rest[..index]);
        let introducer = &rest[index..];
        rest = &introducer[sequence_length(introducer)..];
    }
    shown.push_str(rest);
    shown
}

/// How many bytes of the text, which begins with an introducer, are its escape sequence.
fn sequence_length(text: &str) -> usize {
    if let Some(parameters) = text.strip_prefix('\u{9b}') {
        return '\u{9b}'.len_utf8() + control_length(parameters);
    }
    let after = &text[1..];
    match after.as_bytes().first() {
        Some(b'[') => 2 + control_length(&after[1..]),
        // Title, hyperlink and other strings end at BEL or at ESC \; without an end only the introducer goes.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => match after.find(['\u{7}', '\u{1b}']) {
            Some(end) if after[end..].starts_with("\u{1b}\\") => 1 + end + 2,
            Some(end) if after[end..].starts_with('\u{7}') => 1 + end + 1,
            _ => 2,
        },
        Some(byte) if byte.is_ascii() => {
            let intermediates = after.bytes().take_while(|byte| (0x20..=0x2f).contains(byte)).count();
            let has_final = after.as_bytes().get(intermediates).is_some_and(|byte| (0x30..=0x7e).contains(byte));
            1 + intermediates + usize::from(has_final)
        }
        _ => 1,
    }
}

/// Length of a control sequence after its introducer: parameters, intermediates, one final byte.
fn control_length(text: &str) -> usize {
    let body = text.bytes().take_while(|byte| (0x20..=0x3f).contains(byte)).count();
    let has_final = text.as_bytes().get(body).is_some_and(|byte| (0x40..=0x7e).contains(byte));
    body + usize::from(has_final)
}

#[cfg(test)]
mod tests;
