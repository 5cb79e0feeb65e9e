//! Text into subject tokens and back.
//!
//! A token holds only `A-Z a-z 0-9 _ -` as themselves; every other byte is `%XX`. So no name can bring a separator, a
//! wildcard or an empty token into a subject, and whoever may publish under `workflow.<namespace>.` stays there.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Longest escaped agent, in bytes.
pub const AGENT_LIMIT: usize = 128;
/// Longest escaped kind, in bytes.
pub const KIND_LIMIT: usize = 64;
/// Longest escaped name, namespace or uid, in bytes.
pub const NAME_LIMIT: usize = 256;

/// What replaces the end of a token that is too long: `~` and 16 hex digits.
const DIGEST_LENGTH: usize = 17;

/// The token of a text. The empty text is `%`. A token longer than `limit` ends in `~` and a digest of the whole text.
#[must_use]
pub fn escape(text: &str, limit: usize) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        push_byte(&mut token, byte);
    }
    if token.len() <= limit {
        return token;
    }
    let mut length = limit.saturating_sub(DIGEST_LENGTH);
    // An escape is three bytes: step back out of one that the cut would go through.
    let escape_begins = |back: usize| length.checked_sub(back).is_some_and(|at| token.as_bytes()[at] == b'%');
    length -= if escape_begins(1) {
        1
    } else if escape_begins(2) {
        2
    } else {
        0
    };
    token.truncate(length);
    token.push('~');
    for byte in &Sha256::digest(text.as_bytes())[..8] {
        push_hex(&mut token, *byte, false);
    }
    token
}

/// The token of a namespace: as [`escape`], but `general` is `%67eneral`, because that place in a subject says that the
/// message is for the channel of all runs.
#[must_use]
pub fn escape_namespace(namespace: &str) -> String {
    if namespace == crate::GENERAL_CHANNEL {
        return "%67eneral".to_owned();
    }
    escape(namespace, NAME_LIMIT)
}

/// The text of a token. A `%` without two hex digits is read as itself, since other publishers do not escape; bytes that
/// are no UTF-8 become U+FFFD.
#[must_use]
pub fn unescape(token: &str) -> Cow<'_, str> {
    if token == "%" {
        return Cow::Borrowed("");
    }
    if !token.contains('%') {
        return Cow::Borrowed(token);
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex_value(*high) << 4 | hex_value(*low));
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn push_byte(token: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
        token.push(char::from(byte));
    } else {
        token.push('%');
        push_hex(token, byte, true);
    }
}

fn push_hex(token: &mut String, byte: u8, upper: bool) {
    let written = if upper { write!(token, "{byte:02X}") } else { write!(token, "{byte:02x}") };
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests;
