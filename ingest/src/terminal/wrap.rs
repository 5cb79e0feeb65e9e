//! Lines that fit. Pure. Widths are columns of a terminal (Unicode Standard Annex 11): two for most of what East Asia
//! writes and for emoji, none for what combines with the character before.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns of a text without control characters.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// The start of a text that fits, with a sign where something is cut.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let end = fitting(text, columns.saturating_sub(1));
    format!("{}…", &text[..end])
}

/// A text in pieces that fit, broken at a blank where one is near enough. A piece has at least one character.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let end = match fitting(rest, columns) {
            0 => first_cluster(rest),
            end => end,
        };
        if end == rest.len() {
            break;
        }
        // A word longer than half a line is not worth a half empty line.
        let blank = rest[..end].rfind(' ').filter(|at| *at > end / 2 && !rest[end..].starts_with(' '));
        let end = blank.map_or(end, |at| at + 1);
        pieces.push(rest[..end].trim_end());
        rest = &rest[end..];
        // The blank that a line was broken at belongs to neither.
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Fills a text up to so many columns.
pub fn pad(line: &mut String, text: &str, columns: usize) {
    line.push_str(text);
    line.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
}

/// How many bytes of a text fit, whole characters with what combines with them.
fn fitting(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (index, character) in text.char_indices() {
        // The selector of the emoji form makes some characters wider.
        used += character.width().unwrap_or(0) + usize::from(character == '\u{fe0f}');
        if used > columns {
            return index;
        }
    }
    text.len()
}

fn first_cluster(text: &str) -> usize {
    let later = text.char_indices().skip(1).find(|(_, character)| character.width() != Some(0));
    later.map_or(text.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests;
