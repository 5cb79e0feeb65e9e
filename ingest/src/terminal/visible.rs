//! Text of others, made safe to show. Pure.
//!
//! A terminal obeys control characters: a message could clear it, rename its window, type into it, or hide its own words.
//! None passes: each is shown as what it is. So are characters that reverse the order of others, which would show another
//! text than the one that was said.

use std::borrow::Cow;

/// How wide a tabulator is shown.
const TAB: &str = "    ";

/// A text in one line: line feeds are blanks, everything else that is not to be seen is shown escaped.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.replace("\r\n", " ").chars() {
        match character {
            '\n' => shown.push(' '),
            character => escape(character, &mut shown),
        }
    }
    Cow::Owned(shown)
}

/// The lines of a text, each as [`line`] shows it. Lines that end it and say nothing are left out.
pub fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.trim_end().split('\n').map(line)
}

/// JSON of others in one line: what JSON itself lets pass and a terminal obeys is escaped as JSON escapes it, so the value is
/// the same. `json` must be JSON.
#[must_use]
pub fn json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character {
            // Between values only: inside a text JSON escapes them.
            '\n' | '\r' | '\t' => shown.push(' '),
            character if is_hidden(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    shown.push_str("\\u");
                    let digits = [12, 8, 4, 0].map(|shift| char::from_digit(u32::from(*unit) >> shift & 15, 16));
                    shown.extend(digits.into_iter().flatten());
                }
            }
            character => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn escape(character: char, shown: &mut String) {
    match u8::try_from(u32::from(character)) {
        Ok(b'\t') => shown.push_str(TAB),
        Ok(byte) if is_hidden(character) => shown.extend(std::ascii::escape_default(byte).map(char::from)),
        _ if is_hidden(character) => shown.extend(character.escape_unicode()),
        _ => shown.push(character),
    }
}

/// Whether a character acts instead of being seen: controls of both sorts, marks that turn the direction of writing, line
/// and paragraph separators, tags. A joiner is none: emoji are made with it.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
